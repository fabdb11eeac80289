"""A small job with the client contract of the real one: counts numbers in Python, keeps state.

Run as a program it submits itself to the cluster that ``FLINK_CONF_DIR`` names.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pyflink.common import Types
from pyflink.common.watermark_strategy import WatermarkStrategy
from pyflink.datastream import KeyedProcessFunction, StreamExecutionEnvironment
from pyflink.datastream.connectors.number_seq import NumberSequenceSource
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.java_gateway import get_gateway

if TYPE_CHECKING:
    from collections.abc import Iterator


class Count(KeyedProcessFunction):  # type: ignore[misc]
    """Says how often each key has come so far."""

    def open(self, runtime_context: Any) -> None:
        self.count = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))

    def process_element(self, _value: int, _context: Any) -> Iterator[int]:
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
    sys.stdout.write(f"job-id: {client.get_job_id()}\n")


if __name__ == "__main__":
    main()
