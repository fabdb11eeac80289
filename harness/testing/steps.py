"""Gherkin steps in the runbook's words: ``pytest_plugins = ["harness.testing.steps"]``.

A scenario says what production looks like, has one scenario of the document rehearsed, and says
what must come of it. What a scenario says goes before the options of pytest's command line, so
that it always means what it says. ``docs/gherkin.md`` shows all steps in use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest
from pytest_bdd import given, parsers, then, when

from harness.core.errors import HarnessError
from harness.runbook.editions import OWN_EDITION
from harness.world.processes import marked_processes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.testing.plugin import Rehearse
    from harness.testing.rehearsed import Rehearsed

_ROUTES: Final = {"GitOps": "gitops", "emergency": "emergency"}
_OUTCOMES: Final = {"passes": "pass", "fails": "fail", "is unknown": "unknown"}
_ROUTE: Final = r"(?: on the (?P<route>GitOps|emergency) route)?"
_HEADER: Final = ["check", "verdict"]


@dataclass(slots=True)
class Premises:
    """What the Given steps of a scenario said.

    Attributes:
        run: settings of the run, as in ``[tool.replay-harness]``.
        sets: variants, as in ``--set KEY=VALUE``.
    """

    run: dict[str, object] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)

    def settings(self) -> dict[str, object]:
        """Return both as one table."""
        return self.run | ({"set": dict(self.sets)} if self.sets else {})


@pytest.fixture
def replay_premises() -> Premises:
    """What the scenario has said so far."""
    return Premises()


@given(parsers.parse('production as profile "{profile}" has it'))
def production(replay_premises: Premises, profile: str) -> None:
    """Take production as it was on the date of a profile."""
    replay_premises.run["profile"] = profile


@given(parsers.re(r'production has (?P<key>\w+) "(?P<value>[^"]*)"'))
@given(parsers.re(r'the rehearsal has (?P<key>\w+) "(?P<value>[^"]*)"'))
def variant(replay_premises: Premises, key: str, value: str) -> None:
    """Vary one thing, as ``--set KEY=VALUE`` does."""
    replay_premises.sets[key] = value


@given(parsers.parse("a market of {events:d} events"))
def market(replay_premises: Premises, events: int) -> None:
    """Feed that many synthetic records, about."""
    replay_premises.sets["events"] = str(events)


@given(parsers.parse('the market as recorded in "{path}"'))
def recorded_market(replay_premises: Premises, path: str) -> None:
    """Feed a recording; the path starts from pytest's root directory."""
    replay_premises.sets["recorded"] = path


@given("the document is the project's own edition")
def own_edition(replay_premises: Premises) -> None:
    """Run the edition that comes with the harness."""
    replay_premises.run["runbook"] = str(OWN_EDITION)


@given(parsers.re(r'the document "(?P<path>[^"]+)"'))
def document(replay_premises: Premises, path: str) -> None:
    """Run a document; the path starts from pytest's root directory."""
    replay_premises.run["runbook"] = path


@given(parsers.re(r'the document "(?P<path>[^"]+)", where it is there'))
def optional_document(replay_premises: Premises, pytestconfig: pytest.Config, path: str) -> None:
    """Run a document, or skip the scenario where the document is not there."""
    if not (pytestconfig.rootpath / path).is_file():
        pytest.skip(f"the document {path} is not there")
    document(replay_premises, path)


@given(parsers.re(r'the bindings "(?P<path>[^"]+)"'))
def bindings(replay_premises: Premises, path: str) -> None:
    """Give the document its meaning; the path starts from pytest's root directory."""
    replay_premises.run["bindings"] = path


@given(parsers.parse('a person confirmed "{phrase}" under the ticket "{ticket}"'))
def confirmed(replay_premises: Premises, phrase: str, ticket: str) -> None:
    """Allow a scenario to delete things, as ``--confirm`` and ``--ticket`` do."""
    replay_premises.run |= {"confirm": phrase, "ticket": ticket}


@when(parsers.re(rf"Mode (?P<mode>\d) is rehearsed{_ROUTE}"), target_fixture="replay_run")
def rehearse_mode(
    replay_rehearse: Rehearse, replay_premises: Premises, mode: str, route: str | None
) -> Rehearsed:
    """Rehearse Mode 1 or another one of the document."""
    return rehearse_scenario(replay_rehearse, replay_premises, f"mode{mode}", route)


@when(
    parsers.re(rf'the scenario "(?P<name>[^"]+)" is rehearsed{_ROUTE}'),
    target_fixture="replay_run",
)
def rehearse_scenario(
    replay_rehearse: Rehearse, replay_premises: Premises, name: str, route: str | None
) -> Rehearsed:
    """Rehearse any scenario of the document, e.g. ``rollback``."""
    if route is not None:
        replay_premises.run["route"] = _ROUTES[route]
    try:
        return replay_rehearse(name, replay_premises.settings())
    except HarnessError as error:
        pytest.fail(f"{name} could not be rehearsed: {error}", pytrace=False)


def _expect(holds: bool, run: Rehearsed, complaint: str) -> None:  # noqa: FBT001
    """Fail the scenario with a complaint and with what the rehearsal was."""
    if not holds:
        pytest.fail(f"{complaint}\n{run.explain()}", pytrace=False)


@then(parsers.re(r"the verdict is (?P<verdict>pass|fail|unknown)"))
def verdict_is(replay_run: Rehearsed, verdict: str) -> None:
    """The verdict of the whole rehearsal; unknown is no pass."""
    got = replay_run.journal.verdict
    _expect(got == verdict, replay_run, f"the verdict is {got}, expected: {verdict}")


@then(parsers.re(r'the reason of the verdict says "(?P<text>[^"]+)"'))
def verdict_reason_says(replay_run: Rehearsed, text: str) -> None:
    """A part of the sentence that the on-call engineer is told."""
    reason = replay_run.journal.reason
    _expect(text in reason, replay_run, f"the verdict's reason does not say {text!r}")


@then(parsers.re(r'the check "(?P<name>[^"]+)" (?P<outcome>passes|fails|is unknown)'))
def check_comes_out(replay_run: Rehearsed, name: str, outcome: str) -> None:
    """One check by its name."""
    check = replay_run.check(name)
    got = "did not take place" if check is None else f"came out as {check.verdict}"
    _expect(
        check is not None and check.verdict == _OUTCOMES[outcome],
        replay_run,
        f"the check {name} {got}, expected: {_OUTCOMES[outcome]}",
    )


@then(parsers.re(r'the reason of "(?P<name>[^"]+)" says "(?P<text>[^"]+)"'))
def reason_says(replay_run: Rehearsed, name: str, text: str) -> None:
    """A part of what one check has to say."""
    check = replay_run.check(name)
    reason = "" if check is None else check.reason
    _expect(text in reason, replay_run, f"the reason of {name} does not say {text!r}: {reason!r}")


@then("the checks come out as")
def checks_come_out(replay_run: Rehearsed, datatable: Sequence[Sequence[str]]) -> None:
    """All checks and no others, with their verdicts, in any order."""
    header, *rows = datatable
    if list(header) != _HEADER:
        pytest.fail(f"the table's columns are {header}, expected: {_HEADER}", pytrace=False)
    expected = {row[0]: row[1] for row in rows}
    got = {check.name: str(check.verdict) for check in replay_run.journal.checks}
    wrong = [
        f"{name}: {got.get(name, 'did not take place')}, expected: {expected.get(name, 'no check')}"
        for name in sorted({*expected, *got})
        if expected.get(name) != got.get(name)
    ]
    _expect(not wrong, replay_run, "\n".join(wrong))


@then("every rule of the referee was kept")
def rules_kept(replay_run: Rehearsed) -> None:
    """There were rules, and the audit trail breaks none of them."""
    rules = replay_run.journal.rules
    _expect(bool(rules), replay_run, "the referee judged nothing")
    broken = [f"{rule.name} is {rule.verdict}" for rule in rules if rule.verdict != "pass"]
    _expect(not broken, replay_run, "\n".join(broken))


@then("every command of the document succeeded")
def commands_succeeded(replay_run: Rehearsed) -> None:
    """Commands, and edits, syncs and queries too: there were some, and none went wrong."""
    ran = any(action.kind == "command" for action in replay_run.actions())
    _expect(ran, replay_run, "no command of the document was run")
    mishaps = replay_run.mishaps()
    _expect(not mishaps, replay_run, f"{len(mishaps)} of the document's actions went wrong")


@then("nothing is left running")
def nothing_left(replay_run: Rehearsed) -> None:
    """No process of the world is there any more."""
    world = replay_run.journal.world
    if world is None:
        pytest.fail(f"no world was built\n{replay_run.explain()}", pytrace=False)
    left = [f"{process.pid} {process.name()}" for process in marked_processes(world.id)]
    _expect(not left, replay_run, f"still running: {', '.join(left)}")
