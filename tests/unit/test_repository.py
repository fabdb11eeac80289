from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from harness.core.audit import AuditTrail
from harness.core.errors import DocumentError, ServiceError, UsageError
from harness.world.profiles import ProfileSettings, load_profile, parse_settings
from harness.world.repository import (
    FLINK_DEPLOYMENT,
    TA_CONFIG,
    ManifestRepository,
    NothingToChangeError,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="audit")
def audit_fixture(tmp_path: Path) -> AuditTrail:
    return AuditTrail(tmp_path / "audit.jsonl")


@pytest.fixture(name="repository")
def repository_fixture(tmp_path: Path, audit: AuditTrail) -> ManifestRepository:
    return ManifestRepository.create(
        tmp_path / "manifests", load_profile("S"), ProfileSettings(), audit
    )


def git(path: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(path), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_first_commit_is_production(repository: ManifestRepository) -> None:
    for name, content in load_profile("S").files().items():
        assert repository.show(name) == content.decode()
    assert git(repository.path, "status", "--porcelain") == ""
    assert git(repository.path, "rev-list", "--count", "HEAD").strip() == "1"


def test_the_first_commit_carries_variants_and_documents(tmp_path: Path, audit: AuditTrail) -> None:
    values = {"upgradeMode": "last-state", "groupId": "g", "autoOffsetReset": "latest"}
    readme = "argocd/applications/torghut/README.md"
    repository = ManifestRepository.create(
        tmp_path / "m", load_profile("S"), parse_settings(values), audit, {readme: b"# Runbook\r\n"}
    )
    assert repository.read(FLINK_DEPLOYMENT, "spec.job.upgradeMode") == "last-state"
    assert repository.read(TA_CONFIG, "data.TA_GROUP_ID") == "g"
    assert repository.read(TA_CONFIG, "data.TA_AUTO_OFFSET_RESET") == "latest"
    assert (repository.path / readme).read_bytes() == b"# Runbook\r\n"
    assert git(repository.path, "rev-list", "--count", "HEAD").strip() == "1"


def test_a_variant_that_production_already_has_is_no_error(
    tmp_path: Path, audit: AuditTrail
) -> None:
    settings = parse_settings({"upgradeMode": "stateless"})
    repository = ManifestRepository.create(tmp_path / "m", load_profile("S"), settings, audit)
    assert repository.read(FLINK_DEPLOYMENT, "spec.job.upgradeMode") == "stateless"


def test_a_directory_in_use_is_refused(tmp_path: Path, audit: AuditTrail) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(UsageError, match="not empty"):
        ManifestRepository.create(tmp_path, load_profile("S"), ProfileSettings(), audit)
    assert os.listdir(tmp_path) == ["precious"]  # noqa: PTH208 - names only


def test_an_edit_and_its_commit_are_in_the_audit_trail(
    repository: ManifestRepository, audit: AuditTrail
) -> None:
    first = repository.head
    edit = repository.edit(TA_CONFIG, "data.TA_GROUP_ID", "torghut-ta-replay-x")
    assert edit.old == "torghut-ta-2025-12-23"
    assert repository.head == first, "an edit is not a commit"
    revision = repository.commit("Replay group", actor="runbook")
    assert revision == repository.head == repository.resolve("HEAD") != first
    event = list(audit.events())[-1]
    assert (event.source, event.actor, event.verb) == ("git", "runbook", "commit")
    assert event.object == TA_CONFIG
    assert event.body["revision"] == revision
    changed = [
        line
        for line in event.body["diff"].splitlines()
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]
    assert changed == [
        '-  TA_GROUP_ID: "torghut-ta-2025-12-23"',
        '+  TA_GROUP_ID: "torghut-ta-replay-x"',
    ]
    assert "torghut-ta-replay-x" not in repository.show(TA_CONFIG, first)


def test_a_commit_of_nothing_is_an_error(repository: ManifestRepository, audit: AuditTrail) -> None:
    events = list(audit.events())
    with pytest.raises(NothingToChangeError, match="nothing to commit"):
        repository.commit("Nothing")
    assert list(audit.events()) == events


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("argocd/nope.yaml", "cannot be read"),
        ("../outside.yaml", "outside"),
        ("/etc/passwd", "outside"),
        ("argocd", "cannot be read"),
    ],
)
def test_a_file_that_is_not_there_is_named(
    repository: ManifestRepository, file: str, message: str
) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        repository.edit(file, "a", "b")
    assert caught.value.where == file


def test_a_commit_or_file_that_never_was_is_named(repository: ManifestRepository) -> None:
    with pytest.raises(DocumentError, match="no commit 'f00'"):
        repository.resolve("f00")
    with pytest.raises(DocumentError, match="not there at HEAD"):
        repository.show("nope.yaml")


def test_going_back_is_a_new_commit(repository: ManifestRepository) -> None:
    first = repository.head
    repository.edit(FLINK_DEPLOYMENT, "spec.restartNonce", 3)
    repository.commit("Bump")
    third = repository.revert_to(first, "Put it back")
    assert third != first
    assert repository.read(FLINK_DEPLOYMENT, "spec.restartNonce") == 2
    with pytest.raises(NothingToChangeError):
        repository.revert_to(first, "Again")


def test_nothing_of_the_user_reaches_the_repository(
    tmp_path: Path, audit: AuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's identity, hooks, signing and repository variables would change or break commits."""
    home = tmp_path / "home"
    hooks = home / "hooks"
    hooks.mkdir(parents=True)
    trace = home / "hook-ran"
    for name in ("pre-commit", "post-commit", "commit-msg", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {trace}\nexit 1\n")
        (hooks / name).chmod(0o755)
    (home / ".gitconfig").write_text(
        "[user]\nname = A User\nemail = user@example.com\n[commit]\ngpgsign = true\n"
        f"[core]\nhooksPath = {hooks}\n[init]\ndefaultBranch = trunk\ntemplateDir = {home}\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "A User")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "commit.gpgSign")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    repository = ManifestRepository.create(
        tmp_path / "m", load_profile("S"), ProfileSettings(), audit
    )
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.setenv("HOME", "/nonexistent")
    assert not trace.exists()
    assert not (tmp_path / "elsewhere").exists()
    shown = git(repository.path, "log", "-1", "--format=%an <%ae> %cn")
    assert shown.strip() == "replay-harness <replay-harness@localhost> replay-harness"
    assert git(repository.path, "branch", "--show-current").strip() == "main"


def test_a_machine_without_git_is_told_so(
    repository: ManifestRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceError, match="install git"):
        repository.resolve("HEAD")


def test_a_failing_git_is_quoted(repository: ManifestRepository) -> None:
    (repository.path / ".git" / "HEAD").unlink()
    with pytest.raises(ServiceError, match="git add failed: fatal"):
        repository.commit("x")
