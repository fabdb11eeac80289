from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.report import directories
from harness.report.directories import out_directory


def test_runs_go_below_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = out_directory(None, "mode1-ab12")
    assert out.parent == tmp_path / "runs"
    assert out.name.endswith("Z-mode1-ab12")
    assert list(out.iterdir()) == []


def test_a_directory_asked_for_is_made(tmp_path: Path) -> None:
    assert out_directory(tmp_path / "a" / "b", "x") == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


def test_a_relative_one_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert out_directory(Path("here"), "x") == tmp_path / "here"


@pytest.mark.parametrize("left", ["journal.json", "logs"])
def test_a_run_that_is_there_already_is_never_overwritten(tmp_path: Path, left: str) -> None:
    (tmp_path / left).mkdir()
    out = out_directory(tmp_path, "mode1-ab12")
    assert out.parent == tmp_path
    assert out.name.endswith("mode1-ab12")


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot be written to.*--out") as caught:
        out_directory(tmp_path / "file" / "out", "x")
    assert caught.value.where == str(tmp_path / "file" / "out")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_directory_without_rights_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="Permission denied"):
        out_directory(tmp_path / "out", "x")


def test_a_full_file_system_is_named_and_the_probe_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every write to this device fails as on a full disk.
    monkeypatch.setattr(directories, "_PROBE", "probe")
    (tmp_path / "probe").symlink_to("/dev/full")
    with pytest.raises(UsageError, match="No space left on device"):
        out_directory(tmp_path, "x")
    assert list(tmp_path.iterdir()) == []
