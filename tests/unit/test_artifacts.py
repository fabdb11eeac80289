from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest
import requests

from harness.core.errors import UsageError
from harness.world import artifacts
from harness.world.artifacts import Artifact, ArtifactError, DownloadError, fetch, read_lock

CONTENT = {"one": b"first archive", "two": b"second archive"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORGHUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("harness.world.artifacts.time.sleep", lambda _seconds: None)
    return tmp_path / "cache"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "artifacts.lock"
    lines = [f"org.example:{name}:1.0 {sha256(content)}" for name, content in CONTENT.items()]
    path.write_text("# a comment\n\n[group]\n" + "\n".join(lines) + "\n")
    return path


class Repository:
    """Stands for the download: gives what it is told to, and counts."""

    def __init__(self, *damage: bytes | DownloadError) -> None:
        self.damage = list(damage)
        self.asked: list[str] = []

    def __call__(self, artifact: Artifact, into: Path) -> Path:
        self.asked.append(artifact.coordinate)
        answer = self.damage.pop(0) if self.damage else CONTENT[artifact.name]
        if isinstance(answer, DownloadError):
            raise answer
        file = into / "file.jar"
        file.write_bytes(answer)
        return file


def unreachable(artifact: Artifact, into: Path) -> Path:
    raise AssertionError(f"the network is touched for {artifact.coordinate} into {into}")


def test_all_archives_come_in_the_order_of_the_lock_file(lock: Path, cache: Path) -> None:
    paths = fetch("group", lock=lock, download=Repository())
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    assert paths[0] == cache / "artifacts/org/example/one/1.0/one-1.0.jar"


def test_a_warm_cache_needs_no_network(lock: Path) -> None:
    first = fetch("group", lock=lock, download=Repository())
    assert fetch("group", lock=lock, download=unreachable) == first


def test_a_warm_cache_needs_no_right_to_write(lock: Path, cache: Path) -> None:
    fetch("group", lock=lock, download=Repository())
    (cache / "artifacts" / ".lock").unlink()
    fetch("group", lock=lock, download=unreachable)
    assert not (cache / "artifacts" / ".lock").exists()


def test_a_cut_file_in_the_cache_is_fetched_again(lock: Path) -> None:
    paths = fetch("group", lock=lock, download=Repository())
    paths[1].write_bytes(CONTENT["two"][:5])
    repository = Repository()
    assert fetch("group", lock=lock, download=repository)[1].read_bytes() == CONTENT["two"]
    assert repository.asked == ["org.example:two:1.0"]


@pytest.mark.parametrize("damage", [b"first arch", b"", b"something else", DownloadError("cut")])
def test_a_damaged_download_is_tried_again(lock: Path, damage: bytes | DownloadError) -> None:
    repository = Repository(damage)
    assert fetch("group", lock=lock, download=repository)[0].read_bytes() == CONTENT["one"]
    assert repository.asked.count("org.example:one:1.0") == 2


def test_wrong_bytes_never_reach_the_cache(lock: Path, cache: Path) -> None:
    with pytest.raises(ArtifactError, match="do not have the sha256 of the lock file"):
        fetch("group", lock=lock, download=Repository(b"evil", b"evil", b"evil"))
    assert list(cache.glob("**/*.jar")) == []
    assert list(cache.glob("**/.incoming-*")) == []


def test_offline_the_error_says_what_is_missing_and_what_to_do(lock: Path) -> None:
    offline = Repository(*[DownloadError("no answer (ConnectionError)")] * 3)
    with pytest.raises(ArtifactError) as caught:
        fetch("group", lock=lock, download=offline)
    text = str(caught.value)
    assert "org.example:one:1.0 cannot be fetched: no answer (ConnectionError)" in text
    assert "2 of 'group' archives are missing" in text
    assert "TORGHUT_CACHE" in text
    assert "http" not in text


def test_what_came_before_a_failure_is_kept(lock: Path) -> None:
    def only_one(artifact: Artifact, into: Path) -> Path:
        if artifact.name == "two":
            raise DownloadError("cut")
        return Repository()(artifact, into)

    with pytest.raises(ArtifactError):
        fetch("group", lock=lock, download=only_one)
    repository = Repository()
    fetch("group", lock=lock, download=repository)
    assert repository.asked == ["org.example:two:1.0"]


def test_two_at_once_download_each_archive_once(lock: Path) -> None:
    repository, both = Repository(), threading.Barrier(2)

    def run() -> None:
        both.wait()
        fetch("group", lock=lock, download=repository)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(repository.asked) == ["org.example:one:1.0", "org.example:two:1.0"]


def test_a_cache_that_cannot_be_written_is_named(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TORGHUT_CACHE", str(tmp_path / "file"))
    with pytest.raises(ArtifactError, match="cannot be written") as caught:
        fetch("group", lock=lock, download=Repository())
    assert "TORGHUT_CACHE" in str(caught.value)


def test_an_unknown_group_names_the_known_ones(lock: Path) -> None:
    with pytest.raises(UsageError, match="known: group"):
        fetch("flnk", lock=lock)


@pytest.mark.parametrize(
    "line",
    [
        "org.example:one " + "0" * 64,
        "org.example:one:1.0 " + "0" * 63,
        "org.example:one:1.0 " + "z" * 64,
        "org.example:one:1.0",
        "org.example::1.0 " + "0" * 64,
        "a:b:c:d:e " + "0" * 64,
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "broken.lock"
    path.write_text(f"[group]\n{line}\n")
    with pytest.raises(ArtifactError) as caught:
        read_lock(path)
    assert caught.value.where == f"{path}:2"


def test_a_line_outside_any_group_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.lock"
    path.write_text(f"org.example:one:1.0 {'0' * 64}\n")
    with pytest.raises(ArtifactError, match="not understood"):
        read_lock(path)


def test_the_classifier_is_part_of_the_file_name() -> None:
    artifact = Artifact("com.example", "driver", "0.9", "all", "0" * 64)
    assert artifact.path == Path("com/example/driver/0.9/driver-0.9-all.jar")
    assert artifact.coordinate == "com.example:driver:0.9:all"


def test_the_shipped_lock_pins_what_a_world_needs() -> None:
    groups = read_lock()
    assert {name: len(group) for name, group in groups.items()} == {
        "kafka": 53,
        "flink": 4,
        "flink-s3": 1,
    }
    coordinates = [one.coordinate for group in groups.values() for one in group]
    assert len(set(coordinates)) == len(coordinates)
    assert "org.apache.kafka:kafka_2.13:4.3.1" in coordinates
    assert not any("connect-runtime" in one for one in coordinates)


def test_the_cache_is_below_the_users_cache_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORGHUT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    assert artifacts.cache_root() == Path("/somewhere/cache/torghut-replay-harness")


def test_an_empty_variable_does_not_move_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORGHUT_CACHE", "")
    assert artifacts.cache_root().name == "torghut-replay-harness"


def test_jgo_failures_become_download_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise requests.ConnectionError("an address that nobody should see")

    monkeypatch.setattr("jgo.util.http.requests.request", refuse)
    wanted = Artifact("org.example", "one", "1.0", "", "0" * 64)
    with pytest.raises(DownloadError, match=r"^no answer \(ConnectionError\)$"):
        artifacts.download_with_jgo(wanted, tmp_path)
