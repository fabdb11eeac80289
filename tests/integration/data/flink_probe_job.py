"""A small job with the client contract of the real one: counts numbers in Python, keeps state.

Run as a program it submits itself to the cluster that ``FLINK_CONF_DIR`` names.
"""

from __future__ import annotations

from pyflink.common import Types
from pyflink.common.configuration import Configuration
from pyflink.datastream import KeyedProcessFunction, StreamExecutionEnvironment
from pyflink.datastream.connectors.number_seq import NumberSequenceSource
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.java_gateway import get_gateway
from pyflink.common.watermark_strategy import WatermarkStrategy


class Count(KeyedProcessFunction):
    def open(self, runtime_context):
        self.count = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))

    def process_element(self, value, ctx):
        count = (self.count.value() or 0) + 1
        self.count.update(count)
        yield count


def environment() -> StreamExecutionEnvironment:
    jvm = get_gateway().jvm
    loaded = jvm.org.apache.flink.configuration.GlobalConfiguration.loadConfiguration()
    constructor = jvm.org.apache.flink.streaming.api.environment.StreamExecutionEnvironment
    return StreamExecutionEnvironment(constructor(loaded))


def main() -> None:
    env = environment()
    numbers = env.from_source(
        NumberSequenceSource(1, 1 << 60),
        WatermarkStrategy.no_watermarks(),
        "probe-source",
        Types.LONG(),
    )
    counted = numbers.key_by(lambda n: n % 4, Types.LONG()).process(Count(), Types.LONG())
    counted.filter(lambda n: n % 1000000 == 0).print()
    client = env.execute_async("probe")
    print(f"job-id: {client.get_job_id()}", flush=True)


if __name__ == "__main__":
    main()
