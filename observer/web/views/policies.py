"""``/policies``: what holds for which workload, what it did or would have done, and what the checks say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from observer.config.lint.check import Finding
from observer.config.lint.registry import lint
from observer.config.lint.rule_files import subject_of
from observer.config.policies.document import Value
from observer.config.policies.effective import doubts, subjects
from observer.config.policies.spelling import shown, written
from observer.config.reload import Rules
from observer.domain.action import Mode
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import ConfigError
from observer.domain.outcome import Result
from observer.domain.policy import EffectivePolicy
from observer.web.views.asked import PoliciesQuery
from observer.web.views.picture import ViewState

MOST_REASONS = 12


class PolicyRow(Struct, frozen=True):
    """What holds for one workload, in short; ``approvals`` are rungs that need a person, ``doubt`` why policies tie."""

    namespace: str
    kind: str
    name: str
    mode: Mode
    enabled: bool
    policies: tuple[str, ...]
    actions: tuple[str, ...]
    approvals: tuple[str, ...]
    objectives: tuple[str, ...]
    holds: tuple[str, ...]
    doubt: str


class ValueView(Struct, frozen=True):
    """One effective value with the file and line it came from; ``policy`` is empty for a built-in default."""

    path: str
    value: str
    file: str
    line: int
    policy: str


class EffectiveValues(Struct, frozen=True):
    """Everything that holds for one workload."""

    workload: str
    policies: tuple[str, ...]
    values: tuple[ValueView, ...]
    holds: tuple[ValueView, ...]


class FindingView(Struct, frozen=True):
    """What one check says about one place."""

    check: str
    severity: str
    file: str
    line: int
    message: str


class InterventionCounts(Struct, frozen=True):
    """
    What came of the policies since ``since``: acts by rung that were carried out, that would have been (shadow), that
    were refused or deferred; incidents that a brake held, and the reasons; verifications by verdict.

    ``whole`` false = there were more decisions than were counted.
    """

    since: float
    whole: bool
    acted: dict[str, int]
    would: dict[str, int]
    failed: dict[str, int]
    held: int
    reasons: dict[str, int]
    verified: dict[str, int]


class PoliciesView(Struct, frozen=True):
    """
    ``modes`` counts workloads by mode; ``rows`` is the wanted part of ``total``; ``effective`` is null unless one
    workload was asked for; ``findings`` is what the offline checks say about the files in force.
    """

    at: float
    identity: str
    mode: Mode
    documents: tuple[str, ...]
    modes: dict[str, int]
    reload_ok: bool
    reload_detail: str
    total: int
    offset: int
    rows: tuple[PolicyRow, ...]
    effective: EffectiveValues | None
    deeds: InterventionCounts
    findings: tuple[FindingView, ...]


def policies_view(
    picture: ViewState, query: PoliciesQuery, deeds: InterventionCounts, findings: Sequence[FindingView]
) -> PoliciesView:
    """``deeds`` and ``findings`` are made by ``deeds_of`` and ``findings_of``."""
    seen = picture.seen
    rows = _rows(picture)
    wanted = [row for row in rows if query.workload in ("", f"{row.namespace}/{row.name}")]
    rules = seen.rules
    return PoliciesView(
        at=picture.at,
        identity=seen.policies.identity,
        mode=seen.settings.mode,
        documents=tuple(sorted(one.name for one in rules.policies.policies)) if rules is not None else (),
        modes=dict(Counter(row.mode.value for row in rows)),
        reload_ok=seen.reload.ok,
        reload_detail=seen.reload.detail,
        total=len(wanted),
        offset=query.offset,
        rows=tuple(wanted[query.offset : query.offset + query.limit]),
        effective=effective(picture, query.workload) if query.workload else None,
        deeds=deeds,
        findings=tuple(findings),
    )


def _rows(picture: ViewState) -> list[PolicyRow]:
    seen, unsure = picture.seen, doubts(picture.seen.policies)
    found, unruled = [], EffectivePolicy.of(seen.settings)
    view = seen.snapshot.cluster
    refs = sorted({**view.workloads, **view.by_workload}) if view is not None else ()
    for ref in refs:
        one = seen.policies.applied.get(ref, unruled)
        found.append(
            PolicyRow(
                namespace=ref.namespace,
                kind=ref.kind,
                name=ref.name,
                mode=one.mode,
                enabled=view is not None and view.acts_in(ref.namespace),
                policies=one.names,
                actions=tuple(action_kind.value for action_kind in one.escalation.actions),
                approvals=tuple(sorted(action_kind.value for action_kind in one.approvals)),
                objectives=one.objectives,
                holds=tuple(hold.reason for hold in one.holds if picture.at < hold.until),
                doubt=unsure.get(str(ref), ""),
            )
        )
    return found


def effective(picture: ViewState, workload: str) -> EffectiveValues | None:
    """Every value that holds for ``NAMESPACE/NAME``, with its place; None when there is no such workload."""
    rules, view = picture.seen.rules, picture.seen.snapshot.cluster
    if rules is None or view is None:
        return None
    subject = next((one for one in subjects(view) if f"{one.ref.namespace}/{one.ref.name}" == workload), None)
    if subject is None:
        return None
    found = rules.policies.effective(subject)
    return EffectiveValues(
        workload=str(subject.ref),
        policies=tuple(found.policies),
        values=tuple(_value(path, value) for path, value in found.values.items()),
        holds=tuple(_value("hold", value) for value in found.holds),
    )


def _value(path: str, value: Value) -> ValueView:
    place = value.place
    return ValueView(path, shown(written(path, value.value)), place.file, place.line, value.policy)


def deeds_of(decisions: Sequence[Decision], since: float, *, whole: bool) -> InterventionCounts:
    """What the decisions since then come to."""
    acted: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    would: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    verified: Counter[str] = Counter()
    held = set()
    for one in decisions:
        action_kind = one.action_kind.value if one.action_kind is not None else one.kind
        if one.verdict is Verdict.ACT and one.outcome is not None:
            (acted if one.outcome.result is Result.APPLIED else failed)[action_kind] += 1
        elif one.verdict is Verdict.WOULD:
            would[action_kind] += 1
        elif one.verdict is Verdict.BLOCKED:
            held.add(one.incident)
            reasons.update({answer.reason for answer in one.blocked_by})
        elif one.kind == "verified":
            verified[one.reason] += 1
    most = dict(reasons.most_common(MOST_REASONS))
    return InterventionCounts(since, whole, dict(acted), dict(would), dict(failed), len(held), most, dict(verified))


def findings_of(rules: Rules | None, at: float) -> tuple[FindingView, ...]:
    """What the offline checks say of the files that the settings name now. Reads files: not for the event loop."""
    if rules is None:
        return ()
    try:
        subject, faults = subject_of(rules.settings, at)
    except ConfigError as exc:
        return (FindingView("unreadable", "error", "", 0, str(exc)),)
    if faults:
        return tuple(FindingView("unreadable", "error", one.file, one.line, one.message) for one in faults)
    return tuple(_finding(one) for one in lint(subject))


def _finding(one: Finding) -> FindingView:
    return FindingView(one.check, one.severity.value, one.fault.file, one.fault.line, one.fault.message)
