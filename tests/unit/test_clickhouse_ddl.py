from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.world.services.clickhouse import localise_ddl, statements

PRODUCTION = """\
CREATE DATABASE IF NOT EXISTS torghut ON CLUSTER default;
-- one-second bars ON CLUSTER default; ReplicatedMergeTree('a', 'b')
CREATE TABLE IF NOT EXISTS torghut.ta_microbars ON CLUSTER default
(
  symbol LowCardinality(String),
  event_ts DateTime64(3, 'UTC'),
  note String DEFAULT 'ON CLUSTER default; it''s a \\' quote'
)
ENGINE = ReplicatedReplacingMergeTree(
  '/clickhouse/tables/{cluster}/{shard}/ta_microbars', '{replica}', ingest_ts
)
PARTITION BY toDate(event_ts) ORDER BY (symbol, event_ts, seq)
TTL toDateTime(event_ts) + INTERVAL 30 DAY;
"""


def test_productions_ddl_becomes_that_of_one_server() -> None:
    local = localise_ddl(PRODUCTION)
    assert local.sql == PRODUCTION.replace("torghut ON CLUSTER default;", "torghut;").replace(
        "ta_microbars ON CLUSTER default\n", "ta_microbars\n"
    ).replace(
        """ReplicatedReplacingMergeTree(
  '/clickhouse/tables/{cluster}/{shard}/ta_microbars', '{replica}', ingest_ts
)""",
        "ReplacingMergeTree(ingest_ts)",
    )
    assert local.stripped[:2] == ("ON CLUSTER default", "ON CLUSTER default")
    assert local.stripped[2].endswith("-> ReplacingMergeTree(ingest_ts)")


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        ("ReplicatedMergeTree('/p', '{replica}')", "MergeTree()"),
        ("ReplicatedMergeTree", "MergeTree"),
        ("ReplicatedMergeTree()", "MergeTree()"),
        ("ReplicatedReplacingMergeTree(v)", "ReplacingMergeTree(v)"),
        (
            "ReplicatedReplacingMergeTree('/p','r',v,is_deleted)",
            "ReplacingMergeTree(v, is_deleted)",
        ),
        ("ReplicatedSummingMergeTree('/p','r',(a, b))", "SummingMergeTree((a, b))"),
        ("ReplicatedMergeTree ('/p(1)', 'r')", "MergeTree()"),
        ("ReplacingMergeTree(v)", "ReplacingMergeTree(v)"),
        ("Memory", "Memory"),
    ],
)
def test_engines(engine: str, expected: str) -> None:
    create = "CREATE TABLE t (a Int8) ENGINE = {} ORDER BY a"
    local = localise_ddl(create.format(engine))
    assert local.sql == create.format(expected)
    assert bool(local.stripped) == (engine != expected)


@pytest.mark.parametrize(
    "clause",
    [
        "ON CLUSTER default",
        "on cluster 'default'",
        "ON  CLUSTER\n`my cluster`",
        "ON CLUSTER {cluster}",
    ],
)
def test_cluster_clauses(clause: str) -> None:
    local = localise_ddl(f"ALTER TABLE t {clause} MODIFY TTL x")
    assert local.sql == "ALTER TABLE t MODIFY TTL x"
    assert local.stripped == (clause,)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM t JOIN u ON cluster.id = t.id WHERE b = 'ON CLUSTER x'",
        "SELECT 'ReplicatedMergeTree(1)'",
        'SELECT `ON CLUSTER x`, "ON CLUSTER y" FROM t',
        "/* ON CLUSTER x */ SELECT 1",
        "SELECT 1 ON",
        "",
    ],
)
def test_what_is_no_clause_is_left_alone(sql: str) -> None:
    # JOIN ... ON cluster.id is the one that a search for the two words alone would break.
    local = localise_ddl(sql)
    assert (local.sql, local.stripped) == (sql, ())


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            "ON",
            " ",
            "CLUSTER",
            "x",
            "'",
            '"',
            "`",
            "(",
            ")",
            ",",
            "\n",
            "--",
            "/*",
            "*/",
            ";",
            "\\",
            "ReplicatedMergeTree",
            "MergeTree",
            "{",
            "}",
            "TABLE",
        ]
    )
).map("".join)


@given(st.one_of(st.text(), FRAGMENTS))
def test_localising_twice_changes_nothing_more(sql: str) -> None:
    once = localise_ddl(sql)
    if not re.search(r"cluster", sql, re.IGNORECASE):
        assert localise_ddl(once.sql) == type(once)(once.sql, ())


@given(st.one_of(st.text(), FRAGMENTS))
def test_text_is_only_ever_taken_away(sql: str) -> None:
    local = localise_ddl(sql)
    assert (local.sql == sql) == (not local.stripped)
    assert len(local.sql) <= len(sql) + len(local.stripped)


@given(st.lists(st.sampled_from(["SELECT 1", "SELECT ';'", "SELECT `;`", "SELECT 1 -- ;\n+ 1"])))
def test_statements_are_split_at_their_ends_only(wanted: list[str]) -> None:
    assert list(statements(";\n".join(wanted))) == wanted


@given(st.one_of(st.text(), FRAGMENTS))
def test_splitting_loses_nothing_but_semicolons_and_blanks(sql: str) -> None:
    kept = "".join(statements(sql))
    squeezed = re.sub(r"[\s;]", "", sql)
    assert len(re.sub(r"[\s;]", "", kept)) <= len(squeezed)
    if "--" not in sql and "/*" not in sql:
        assert re.sub(r"[\s;]", "", kept) == squeezed


def test_comments_alone_are_no_statement() -> None:
    assert list(statements("-- nothing\n;/* here */;")) == []
