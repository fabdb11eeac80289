"""One way to wait: until something holds, or an error that shows the last value seen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from harness.core.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class WaitTimeoutError(HarnessError):
    """What was waited for did not come in time."""


def wait_until(
    probe: Callable[[], T],
    *,
    what: str,
    timeout: float,
    holds: Callable[[T], bool] = bool,
    interval: float = 0.05,
    expected: tuple[type[Exception], ...] = (),
    hint: str | None = None,
) -> T:
    """Call ``probe`` until its value holds.

    Args:
        probe: what to look at; called at least once.
        what: what is waited for, completing "waited N s for ...".
        timeout: seconds.
        holds: tells whether the value is the one wanted.
        interval: seconds between two looks.
        expected: exceptions of the probe that mean "not yet".
        hint: what the reader can do when it never holds.

    Returns:
        The value that held.

    Raises:
        WaitTimeoutError: with the last value or error seen.
    """
    deadline = time.monotonic() + timeout
    while True:
        last: object
        try:
            value = probe()
        except expected as error:
            last = error
        else:
            if holds(value):
                return value
            last = value
        if time.monotonic() >= deadline:
            raise WaitTimeoutError(
                f"waited {timeout:g} s for {what}; last seen: {last!r}", hint=hint
            )
        time.sleep(interval)
