from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from harness.core.errors import HarnessError
from harness.world import registry

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def worlds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep worlds in a directory of the test's own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_no_world_is_begun_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=20 << 20))
    with pytest.raises(HarnessError, match="20 MB are free, 256 MB are needed") as caught:
        registry.make_directory("0123abcd")
    assert "TMPDIR" in str(caught.value)
    assert not list(registry.world_directories())


@pytest.mark.parametrize(("needed", "gone"), [(3, True), (10**9, False)])
def test_a_directory_that_is_still_written_to_is_removed_in_the_end_or_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, needed: int, gone: bool
) -> None:
    attempts: list[Path] = []
    stubborn = tmp_path / "stubborn"
    stubborn.mkdir()

    def remove(path: Path, *, ignore_errors: bool) -> None:
        assert ignore_errors
        attempts.append(path)
        if len(attempts) == needed:
            path.rmdir()

    monkeypatch.setattr(shutil, "rmtree", remove)
    monkeypatch.setattr(registry, "_REMOVE_SECONDS", 30.0 if gone else 0.1)
    assert registry.remove_directory(stubborn) is gone
    assert len(attempts) > 1
