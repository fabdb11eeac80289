from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from harness.core.audit import AuditEvent, AuditTrail
from harness.core.errors import HarnessError, UsageError
from harness.core.waiting import WaitTimeoutError, wait_until

if TYPE_CHECKING:
    from pathlib import Path


def test_an_error_says_where_what_and_what_to_do() -> None:
    error = HarnessError("the topic is gone", where="doc.md:12", hint="create it")
    assert str(error) == "doc.md:12: the topic is gone (create it)"


def test_usage_errors_have_their_own_exit_status() -> None:
    assert (HarnessError.exit_status, UsageError.exit_status) == (3, 2)


def test_wait_until_returns_the_value_that_held() -> None:
    values = iter([0, 0, 7])
    assert wait_until(lambda: next(values), what="a number", timeout=5, interval=0) == 7


def test_wait_until_looks_at_least_once_and_shows_the_last_value() -> None:
    with pytest.raises(WaitTimeoutError, match=r"waited 0 s for the moon; last seen: 'cheese'"):
        wait_until(lambda: "cheese", what="the moon", timeout=0, holds=lambda v: v == "rock")


def test_wait_until_shows_the_last_error() -> None:
    def probe() -> bool:
        raise ConnectionError("refused")

    with pytest.raises(WaitTimeoutError, match="refused"):
        wait_until(probe, what="it", timeout=0, expected=(ConnectionError,))


def test_wait_until_lets_other_errors_through() -> None:
    def probe() -> bool:
        raise KeyError("x")

    with pytest.raises(KeyError):
        wait_until(probe, what="it", timeout=5, expected=(ConnectionError,))


def event(number: int) -> AuditEvent:
    return AuditEvent("api", "kubectl/v1", "patch", f"torghut/configmaps/{number}", {"n": number})


def test_the_audit_trail_keeps_order_and_content(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path / "audit.jsonl")
    assert list(trail.events()) == []
    events = [event(number) for number in range(5)]
    for one in events:
        trail.record(one)
    assert list(AuditTrail(trail.path).events()) == events


def test_writers_side_by_side_never_mix_lines(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    def write(start: int) -> None:
        for number in range(start, start + 50):
            AuditTrail(path).record(event(number))

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [one.body["n"] for one in AuditTrail(path).events()]
    assert sorted(numbers) == [start + n for start in (0, 100, 200) for n in range(50)]
    for start in (0, 100, 200):
        own = [n for n in numbers if start <= n < start + 50]
        assert own == sorted(own)
