"""Class data archives: written once, shared, and never in the way of a start."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from harness.core.errors import ServiceError
from harness.world.services.flink.archives import ClassArchives, fingerprint
from harness.world.services.flink.runtime import FlinkRuntime

if TYPE_CHECKING:
    from pathlib import Path

WRITES = """
import pathlib, sys, time
target = next(a for a in sys.argv if "SharedArchiveFile" in a).partition("=")[2]
with pathlib.Path(__file__).with_suffix(".calls").open("a") as calls:
    calls.write("x")
time.sleep(0.2)
pathlib.Path(target).write_text("classes")
"""
FAILS = "raise SystemExit(1)"


def make_runtime(tmp_path: Path, java: str) -> FlinkRuntime:
    home = tmp_path / "java"
    (home / "bin").mkdir(parents=True)
    (home / "release").write_text('JAVA_VERSION="21"')
    program = home / "bin" / "java"
    program.write_text(f"#!{sys.executable}\n{java}")
    program.chmod(0o755)
    (tmp_path / "flink" / "lib").mkdir(parents=True)
    (tmp_path / "flink" / "lib" / "flink-dist.jar").write_text("dist")
    return FlinkRuntime(
        python=tmp_path / "python",
        java_home=home,
        flink_home=tmp_path / "flink",
        connectors=(),
        s3_plugin=tmp_path / "s3.jar",
        repository=tmp_path,
        cache=tmp_path / "cache",
    )


@pytest.fixture
def runtime(tmp_path: Path) -> FlinkRuntime:
    return make_runtime(tmp_path, WRITES)


def draft_of(options: list[str]) -> str:
    found = [one for one in options if one.startswith("-XX:ArchiveClassesAtExit=")]
    return found[0].partition("=")[2] if found else ""


def write_draft(options: list[str]) -> None:
    with open(draft_of(options), "w") as file:  # noqa: PTH123 - what a JVM does at its end
        file.write("classes of a job")


def test_the_first_process_of_a_role_writes_and_later_clusters_read(runtime: FlinkRuntime) -> None:
    first = ClassArchives(runtime)
    write_draft(first.options("jobmanager"))
    assert first.writing("jobmanager")
    first.publish()
    assert not first.writing()
    later = ClassArchives(runtime).options("jobmanager")
    assert not draft_of(later)
    base, archive = later[0].partition("=")[2].split(":")
    assert base.endswith("/base.jsa")
    assert archive == str(first.directory / "jobmanager.jsa")


def test_only_one_process_of_a_role_writes(runtime: FlinkRuntime) -> None:
    archives = ClassArchives(runtime)
    assert draft_of(archives.options("taskmanager"))
    assert not draft_of(archives.options("taskmanager"))


def test_two_clusters_write_to_different_files(runtime: FlinkRuntime) -> None:
    one, two = ClassArchives(runtime), ClassArchives(runtime)
    assert draft_of(one.options("client")) != draft_of(two.options("client"))


def test_a_role_can_be_published_before_the_others(runtime: FlinkRuntime) -> None:
    archives = ClassArchives(runtime)
    write_draft(archives.options("client"))
    archives.options("jobmanager")
    archives.publish("client")
    assert (archives.directory / "client.jsa").exists()
    assert archives.writing("jobmanager")
    assert not archives.writing("client")


def test_a_process_that_was_killed_published_nothing(runtime: FlinkRuntime) -> None:
    archives = ClassArchives(runtime)
    archives.options("jobmanager")
    archives.publish()
    assert not (archives.directory / "jobmanager.jsa").exists()
    assert draft_of(archives.options("jobmanager"))


def test_what_is_not_worth_keeping_leaves_no_file(runtime: FlinkRuntime) -> None:
    archives = ClassArchives(runtime)
    write_draft(archives.options("jobmanager"))
    archives.discard()
    assert {path.name for path in archives.directory.iterdir()} == {"base.jsa", ".lock"}


def test_worlds_that_start_together_dump_the_base_once(runtime: FlinkRuntime) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: ClassArchives(runtime).options("client"), range(4)))
    assert all(made)
    assert (runtime.java_home / "bin" / "java.calls").read_text() == "x"


def test_a_jvm_that_cannot_dump_starts_without_archives(tmp_path: Path) -> None:
    archives = ClassArchives(make_runtime(tmp_path, FAILS))
    assert archives.options("jobmanager") == []
    assert not archives.writing()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_without_write_permission_is_no_error(runtime: FlinkRuntime) -> None:
    runtime.cache.mkdir()
    runtime.cache.chmod(0o500)
    assert ClassArchives(runtime).options("jobmanager") == []


def test_a_cache_that_is_a_file_is_no_error(runtime: FlinkRuntime) -> None:
    runtime.cache.write_text("")
    assert ClassArchives(runtime).options("jobmanager") == []


def test_another_jar_or_another_jvm_is_another_archive(runtime: FlinkRuntime) -> None:
    names = {fingerprint(runtime)}
    (runtime.flink_home / "lib" / "flink-dist.jar").write_text("another dist")
    names.add(fingerprint(runtime))
    (runtime.java_home / "release").write_text('JAVA_VERSION="21.0.9"')
    names.add(fingerprint(runtime))
    assert len(names) == 3
    assert fingerprint(runtime) in names


def test_a_jre_that_is_not_there_is_named(runtime: FlinkRuntime) -> None:
    (runtime.java_home / "release").unlink()
    with pytest.raises(ServiceError, match=r"java/release: a part of Flink is missing"):
        ClassArchives(runtime)
