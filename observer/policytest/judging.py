"""What was expected of a test against what came."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from observer.config.documents.durations import format_duration
from observer.config.documents.faults import Fault
from observer.domain.decision import Decision, Verdict
from observer.domain.slo import ObjectiveStatus
from observer.policytest.run import ScenarioRun
from observer.policytest.scenario import Expectation, Scenario

_STANDING: Final = (Verdict.ACT, Verdict.WOULD, Verdict.BLOCKED)
_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that was not met: where it stands, what it wanted, and what came instead, line by line."""

    expectation: Expectation
    expected: str
    came: tuple[str, ...]


def unknown_objectives(scenario: Scenario, course: ScenarioRun) -> list[Fault]:
    """Expectations about objectives that were never looked at."""
    faults = []
    for expectation in scenario.expect:
        if expectation.objective and expectation.objective not in course.wanted:
            near = difflib.get_close_matches(expectation.objective, course.wanted, n=1)
            known = f"looked at: {', '.join(sorted(course.wanted)[:6])}" if course.wanted else ""
            hint = f"did you mean {near[0]}?" if near else known or "name its template under objectives, or in a policy"
            faults.append(
                expectation.place.fault("objective", f"{expectation.objective} is not looked at in this test", hint)
            )
    return faults


def failures(scenario: Scenario, course: ScenarioRun) -> list[Failure]:
    """Every expectation that was not met."""
    found = (_failure(expectation, course) for expectation in scenario.expect)
    return [one for one in found if one is not None]


def _failure(expectation: Expectation, course: ScenarioRun) -> Failure | None:
    if expectation.objective:
        return _of_objective(expectation, course)
    if expectation.at is not None:
        return _standing(expectation, course)
    within = [(at, d) for at, d in course.decisions if expectation.after <= at <= expectation.before]
    count = sum(_matches(expectation, decision) for _, decision in within)
    if (count == expectation.count) if expectation.count is not None else count > 0:
        return None
    few = "no decision at all" if not within else ""
    about = [item for item in within if _about(expectation, item[1])] or within
    return Failure(expectation, expected(expectation), tuple([few] if few else _listed(about)))


def _standing(expectation: Expectation, course: ScenarioRun) -> Failure | None:
    """The last verdict about the pod until then, of an incident that is not closed."""
    at = expectation.at if expectation.at is not None else 0.0
    standing: dict[str, tuple[float, Decision]] = {}
    for when, decision in course.decisions:
        if when > at or not decision.incident:
            continue
        if decision.kind == "closed":
            standing.pop(decision.incident, None)
        elif decision.verdict in _STANDING:
            standing[decision.incident] = (when, decision)
    about = [item for item in standing.values() if not expectation.pod or _name(item[1]) == expectation.pod]
    if (not about) if expectation.none else any(_matches(expectation, decision) for _, decision in about):
        return None
    return Failure(expectation, expected(expectation), tuple(_listed(about) or ["nothing stands"]))


def _of_objective(expectation: Expectation, course: ScenarioRun) -> Failure | None:
    at = expectation.at if expectation.at is not None else 0.0
    looks = [(when, statuses) for when, statuses in course.looks if when <= at]
    when, statuses = looks[-1]
    status = next((s for s in statuses if s.objective.id == expectation.objective), None)
    if status is None:
        return Failure(
            expectation, expected(expectation), (f"{_at(when)}  {expectation.objective} is not looked at then",)
        )
    firing = tuple(tier.tier.name for tier in status.tiers if tier.firing)
    right = (
        (expectation.state is None or status.state is expectation.state)
        and (expectation.alert is None or status.alert == expectation.alert)
        and (expectation.firing is None or set(firing) == set(expectation.firing))
    )
    return None if right else Failure(expectation, expected(expectation), (f"{_at(when)}  {_status(status, firing)}",))


def _matches(expectation: Expectation, decision: Decision) -> bool:
    reasons = {decision.reason, *(block.reason for block in decision.blocked_by)}
    return (
        (not expectation.verdict or decision.verdict == expectation.verdict)
        and (not expectation.kind or decision.kind == expectation.kind)
        and (expectation.action is None or decision.action_kind is expectation.action)
        and (not expectation.reason or expectation.reason in reasons)
        and (not expectation.severity or decision.severity == expectation.severity)
        and (not expectation.pod or _name(decision) == expectation.pod)
    )


def _about(expectation: Expectation, decision: Decision) -> bool:
    """Near enough to be shown beside what was wanted."""
    return (not expectation.verdict or decision.verdict == expectation.verdict) or (
        not expectation.pod or _name(decision) == expectation.pod
    )


def _name(decision: Decision) -> str:
    return decision.pod.name if decision.pod is not None else ""


def expected(expectation: Expectation) -> str:
    """The expectation in one line."""
    when = f"at {format_duration(expectation.at)}" if expectation.at is not None else f"between {_span(expectation)}"
    if expectation.objective:
        words = [
            f"state {expectation.state.value}" if expectation.state is not None else "",
            f"alert {expectation.alert or 'none'}" if expectation.alert is not None else "",
            f"firing [{', '.join(expectation.firing)}]" if expectation.firing is not None else "",
        ]
        return f"{when}: {expectation.objective} {', '.join(word for word in words if word)}"
    if expectation.none:
        return f"{when}: nothing stands{f' about {expectation.pod}' if expectation.pod else ''}"
    words = [
        "" if expectation.count is None else f"{expectation.count} times",
        expectation.verdict,
        expectation.kind and f"kind {expectation.kind}",
        expectation.action.value if expectation.action is not None else "",
        expectation.pod and f"pod {expectation.pod}",
        expectation.reason and f"reason {expectation.reason}",
        expectation.severity and f"severity {expectation.severity}",
    ]
    return f"{when}: {' '.join(word for word in words if word)}"


def line_of(decision: Decision) -> str:
    """A decision in one line."""
    action = decision.action_kind.value if decision.action_kind is not None else decision.kind
    words = decision.kind if action == decision.kind else f"{decision.kind} {action}"
    reasons = list(dict.fromkeys([decision.reason, *(block.reason for block in decision.blocked_by)]))
    return f"{decision.verdict.value} {words}  {decision.subject}  {', '.join(reasons)}"


def _status(status: ObjectiveStatus, firing: Sequence[str]) -> str:
    why = f" ({status.detail})" if status.detail else ""
    withheld = [f"{tier.tier.name}: {tier.withheld}" for tier in status.tiers if tier.over and tier.withheld]
    burns = ", ".join(f"{tier.tier.name} {tier.long:.3g}/{tier.short:.3g}" for tier in status.tiers)
    more = f"; held: {'; '.join(withheld)}" if withheld else ""
    state = f"state {status.state.value}{why}, alert {status.alert or 'none'}, firing [{', '.join(firing)}]"
    return f"{state}, burn {burns}{more}"


def _listed(items: Iterable[tuple[float, Decision]]) -> list[str]:
    lines = [f"{_at(at)}  {line_of(decision)}" for at, decision in items]
    more = len(lines) - _SHOWN
    return lines if more <= 0 else [*lines[:_SHOWN], f"and {more} more"]


def _span(expectation: Expectation) -> str:
    return f"{format_duration(expectation.after)} and {format_duration(expectation.before)}"


def _at(seconds: float) -> str:
    return f"{format_duration(seconds):>7}"
