"""Where a consumer group can have left a trace, with a real Git repository."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from harness.replay.runner.history import find_group, groups_in_log
from harness.replay.runner.names import CONFIG_MANIFEST, RunnerError

if TYPE_CHECKING:
    from pathlib import Path

LIVE = "torghut-ta-live"


class Repository:
    """A repository of manifests that knows nothing of the user's Git."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_NAME": "n" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "n@localhost" for who in ("AUTHOR", "COMMITTER")},
        }
        return subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def commit(self, group: str, text: str = "  TA_GROUP_ID: {}\n") -> str:
        file = self.path / CONFIG_MANIFEST
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("data:\n" + text.format(group))
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"group {group}")
        return self.git("rev-parse", "--short", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    path = tmp_path / "manifests"
    path.mkdir()
    return Repository(path)


def used_in(group: str, repository: Repository) -> tuple[str, ...]:
    return find_group(group, LIVE, repository.path, repository.path / "own.json", None).used_in


def test_a_group_of_long_ago(repository: Repository) -> None:
    first = repository.commit("old-group")
    second = repository.commit(LIVE)
    assert set(used_in("old-group", repository)) == {f"git:{first}", f"git:{second}"}
    assert used_in("old", repository) == ()
    assert used_in("old-group-2", repository) == ()
    assert used_in("fresh", repository) == ()


def test_a_group_on_another_branch(repository: Repository) -> None:
    repository.commit(LIVE)
    repository.git("checkout", "--quiet", "-b", "replay")
    commit = repository.commit("replay-1")
    repository.git("checkout", "--quiet", "main")
    assert used_in("replay-1", repository) == (f"git:{commit}",)


@pytest.mark.parametrize(
    "text", ['  TA_GROUP_ID: "{}"\n', "  TA_GROUP_ID: '{}' # why\n", "    TA_GROUP_ID:   {}\n"]
)
def test_every_way_to_write_it(repository: Repository, text: str) -> None:
    assert used_in("g-1", repository) == ()
    commit = repository.commit("g-1", text)
    assert used_in("g-1", repository) == (f"git:{commit}",)


def test_from_inside_a_directory_of_the_repository(repository: Repository) -> None:
    commit = repository.commit("g-1")
    inside = repository.path / "argocd"
    found = find_group("g-1", LIVE, inside, inside / "own.json", None)
    assert found.used_in == (f"git:{commit}",)
    assert found.asked == ("configmap", "git", "records")


def test_lines_that_only_mention_it() -> None:
    lines = [
        "+  # TA_GROUP_ID: x",
        "+  MY_TA_GROUP_ID: y",
        "   TA_GROUP_ID: z",
        "-  TA_GROUP_ID: w",
    ]
    log = "\n".join(["commit a1", *lines])
    assert list(groups_in_log(log)) == [("a1", "w")]


def test_no_repository(tmp_path: Path) -> None:
    found = find_group("g", "g", tmp_path, tmp_path / "own.json", None)
    assert found.used_in == ("configmap",)
    assert dict(found.not_asked)["brokers"] == "no --kafka-bootstrap was given"
    assert "not a git repository" in dict(found.not_asked)["git"]


def test_a_repository_without_the_manifest(repository: Repository) -> None:
    (repository.path / "README").write_text("x")
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message", "x")
    found = find_group("g", LIVE, repository.path, repository.path / "own.json", None)
    assert "has no history of" in dict(found.not_asked)["git"]


def test_records_of_other_replays(tmp_path: Path) -> None:
    own = tmp_path / "ta-replay-x1.json"
    for name in ("x1", "x0"):
        (tmp_path / f"ta-replay-{name}.json").write_text(json.dumps({"replay_group_id": "g"}))
    (tmp_path / "ta-replay-broken.json").write_text("{")
    (tmp_path / "ta-replay-list.json").write_text("[]")
    found = find_group("g", LIVE, tmp_path, own, None)
    assert found.used_in == (f"record:{tmp_path / 'ta-replay-x0.json'}",)


def test_brokers(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    assert find_group("g", LIVE, tmp_path, own, lambda: {"g"}).used_in == ("brokers",)
    known = find_group("g", LIVE, tmp_path, own, lambda: {"g2"})
    assert (known.used_in, "brokers" in known.asked) == ((), True)


def test_silent_brokers_end_the_run(tmp_path: Path) -> None:
    def silent() -> set[str]:
        raise RunnerError("the Kafka brokers cannot be asked")

    with pytest.raises(RunnerError, match="cannot be asked"):
        find_group("g", LIVE, tmp_path, tmp_path / "own.json", silent)
