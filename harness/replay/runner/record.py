"""The record of a replay: what was before, kept in a file for verification and rollback."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.replay.runner.model import Change
from harness.replay.runner.names import RunnerError
from harness.replay.runner.verification import Earlier

if TYPE_CHECKING:
    from harness.replay.runner.model import Current

SCHEMA: Final = "torghut.ta-replay-record.v1"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Previous(_Model):
    """What ConfigMap and FlinkDeployment were before the replay.

    Attributes:
        ta_group_id: PREV_TA_GROUP_ID.
        ta_auto_offset_reset: PREV_TA_AUTO_OFFSET_RESET; None when the ConfigMap had none.
        flink_job_state: ``spec.job.state``.
        flink_restart_nonce: ``spec.restartNonce``.
        flink_job_id: the job that ran.
        flink_upgrade_mode: ``spec.job.upgradeMode``.
    """

    ta_group_id: str
    ta_auto_offset_reset: str | None
    flink_job_state: str | None
    flink_restart_nonce: int
    flink_job_id: str | None
    flink_upgrade_mode: str

    @classmethod
    def of(cls, current: Current) -> Self:
        """Keep what a rollback needs of ``current``."""
        return cls(
            ta_group_id=current.group,
            ta_auto_offset_reset=current.reset,
            flink_job_state=current.job_state,
            flink_restart_nonce=current.nonce,
            flink_job_id=current.job_id,
            flink_upgrade_mode=current.upgrade_mode,
        )


class Step(_Model):
    """Something that was done.

    Attributes:
        at: when it was done, UTC.
        step: what, e.g. ``suspended``.
    """

    at: dt.datetime
    step: str


class Record(_Model):
    """A replay and what was before it.

    Attributes:
        format: version of the format.
        replay_id: REPLAY_ID as the user gave it.
        namespace: Kubernetes namespace.
        replay_group_id: consumer group of the replay.
        ta_auto_offset_reset: reset policy of the replay.
        previous: what was before.
        steps: what was done, in order; the last one tells how far a broken run came.
    """

    format: Literal["torghut.ta-replay-record.v1"] = Field(SCHEMA, alias="schema")
    replay_id: str
    namespace: str
    replay_group_id: str
    ta_auto_offset_reset: str | None
    previous: Previous
    steps: list[Step] = Field(default_factory=list)

    @property
    def earlier(self) -> Earlier:
        """What the verification needs."""
        return Earlier(nonce=self.previous.flink_restart_nonce, job_id=self.previous.flink_job_id)

    @property
    def restoration(self) -> Change:
        """The change that brings back what was before."""
        return Change(
            group=self.previous.ta_group_id,
            reset=self.previous.ta_auto_offset_reset,
            job_state=self.previous.flink_job_state or "running",
        )


def default_path(replay_id: str) -> Path:
    """Return ``./ta-replay-<id>.json``; what a file name must not hold becomes ``_``."""
    return Path(f"ta-replay-{re.sub(r'[^A-Za-z0-9._-]', '_', replay_id.strip())}.json")


def read_record(path: Path, replay_id: str) -> Record | None:
    """Read the record of a replay; None when there is no such file.

    Raises:
        RunnerError: when it cannot be read, or belongs to another replay.
    """
    try:
        record = Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise RunnerError(f"the record cannot be read: {error}", where=str(path)) from error
    if record.replay_id != replay_id:
        raise RunnerError(
            f"the record is of the replay {record.replay_id!r}, not {replay_id!r}",
            where=str(path),
            hint="give the right --record, or --replay-id",
        )
    return record


class RecordFile:
    """A record on disk that grows with every step."""

    def __init__(self, path: Path, record: Record) -> None:
        """Keep ``record`` at ``path``; nothing is written yet."""
        self.path, self._record = path, record

    def create(self) -> None:
        """Write the file for the first time.

        Raises:
            RunnerError: when it exists, so that what was before is never overwritten, or when it
                cannot be written.
        """
        try:
            with self.path.open("xb") as file:
                file.write(self._bytes())
        except FileExistsError as error:
            raise RunnerError(
                "there is a record of this replay already",
                where=str(self.path),
                hint="a REPLAY_ID is used once",
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error

    def discard(self) -> None:
        """Remove the file: nothing was changed after all."""
        self.path.unlink(missing_ok=True)

    def note(self, step: str) -> None:
        """Add a step; the file is replaced as a whole.

        Raises:
            RunnerError: when it cannot be written.
        """
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        self._record.steps.append(Step(at=now, step=step))
        fresh = self.path.with_name(f".{self.path.name}.new")
        try:
            fresh.write_bytes(self._bytes())
            fresh.replace(self.path)
        except OSError as error:
            raise self._unwritable(error) from error

    def _bytes(self) -> bytes:
        return (self._record.model_dump_json(indent=2, by_alias=True) + "\n").encode()

    def _unwritable(self, error: OSError) -> RunnerError:
        return RunnerError(
            f"the record cannot be written: {error}",
            where=str(self.path),
            hint="give --record a path that can be written",
        )
