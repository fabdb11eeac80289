"""A small job that reads a Kafka topic to its end and beyond; ``PROBE_*`` variables say which."""

from __future__ import annotations

import os
import sys

os.environ["HADOOP_CLASSPATH"] = os.environ["FLINK_TA_JARS"]  # before the client's JVM starts

from pyflink.common import SimpleStringSchema
from pyflink.common.watermark_strategy import WatermarkStrategy
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.datastream.connectors.kafka import KafkaOffsetsInitializer, KafkaSource
from pyflink.java_gateway import get_gateway


def main() -> None:
    jvm = get_gateway().jvm
    loaded = jvm.org.apache.flink.configuration.GlobalConfiguration.loadConfiguration()
    constructor = jvm.org.apache.flink.streaming.api.environment.StreamExecutionEnvironment
    env = StreamExecutionEnvironment(constructor(loaded))
    source = (
        KafkaSource.builder()
        .set_bootstrap_servers(os.environ["PROBE_BOOTSTRAP"])
        .set_topics(os.environ["PROBE_TOPIC"])
        .set_group_id(os.environ["PROBE_GROUP"])
        .set_starting_offsets(KafkaOffsetsInitializer.earliest())
        .set_value_only_deserializer(SimpleStringSchema())
        .build()
    )
    env.from_source(source, WatermarkStrategy.no_watermarks(), "probe-kafka-source").print()
    sys.stdout.write(f"job-id: {env.execute_async('kafka-probe').get_job_id()}\n")


if __name__ == "__main__":
    main()
