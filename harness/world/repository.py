"""The Git repository of manifests that Argo CD follows: real git, and nothing of the user's."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final, Self

from harness.core.audit import AuditEvent
from harness.core.errors import DocumentError, ServiceError, UsageError
from harness.world.yaml_path import Edit, NothingToChangeError, read_value, replace_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.core.audit import AuditTrail
    from harness.world.profiles import Profile, ProfileSettings
    from harness.world.yaml_path import Scalar

__all__ = ["BRANCH", "Edit", "ManifestRepository", "NothingToChangeError"]

BRANCH: Final = "main"
"""The branch that Argo CD follows."""

FLINK_DEPLOYMENT: Final = "argocd/applications/torghut/ta/flinkdeployment.yaml"
"""Manifest of the TA job."""

TA_CONFIG: Final = "argocd/applications/torghut/ta/configmap.yaml"
"""Manifest of the TA job's ConfigMap."""

_IDENTITY: Final = ("replay-harness", "replay-harness@localhost")
# Hooks, signing, templates and background work of the user's machine have no place here.
_OPTIONS: Final = (
    "core.hooksPath=/dev/null",
    "core.autocrlf=false",
    "core.quotePath=false",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "init.templateDir=",
    f"init.defaultBranch={BRANCH}",
)


class ManifestRepository:
    """Manifests under version control.

    Attributes:
        path: root of the work tree.
    """

    def __init__(self, path: Path, audit: AuditTrail) -> None:
        """Use the repository at ``path``."""
        self.path = path
        self._audit = audit

    @classmethod
    def create(
        cls,
        path: Path,
        profile: Profile,
        settings: ProfileSettings,
        audit: AuditTrail,
        documents: Mapping[str, bytes] | None = None,
    ) -> Self:
        """Make a repository whose first commit is production as the profile has it.

        Args:
            path: directory to create.
            profile: where the manifests come from.
            settings: what the first commit changes about them.
            audit: where commits are recorded.
            documents: further files by path, e.g. the runbook as a README.

        Raises:
            UsageError: when the directory exists and is not empty.
            ServiceError: when git is missing or fails.
        """
        if path.exists() and any(path.iterdir()):
            raise UsageError("the directory is not empty", where=str(path))
        repository = cls(path, audit)
        for name, content in {**profile.files(), **(documents or {})}.items():
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        repository._git("init", "--quiet")
        # A runner leaves its records in the work tree; they are no manifests.
        exclude = path / ".git" / "info" / "exclude"
        exclude.parent.mkdir(exist_ok=True)
        exclude.write_text("/ta-replay-*.json\n")
        repository._vary(settings)
        repository.commit(f"Production as of {profile.date}: profile {profile.name}")
        return repository

    def _vary(self, settings: ProfileSettings) -> None:
        places = (
            (FLINK_DEPLOYMENT, "spec.job.upgradeMode", settings.upgrade_mode),
            (TA_CONFIG, "data.TA_GROUP_ID", settings.group_id),
            (TA_CONFIG, "data.TA_AUTO_OFFSET_RESET", settings.auto_offset_reset),
        )
        for file, path, value in places:
            if value is not None:
                self.edit(file, path, value, allow_unchanged=True)

    @property
    def head(self) -> str:
        """Commit that the branch is at."""
        return (self.path / ".git" / "refs" / "heads" / BRANCH).read_text().strip()

    def read(self, file: str, path: str, *, document: str | None = None) -> Scalar:
        """Return a value of a file in the work tree.

        Raises:
            DocumentError: when the file or the value is not there.
        """
        return read_value(self._text(file), path, file=file, document=document)

    def edit(
        self,
        file: str,
        path: str,
        value: Scalar,
        *,
        document: str | None = None,
        allow_unchanged: bool = False,
    ) -> Edit:
        """Replace one value of a file in the work tree; nothing else of the file changes.

        Args:
            file: path from the root.
            path: YAML path, e.g. ``spec.containers[0].env[name=TRADING_ENABLED].value``.
            value: new value, of the same type as the old one.
            document: ``Kind/name`` in a file of several documents.
            allow_unchanged: accept that the value already is there.

        Raises:
            NothingToChangeError: when the value already is there.
            DocumentError: with ``file:line``, when the file or path is missing, or types differ.
        """
        text, edit = replace_value(
            self._text(file),
            path,
            value,
            file=file,
            document=document,
            allow_unchanged=allow_unchanged,
        )
        self._inside(file).write_bytes(text.encode())
        return edit

    def _text(self, file: str) -> str:
        try:
            # Not read_text: it would turn CRLF into LF, and an edit keeps every other byte.
            return self._inside(file).read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise DocumentError(f"cannot be read: {error}", where=file) from error

    def _inside(self, file: str) -> Path:
        target = (self.path / file).resolve()
        if not target.is_relative_to(self.path.resolve()):
            raise DocumentError("lies outside of the manifests' repository", where=file)
        return target

    def commit(self, message: str, *, actor: str = _IDENTITY[0]) -> str:
        """Commit all changes of the work tree.

        Args:
            message: commit message.
            actor: who did it, for the audit trail.

        Returns:
            The new commit.

        Raises:
            NothingToChangeError: when nothing was changed.
        """
        self._git("add", "--all")
        files = self._git("diff", "--cached", "--name-only").splitlines()
        if not files:
            raise NothingToChangeError("there is nothing to commit", where=str(self.path))
        diff = self._git("diff", "--cached", "--no-color", "--no-ext-diff")
        self._git("commit", "--quiet", "--no-verify", "--message", message)
        body = {"revision": self.head, "message": message, "files": files, "diff": diff}
        self._audit.record(AuditEvent("git", actor, "commit", " ".join(files), body))
        return self.head

    def show(self, file: str, revision: str = "HEAD") -> str:
        """Return the content of a file at a commit.

        Raises:
            DocumentError: when there is no such file or commit.
        """
        done = self._run("show", f"{revision}:{file}")
        if done.returncode:
            raise DocumentError(f"is not there at {revision}", where=file)
        return done.stdout

    def resolve(self, revision: str = "HEAD") -> str:
        """Return the full name of a commit.

        Raises:
            DocumentError: when there is no such commit.
        """
        done = self._run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        if done.returncode:
            raise DocumentError(f"there is no commit {revision!r}", where=str(self.path))
        return done.stdout.strip()

    def revert_to(self, revision: str, message: str) -> str:
        """Commit the content of an earlier commit on top, as a revert does.

        Raises:
            DocumentError: when there is no such commit.
            NothingToChangeError: when the content already is the same.
        """
        self._git("read-tree", "-u", "--reset", self.resolve(revision))
        return self.commit(message)

    def _git(self, *arguments: str) -> str:
        done = self._run(*arguments)
        if done.returncode:
            raise ServiceError(
                f"git {arguments[0]} failed: {done.stderr.strip()}", where=str(self.path)
            )
        return done.stdout

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        options = [part for option in _OPTIONS for part in ("-c", option)]
        try:
            return subprocess.run(
                ["git", *options, *arguments],
                cwd=self.path,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise ServiceError("git is not installed", hint="install git") from error

    def _environment(self) -> dict[str, str]:
        name, address = _IDENTITY
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "LC_ALL": "C.UTF-8",
            "GIT_DIR": str(self.path.resolve() / ".git"),
            "GIT_WORK_TREE": str(self.path.resolve()),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": address,
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": address,
        }
