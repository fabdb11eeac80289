"""Rules on what is kept: changes by hand in Git, secrets nowhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from harness.core.results import decide, passed, unknown
from harness.referee.case import EVERYTHING, OWN_PROMISE, Rule
from harness.referee.facts import Changed, GitApplied, ManifestCommitted, seen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.core.audit import AuditEvent
    from harness.core.results import CheckResult
    from harness.referee.case import Case

_LOOKS_SECRET: Final = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a password in an address": re.compile(r"://[^/\s:@]+:[^/\s:@]+@"),
    "an AWS secret key": re.compile(r"AWS_SECRET_ACCESS_KEY\s*=\s*[^\s$\"']"),
    "a password among arguments": re.compile(r"--password(?:=|\s+)[^\s$\"'{<]"),
}
_REDACTED: Final = "(redacted)"


def emergency_patch_reconciled_to_git(case: Case) -> CheckResult:
    """Every change that was made by hand in the cluster is in Git by the end.

    It is when a commit adds the same key and value, or Argo CD applies them. A change that was
    also taken back by hand needs no commit. Without changes by hand it passes: Git was the only
    way. Fields are told by their last name, as diffs of YAML show no more.
    """
    name = "emergency-patch-reconciled-to-git"
    patches = _last_patches(case)
    if not patches:
        return passed(name, got=[], expected=[], reason="nothing was changed by hand")
    open_ends = [line for patch in patches for line in _left_open(case, patch)]
    return decide(
        not open_ends,
        name,
        got={"by hand": [f"{patch} at {patch.where}" for patch in patches], "open": open_ends},
        expected={"open": []},
        good=f"all {len(patches)} changes made by hand are in Git",
        bad="; ".join(open_ends),
    )


def _last_patches(case: Case) -> list[Changed]:
    """Return, for each value that was set by hand, the change that set it."""
    found = case.where(seen(Changed, lambda fact: fact.by_hand))
    latest = {
        (fact.object, fact.path, str(fact.new)): fact for fact in found if isinstance(fact, Changed)
    }
    return list(latest.values())


def _left_open(case: Case, patch: Changed) -> Iterator[str]:
    """Yield why a change by hand is not settled."""
    said = _git_says(case, patch)
    before = [value for line, value in said if line <= patch.line][-1:]
    after = [value for line, value in said if line > patch.line]
    if _text(patch.new) in {*before, *after}:
        return
    later = [
        fact
        for fact in case.all(Changed)
        if (fact.object, fact.path) == (patch.object, patch.path) and fact.line > patch.line
    ]
    if not later:
        yield f"{patch} at {patch.where} never came to Git: the next sync takes it back"
    elif not later[0].by_hand:
        yield f"{patch} did not hold: Git never had it, and {later[0].where} took it back"
    elif _text(later[-1].new) not in (after or before or [_text(later[-1].old)]):
        yield f"{patch} at {patch.where} never came to Git"


def _git_says(case: Case, patch: Changed) -> list[tuple[int, str]]:
    """Return what Git had for the patched field, by line of the trail."""
    applied = [
        (fact.line, _text(fact.values.get(patch.path)))
        for fact in case.all(GitApplied)
        if fact.object == patch.object
    ]
    committed = [
        (fact.line, value)
        for fact in case.all(ManifestCommitted)
        if fact.line >= (case.start or 0)
        for key, value in fact.values
        if key == patch.key
    ]
    return sorted({*applied, *committed})


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    return str(value).lower() if isinstance(value, bool) else str(value)


def secrets_never_in_trail(case: Case) -> CheckResult:
    """No secret of the world, and nothing that looks like one, is in the trail.

    Without the values to look for, only shapes are known: a hit fails, no hit is unknown.
    """
    name = "secrets-never-in-trail"
    found = [
        f"audit.jsonl:{line} ({event.source} {event.verb} {event.object[:80]}): {what}"
        for line, event in enumerate(case.events, start=1)
        for what in sorted(_secrets_in(event, case.expectations.secrets))
    ]
    if not found and not case.expectations.secrets:
        return unknown(name, reason="no secrets were given to look for, and none was recognised")
    return decide(
        not found,
        name,
        got=found,
        expected=[],
        good=f"none of {len(case.expectations.secrets)} secrets is in {len(case.events)} lines",
        bad="; ".join(found[:5]),
    )


def _secrets_in(event: AuditEvent, secrets: tuple[str, ...]) -> set[str]:
    """Return what kinds of secrets a line has; never the secrets themselves."""
    if "secrets" in event.object.split("/")[:-1] and _values(event.body) - {_REDACTED}:
        return {"values of a Secret"}
    texts = list(_strings((event.actor, event.object, event.outcome, event.body)))
    # The words of a command are apart in its line; together they are what was typed.
    texts += [" ".join(texts)]
    found = {what for what, shape in _LOOKS_SECRET.items() if any(map(shape.search, texts))}
    leaked = any(secret and secret in text for secret in secrets for text in texts)
    return found | ({"a secret of this world"} if leaked else set())


def _values(body: Any) -> set[str]:  # noqa: ANN401 - JSON
    """Return the values of a Secret in a request's body."""
    if isinstance(body, list):
        return {str(item["value"]) for item in body if "value" in item}
    if not isinstance(body, dict):
        return set()
    parts = [body.get("data"), body.get("stringData")]
    return {str(value) for part in parts if isinstance(part, dict) for value in part.values()}


def _strings(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield str(key)
            yield from _strings(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _strings(part)


RECORD_RULES: Final = (
    Rule(
        "emergency-patch-reconciled-to-git",
        "whatever was patched by hand is in Git by the end",
        "Rules for every replay",
        "a kubectl patch is for emergencies, and Git has to follow at once",
        emergency_patch_reconciled_to_git,
        EVERYTHING - {"kafka", "s3", "tables"},
    ),
    Rule(
        "secrets-never-in-trail",
        "no secret is in the audit trail",
        OWN_PROMISE,
        "what a run leaves behind can be shown to anybody",
        secrets_never_in_trail,
    ),
)
