from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import ServiceError
from harness.replay.observe import commits
from harness.replay.observe.commits import Commit, CommitReader, decode

if TYPE_CHECKING:
    from confluent_kafka import TopicPartition


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack(">h", len(raw)) + raw


def commit_key(group: str, topic: str, partition: int, version: int = 1) -> bytes:
    return struct.pack(">h", version) + text(group) + text(topic) + struct.pack(">i", partition)


def commit_value(offset: int, version: int = 3) -> bytes:
    metadata = struct.pack(">i", -1) + text("") if version >= 3 else text("")
    return struct.pack(">hq", version, offset) + metadata + struct.pack(">q", 1_766_577_600_000)


@pytest.mark.parametrize("key_version", [0, 1])
@pytest.mark.parametrize("value_version", [0, 1, 2, 3])
def test_an_offset_commit(key_version: int, value_version: int) -> None:
    key = commit_key("torghut-ta", "torghut.trades.v1", 2, key_version)
    assert decode(key, commit_value(41, value_version)) == Commit(
        "torghut-ta", ("torghut.trades.v1", 2), 41
    )


@pytest.mark.parametrize("value", [None, b""])
def test_a_tombstone_names_group_and_partition_but_no_offset(value: bytes | None) -> None:
    assert decode(commit_key("g", "t", 0), value) == Commit("g", ("t", 0), None)


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6, 7, 8, 11])
def test_records_about_a_group_itself_prove_that_it_is_known(version: int) -> None:
    key = struct.pack(">h", version) + text("torghut-ta") + text("member-1")
    assert decode(key, b"whatever") == Commit("torghut-ta", None, None)


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"\x00",
        struct.pack(">h", 1),
        struct.pack(">hh", 1, 50) + b"short",
        struct.pack(">hh", 1, -1),
        struct.pack(">h", 1) + text("g") + text("t") + b"\x00",
        struct.pack(">hh", 1, 2) + b"\xff\xfe" + text("t") + struct.pack(">i", 0),
    ],
)
def test_keys_that_are_cut_short_or_garbled_are_of_no_use(key: bytes) -> None:
    assert decode(key, commit_value(1)) is None


def test_a_value_that_is_cut_short_is_of_no_use() -> None:
    assert decode(commit_key("g", "t", 0), b"\x00\x03\x00") is None


@given(st.binary(), st.none() | st.binary())
def test_no_bytes_at_all_make_it_raise(key: bytes, value: bytes | None) -> None:
    decoded = decode(key, value)
    assert decoded is None or isinstance(decoded.group, str)


groups = st.text(max_size=80)
offsets = st.integers(0, 2**63 - 1)


@given(groups, groups, st.integers(0, 2**31 - 1), offsets)
def test_what_is_encoded_is_decoded(group: str, topic: str, number: int, offset: int) -> None:
    key = commit_key(group, topic, number)
    assert decode(key, commit_value(offset)) == Commit(group, (topic, number), offset)


@given(st.integers(0, 200))
def test_every_cut_of_a_key_is_of_no_use(cut: int) -> None:
    key = commit_key("torghut-ta", "torghut.trades.v1", 2)
    if cut < len(key):
        assert decode(key[:cut], commit_value(1)) is None


@dataclass
class Message:
    place: int
    key_bytes: bytes | None = None
    problem: KafkaError | None = None

    def error(self) -> KafkaError | None:
        return self.problem

    def offset(self) -> int:
        return self.place

    def key(self) -> bytes | None:
        return self.key_bytes

    def value(self) -> bytes:
        return commit_value(self.place)


END = KafkaError(KafkaError._PARTITION_EOF)


@dataclass
class Topics:
    """Stands in for a consumer: partitions with records, gaps and an end."""

    records: dict[int, dict[int, bytes]]
    high: dict[int, int]
    known: bool = True
    silent: bool = False
    assigned: list[tuple[int, int]] = field(default_factory=list)
    _queue: list[Message] = field(default_factory=list)

    def list_topics(self, topic: str, timeout: float) -> Any:
        assert timeout
        error = None if self.known else KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
        listed = type("Metadata", (), {"error": error, "partitions": self.records})()
        return type("Topics", (), {"topics": {topic: listed}})()

    def get_watermark_offsets(self, where: TopicPartition, timeout: float) -> tuple[int, int]:
        assert timeout
        return min(self.records[where.partition], default=0), self.high[where.partition]

    def assign(self, wanted: list[TopicPartition]) -> None:
        (where,) = wanted
        self.assigned.append((where.partition, where.offset))
        left = sorted(o for o in self.records[where.partition] if o >= where.offset)
        found = [Message(o, self.records[where.partition][o]) for o in left]
        self._queue = [*found, Message(self.high[where.partition], problem=END)]

    def poll(self, timeout: float) -> Message | None:
        assert timeout
        return None if self.silent else self._queue.pop(0)

    def close(self) -> None:
        self._queue = []


def reader(topics: Topics, monkeypatch: pytest.MonkeyPatch) -> CommitReader:
    monkeypatch.setattr(commits, "Consumer", lambda _config: topics)
    return CommitReader("127.0.0.1:1")


def test_every_record_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = Topics({0: {0: commit_key("a", "t", 0)}, 1: {}}, {0: 1, 1: 0})
    source = reader(topics, monkeypatch)
    assert source.new_commits() == [Commit("a", ("t", 0), 0)]
    assert source.new_commits() == []
    topics.records[0][1] = commit_key("b", "t", 1)
    topics.high[0] = 2
    assert source.new_commits() == [Commit("b", ("t", 1), 1)]
    assert topics.assigned == [(0, 0), (0, 1)]


def test_gaps_and_a_marker_at_the_end_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    records = {3: commit_key("a", "t", 0), 7: commit_key("b", "t", 0)}
    source = reader(Topics({0: records}, {0: 9}), monkeypatch)
    assert [one.group for one in source.new_commits()] == ["a", "b"]
    assert source.new_commits() == []


def test_before_the_first_commit_ever_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reader(Topics({}, {}, known=False), monkeypatch).new_commits() == []


def test_brokers_that_give_nothing_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    source = reader(Topics({0: {}}, {0: 5}, silent=True), monkeypatch)
    with pytest.raises(ServiceError, match="gave nothing at offset 0 of 5"):
        source.new_commits()


def test_an_error_of_the_brokers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = Topics({0: {}}, {0: 5})
    broken = Message(0, problem=KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
    monkeypatch.setattr(topics, "poll", lambda _timeout: broken)
    with pytest.raises(ServiceError, match="__consumer_offsets-0: "):
        reader(topics, monkeypatch).new_commits()
