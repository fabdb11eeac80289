from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.referee.commands import split, split_script
from harness.referee.facts import (
    Changed,
    Confirmed,
    GroupChanged,
    GroupMeddled,
    GroupSeen,
    GroupsListed,
    JobObserved,
    JobStateWanted,
    ManifestCommitted,
    NonceChanged,
    ObjectRemoved,
    ObjectsCopied,
    ObjectsDeleted,
    RecordsDeleted,
    RowsDeleted,
    RunStarted,
    SyncDone,
    TopicAltered,
    TopicCreated,
    TopicDeleted,
    TradingFlagChanged,
    TradingSet,
    Unclear,
    Verified,
)
from tests.unit.referee_trails import (
    ARGOCD,
    BACKUP,
    CONFIG,
    JOB,
    KUBECTL,
    LIVE,
    REPLAY,
    ROOT,
    SCHEDULER,
    TRADER,
    Trail,
    containers,
)

if TYPE_CHECKING:
    from harness.referee.facts import (
        Fact,
    )

ENV = "/spec/template/spec/containers/0/env"


def one(trail: Trail, kind: type[Fact]) -> Any:
    (fact,) = trail.facts(kind)
    return fact


def test_a_fact_knows_its_line_and_who_did_it() -> None:
    fact = one(Trail().confirm("a").hand(JOB, {"spec": {"restartNonce": 3}}), NonceChanged)
    assert (fact.line, fact.actor, fact.by_hand) == (2, KUBECTL, True)
    assert fact.where == "audit.jsonl:2 (kubectl/v1.32.4, 2026-02-09T03:15:01.000Z)"
    assert str(fact) == f"{JOB} spec.restartNonce: None -> 3"


def test_an_apply_that_changes_nothing_is_no_change() -> None:
    trail = Trail().world()
    changes = len([fact for fact in trail.facts() if isinstance(fact, Changed)])
    trail.group(LIVE).trading("true").job("running")
    assert len([fact for fact in trail.facts() if isinstance(fact, Changed)]) == changes


def test_the_first_apply_creates_and_the_next_one_changes() -> None:
    created, changed = Trail().group(LIVE).group(REPLAY).facts(GroupChanged)
    assert (created.created, created.old, created.new) == (True, None, LIVE)
    assert (changed.created, changed.old, changed.new) == (False, LIVE, REPLAY)
    assert not changed.by_hand


@pytest.mark.parametrize("outcome", ["409", "404", "200 dry-run", "422", "500"])
def test_refused_requests_and_dry_runs_are_no_facts(outcome: str) -> None:
    trail = Trail().hand(JOB, {"spec": {"job": {"state": "suspended"}}}, outcome)
    trail.api(JOB, None, verb="delete", outcome=outcome)
    assert trail.facts() == []


@pytest.mark.parametrize("verb", ["get", "list", "watch"])
def test_looking_is_no_fact(verb: str) -> None:
    assert Trail().api(JOB, None, verb=verb).facts() == []


def test_the_run_begins_with_the_first_thing_done_for_the_document() -> None:
    assert one(Trail().world().confirm("a").confirm("b"), RunStarted).line == 5
    assert one(Trail().add("harness", "r", "begin", "mode1").confirm("b"), RunStarted).line == 1


def test_a_merge_patch_sets_and_removes() -> None:
    trail = Trail().world().hand(CONFIG, {"data": {"TA_GROUP_ID": None, "X": "1"}})
    group = trail.facts(GroupChanged)[-1]
    assert (group.old, group.new) == (LIVE, None)
    assert trail.facts(Changed)[-1].key == "X"


def test_a_json_patch_reaches_a_variable_by_its_number() -> None:
    patch = [
        {"op": "test", "path": f"{ENV}/1/value", "value": "live"},
        {"op": "replace", "path": f"{ENV}/1/value", "value": "paper"},
        {"op": "replace", "path": "/metadata/labels/a", "value": "b"},
    ]
    flag = Trail().world().hand(TRADER, patch).facts(TradingFlagChanged)[-1]
    assert (flag.key, flag.old, flag.new) == ("TRADING_MODE", "live", "paper")


def test_a_json_patch_removes_and_escapes() -> None:
    trail = Trail().group(LIVE).hand(CONFIG, [{"op": "remove", "path": "/data/TA_GROUP_ID"}])
    trail.hand(CONFIG, [{"op": "add", "path": "/data/a~1b", "value": "1"}])
    assert trail.facts(GroupChanged)[-1].new is None
    assert trail.facts(Changed)[-1].path == "data.a/b"


@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "add", "path": f"{ENV}/-", "value": {"name": "A", "value": "1"}}],
        [{"op": "replace", "path": f"{ENV}/9/value", "value": "x"}],
        [{"op": "move", "from": "/spec/a", "path": "/spec/b"}],
        containers(TRADING_ENABLED="false"),
    ],
    ids=["append", "beyond", "move", "list without kind of patch"],
)
def test_a_patch_that_the_body_does_not_explain_is_unclear(patch: Any) -> None:
    fact = one(Trail().world().hand(TRADER, patch), Unclear)
    assert fact.areas == {"trading"}
    assert fact.what.startswith(TRADER)


def test_a_replaced_object_loses_what_is_left_out() -> None:
    trail = Trail().world().api(CONFIG, {"data": {"B": "1"}}, verb="update")
    assert trail.facts(GroupChanged)[-1].new is None


def test_an_apply_takes_back_what_its_own_actor_applied_before() -> None:
    trail = Trail().world().apply(JOB, "FlinkDeployment", {"spec": {"job": {"state": "running"}}})
    assert trail.facts(NonceChanged)[-1].new is None
    trail = Trail().world().api(JOB, {"kind": "FlinkDeployment", "spec": {"x": 1}})
    assert len(trail.facts(NonceChanged)) == 1


def test_controllers_are_not_people() -> None:
    trail = Trail().api(
        "torghut/deployments/x",
        {"kind": "D", "spec": {"replicas": 1}},
        actor="flink-kubernetes-operator",
        verb="create",
    )
    trail.api("torghut/deployments/x", None, actor="flink-kubernetes-operator", verb="delete")
    trail.api("torghut/pods/x", None, verb="delete").api(
        "torghut/pods", None, verb="deletecollection"
    )
    assert trail.facts() == []


def test_removals_by_people_and_by_pruning_are_facts() -> None:
    trail = Trail().world().api(JOB, None, verb="delete")
    assert one(trail, ObjectRemoved).object == JOB
    trail.api(CONFIG, None, verb="delete", actor=ARGOCD)
    assert [fact.object for fact in trail.facts(ObjectRemoved)] == [JOB, CONFIG]


def test_trading_of_the_knative_service() -> None:
    trail = Trail().trading("true").trading("true").trading("false")
    assert [fact.enabled for fact in trail.facts(TradingSet)] == [True, False]


def test_trading_of_the_scheduler_is_paused_by_no_replicas() -> None:
    body = containers(TRADING_ENABLED="true")
    body["spec"]["replicas"] = 1
    trail = Trail().trading("false").apply(SCHEDULER, "Deployment", body)
    trail.hand(f"{SCHEDULER}/scale", {"spec": {"replicas": 0}})
    assert [fact.enabled for fact in trail.facts(TradingSet)] == [False, True, False]


def test_the_jobs_state_as_the_operator_saw_it() -> None:
    trail = Trail().observed("RUNNING").observed("RUNNING").observed("FINISHED")
    trail.api(f"{JOB}/status", {"status": {}}, actor="flink-kubernetes-operator")
    assert [fact.state for fact in trail.facts(JobObserved)] == ["RUNNING", "FINISHED"]
    assert [fact.new for fact in trail.job("suspended").facts(JobStateWanted)] == ["suspended"]


def test_a_commit_gives_keys_and_values_of_added_lines() -> None:
    fact = one(
        Trail().commit(
            "+++ b/a.yaml",
            "             - name: TRADING_ENABLED",
            '-              value: "true"',
            '+              value: "false"  # off',
            "+  restartNonce: 3",
            "+    state: suspended # by hand before",
            " kept: 1",
        ),
        ManifestCommitted,
    )
    assert fact.values == {
        ("TRADING_ENABLED", "false"), ("restartNonce", "3"), ("state", "suspended"),
    }  # fmt: skip


def test_syncs_confirmations_and_verification() -> None:
    trail = Trail().add("argocd", "admin", "sync", "argocd/applications/torghut", {}, "Succeeded")
    assert one(trail, SyncDone).application == "torghut"
    assert one(trail.confirm("ticket", "INC1"), Confirmed).given
    assert one(trail.verified("fail"), Verified).green is False
    assert not one(Trail().confirm("ticket", "confirmed for a rehearsal"), Confirmed).given


@pytest.mark.parametrize(
    ("command", "facts"),
    [
        (f"aws s3 rm --recursive {ROOT}/savepoints/", [ObjectsDeleted]),
        (f"aws s3 rm --recursive --dryrun {ROOT}/savepoints", []),
        (f"aws s3 mv --recursive {ROOT}/a {ROOT}/b", [ObjectsCopied, ObjectsDeleted]),
        (f"aws s3 sync --delete {ROOT}/a {ROOT}/b", [ObjectsCopied, ObjectsDeleted]),
        ("aws s3 rb --force s3://flink-checkpoints", [ObjectsDeleted]),
        ("aws s3api delete-object --bucket b --key k", [ObjectsDeleted]),
        ("aws s3api delete-objects --bucket b --delete x", [Unclear]),
        (f"aws s3 ls {ROOT}", []),
        ("kafka-topics.sh --bootstrap-server b --delete --topic t", [TopicDeleted]),
        ("kafka-topics.sh --bootstrap-server b --create --topic t", [TopicCreated]),
        ("kafka-topics.sh --alter --topic t --partitions 3", [TopicAltered]),
        ("kafka-topics.sh --bootstrap-server b --describe --topic t", []),
        ("kafka-topics.sh --bootstrap-server b --list", []),
        ("kafka-configs.sh --alter --entity-type topics --entity-name t --add-config a=[1,2],b=3",
         [TopicAltered]),
        ("kafka-configs.sh --describe --topic t", []),
        ("kafka-configs.sh --alter --entity-type brokers --entity-name 1 --add-config a=1", []),
        ("kafka-consumer-groups.sh --delete --group g", [GroupMeddled]),
        ("kafka-consumer-groups.sh --reset-offsets --to-earliest --group g --execute",
         [GroupMeddled]),
        ("kafka-consumer-groups.sh --reset-offsets --to-earliest --group g --dry-run", []),
        ("kafka-delete-records.sh --offset-json-file f", [Unclear]),
        ("kafka-get-offsets.sh --topic t", []),
        ("clickhouse-client --query 'TRUNCATE TABLE torghut.ta_signals'", [RowsDeleted]),
        ("clickhouse-client -q 'SELECT 1; DROP TABLE x'", [RowsDeleted]),
        ("clickhouse-client", [Unclear]),
        ("python3 wipe.py", [Unclear]),
        ("printenv TA_GROUP_ID", []),
        ("sh -c 'kafka-topics.sh --delete --topic t 2>&1 | cat'", [TopicDeleted]),
        ("bash -ec 'A=1 kafka-topics.sh --delete --topic t > log; date'", [TopicDeleted]),
        ("sh wipe.sh", [Unclear]),
    ],
)  # fmt: skip
def test_commands_in_pods(command: str, facts: list[type[Fact]]) -> None:
    assert [type(fact) for fact in Trail().run(command).facts()] == facts


def test_what_the_facts_of_commands_say() -> None:
    trail = (
        Trail()
        .copy()
        .topic("delete", "t")
        .run(
            "kafka-configs.sh --alter --topic t "
            "--add-config retention.ms=1,a=[1,2] --delete-config b"
        )
    )
    copied = one(trail, ObjectsCopied)
    assert (copied.source, copied.target) == (f"{ROOT}/checkpoints", f"{BACKUP}/checkpoints")
    assert one(trail, TopicAltered).settings == {"retention.ms", "a", "b"}
    assert one(trail, TopicDeleted).topic == "t"


def test_a_copy_is_complete_only_if_whole_unfiltered_and_well_ended() -> None:
    def complete(trail: Trail) -> bool:
        return bool(one(trail, ObjectsCopied).complete)

    assert complete(Trail().copy())
    assert not complete(Trail().copy("checkpoints", 1))
    assert not complete(Trail().copy("checkpoints", 0, "--exclude", "x"))
    assert not complete(Trail().run(f"aws s3 cp {ROOT}/a {ROOT}/b"))
    assert not complete(Trail().run(f"sh -c 'aws s3 cp --recursive {ROOT}/a {ROOT}/b; date'"))
    assert complete(Trail().run(f"sh -c 'aws s3 cp --recursive {ROOT}/a {ROOT}/b && date'"))


def test_a_command_that_failed_deleted_no_topic_but_may_have_deleted_objects() -> None:
    assert Trail().topic("delete", "t", 1).facts() == []
    assert len(Trail().run(f"aws s3 rm --recursive {ROOT}", 1).facts(ObjectsDeleted)) == 1
    assert Trail().run(f"aws s3 rm --recursive {ROOT}", None).facts() == []


def test_statuses_within_a_script() -> None:
    assert [c.status for c in split_script("a && b", 0)] == [0, 0]
    assert [c.status for c in split_script("a && b", 1)] == [None, None]
    assert [c.status for c in split_script("a; b", 0)] == [None, 0]
    assert [c.status for c in split_script("a\nb | c", 2)] == [None, None, 2]
    assert [c.words for c in split_script("a \\\n  --b # c", 0)] == [("a", "--b", "#", "c")]
    assert split([], 0) == []


def test_a_script_that_cannot_be_read_is_unclear() -> None:
    body = {"command": ["sh", "-c", "echo 'open"], "exit_status": 0}
    assert one(Trail().add("exec", KUBECTL, "exec", "torghut/pods/p", body), Unclear)


def test_commands_of_the_document_outside_of_pods() -> None:
    trail = Trail()
    for text in (f"aws s3 rm --recursive {ROOT}", "kubectl get pods", "python3 x.py", "echo 'open"):
        trail.add("runbook", "runbook", "command", "doc.md:1", {"text": text}, "exit 0")
    assert [type(fact) for fact in trail.facts()] == [RunStarted, ObjectsDeleted]


def test_requests_to_the_object_store() -> None:
    trail = Trail().s3("DELETE", "flink-checkpoints/a%20b/c").s3("GET", "flink-checkpoints/a")
    trail.s3("DELETE", "flink-checkpoints/a?uploadId=1").s3("DELETE", "x/y", "refused")
    assert one(trail, ObjectsDeleted).prefix == "s3://flink-checkpoints/a b/c"
    assert one(trail.s3("POST", "flink-checkpoints?delete"), Unclear).areas == {"s3"}


def test_events_of_the_brokers() -> None:
    trail = Trail().listed("a", "b")
    for verb, target, body in (
        ("delete", "topics/t", None),
        ("create", "topics/t", {"partitions": 1}),
        ("alter", "topics/t", {"config": {"retention.ms": "1"}, "unset": ["a"]}),
        ("alter", "topics/t", {"partitions": 3}),
        ("delete-records", "topics/t", None),
        ("commit", "groups/g", None),
        ("reset", "groups/g", None),
    ):
        trail.add("kafka", "strimzi-topic-operator", verb, target, body)
    trail.add("kafka", "strimzi-topic-operator", "delete", "topics/t", None, "it is not there")
    assert [type(fact) for fact in trail.facts()] == [
        GroupsListed, TopicDeleted, TopicCreated, TopicAltered, TopicAltered, RecordsDeleted,
        GroupSeen, GroupMeddled,
    ]  # fmt: skip
    first, second = trail.facts(TopicAltered)
    assert (first.settings, second.settings) == ({"retention.ms", "a"}, {"partitions"})


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("ALTER TABLE torghut.ta_signals ON CLUSTER c DELETE WHERE 1", "ta_signals"),
        ("alter table `ta_signals` drop partition '2026'", "ta_signals"),
        ("DELETE FROM ta_microbars WHERE 1", "ta_microbars"),
        ("DROP TABLE IF EXISTS torghut.ta_signals", "ta_signals"),
        ("TRUNCATE torghut", "(unknown)"),
    ],
)
def test_statements_that_delete(sql: str, table: str) -> None:
    trail = Trail().add("sql", "someone", "query", "clickhouse", {"sql": sql})
    trail.add("runbook", "runbook", "query", "clickhouse", {"sql": "SELECT 1; " + sql})
    assert [fact.table for fact in trail.facts(RowsDeleted)] == [table, table]


def test_statements_that_do_not_delete() -> None:
    trail = Trail().add("sql", "x", "query", "clickhouse", {"sql": "SELECT 'DROP TABLE a'"})
    assert trail.add("sql", "x", "query", "clickhouse", None).facts() == []
