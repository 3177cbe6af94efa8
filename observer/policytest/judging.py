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
    for one in scenario.expect:
        if one.objective and one.objective not in course.wanted:
            near = difflib.get_close_matches(one.objective, course.wanted, n=1)
            known = f"looked at: {', '.join(sorted(course.wanted)[:6])}" if course.wanted else ""
            hint = f"did you mean {near[0]}?" if near else known or "name its template under objectives, or in a policy"
            faults.append(one.place.fault("objective", f"{one.objective} is not looked at in this test", hint))
    return faults


def failures(scenario: Scenario, course: ScenarioRun) -> list[Failure]:
    """Every expectation that was not met."""
    found = (_failure(one, course) for one in scenario.expect)
    return [one for one in found if one is not None]


def _failure(one: Expectation, course: ScenarioRun) -> Failure | None:
    if one.objective:
        return _of_objective(one, course)
    if one.at is not None:
        return _standing(one, course)
    within = [(at, d) for at, d in course.decisions if one.after <= at <= one.before]
    count = sum(_matches(one, decision) for _, decision in within)
    if (count == one.count) if one.count is not None else count > 0:
        return None
    few = "no decision at all" if not within else ""
    about = [item for item in within if _about(one, item[1])] or within
    return Failure(one, expected(one), tuple([few] if few else _listed(about)))


def _standing(one: Expectation, course: ScenarioRun) -> Failure | None:
    """The last verdict about the pod until then, of an incident that is not closed."""
    at = one.at if one.at is not None else 0.0
    standing: dict[str, tuple[float, Decision]] = {}
    for when, decision in course.decisions:
        if when > at or not decision.incident:
            continue
        if decision.kind == "closed":
            standing.pop(decision.incident, None)
        elif decision.verdict in _STANDING:
            standing[decision.incident] = (when, decision)
    about = [item for item in standing.values() if not one.pod or _name(item[1]) == one.pod]
    if (not about) if one.none else any(_matches(one, decision) for _, decision in about):
        return None
    return Failure(one, expected(one), tuple(_listed(about) or ["nothing stands"]))


def _of_objective(one: Expectation, course: ScenarioRun) -> Failure | None:
    at = one.at if one.at is not None else 0.0
    looks = [(when, statuses) for when, statuses in course.looks if when <= at]
    when, statuses = looks[-1]
    status = next((s for s in statuses if s.objective.id == one.objective), None)
    if status is None:
        return Failure(one, expected(one), (f"{_at(when)}  {one.objective} is not looked at then",))
    firing = tuple(tier.tier.name for tier in status.tiers if tier.firing)
    right = (
        (one.state is None or status.state is one.state)
        and (one.alert is None or status.told == one.alert)
        and (one.firing is None or set(firing) == set(one.firing))
    )
    return None if right else Failure(one, expected(one), (f"{_at(when)}  {_status(status, firing)}",))


def _matches(one: Expectation, decision: Decision) -> bool:
    reasons = {decision.reason, *(block.reason for block in decision.blocked_by)}
    return (
        (not one.verdict or decision.verdict == one.verdict)
        and (not one.kind or decision.kind == one.kind)
        and (one.action is None or decision.action_kind is one.action)
        and (not one.reason or one.reason in reasons)
        and (not one.severity or decision.severity == one.severity)
        and (not one.pod or _name(decision) == one.pod)
    )


def _about(one: Expectation, decision: Decision) -> bool:
    """Near enough to be shown beside what was wanted."""
    return (not one.verdict or decision.verdict == one.verdict) or (not one.pod or _name(decision) == one.pod)


def _name(decision: Decision) -> str:
    return decision.pod.name if decision.pod is not None else ""


def expected(one: Expectation) -> str:
    """The expectation in one line."""
    when = f"at {format_duration(one.at)}" if one.at is not None else f"between {_span(one)}"
    if one.objective:
        words = [
            f"state {one.state.value}" if one.state is not None else "",
            f"alert {one.alert or 'none'}" if one.alert is not None else "",
            f"firing [{', '.join(one.firing)}]" if one.firing is not None else "",
        ]
        return f"{when}: {one.objective} {', '.join(word for word in words if word)}"
    if one.none:
        return f"{when}: nothing stands{f' about {one.pod}' if one.pod else ''}"
    words = [
        "" if one.count is None else f"{one.count} times",
        one.verdict,
        one.kind and f"kind {one.kind}",
        one.action.value if one.action is not None else "",
        one.pod and f"pod {one.pod}",
        one.reason and f"reason {one.reason}",
        one.severity and f"severity {one.severity}",
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
    held = [f"{tier.tier.name}: {tier.held}" for tier in status.tiers if tier.over and tier.held]
    burns = ", ".join(f"{tier.tier.name} {tier.long:.3g}/{tier.short:.3g}" for tier in status.tiers)
    more = f"; held: {'; '.join(held)}" if held else ""
    state = f"state {status.state.value}{why}, alert {status.told or 'none'}, firing [{', '.join(firing)}]"
    return f"{state}, burn {burns}{more}"


def _listed(items: Iterable[tuple[float, Decision]]) -> list[str]:
    lines = [f"{_at(at)}  {line_of(decision)}" for at, decision in items]
    more = len(lines) - _SHOWN
    return lines if more <= 0 else [*lines[:_SHOWN], f"and {more} more"]


def _span(one: Expectation) -> str:
    return f"{format_duration(one.after)} and {format_duration(one.before)}"


def _at(seconds: float) -> str:
    return f"{format_duration(seconds):>7}"
