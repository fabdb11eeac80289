"""What can go wrong with Flink beyond a process that dies."""

from __future__ import annotations

from harness.core.errors import ServiceError


class FlinkRestError(ServiceError):
    """The JobManager did not answer, or answered a request with an error.

    Attributes:
        status: HTTP status; None when nobody answered.
        detail: Flink's own error text, stack trace included.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str,
        status: int | None = None,
        detail: str = "",
        hint: str | None = None,
    ) -> None:
        """Keep the HTTP status and Flink's text beside the three parts of every error."""
        super().__init__(what, where=where, hint=hint)
        self.status = status
        self.detail = detail


class JobSubmissionError(ServiceError):
    """The client did not bring the job onto the cluster.

    The counterpart in application mode is a JobManager that exits with status 2, for example
    because the checkpoint to restore from is gone.

    Attributes:
        output: everything that the client wrote, stack traces included.
        cause: the innermost ``Caused by`` line, or the last line written.
    """

    def __init__(self, what: str, *, where: str, output: str, hint: str | None = None) -> None:
        """Keep the client's output and find the cause in it."""
        super().__init__(what, where=where, hint=hint)
        self.output = output
        self.cause = root_cause(output)

    @property
    def restore_path_missing(self) -> bool:
        """Whether the checkpoint or savepoint to restore from does not exist."""
        return is_restore_path_missing(self.output)


def root_cause(text: str) -> str:
    """Return the line that says what went wrong first.

    Args:
        text: a Java stack trace, or the output of a program that printed one.

    Returns:
        The last ``Caused by:`` line without that prefix; without any such line the last line
        that is not empty; an empty text for none.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith("Caused by: ")]
    if causes:
        return causes[-1].removeprefix("Caused by: ")
    return lines[-1] if lines else ""


def is_restore_path_missing(text: str) -> bool:
    """Tell whether a stack trace says that the state to restore from does not exist."""
    return "Cannot find checkpoint or savepoint file/directory" in text
