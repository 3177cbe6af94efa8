"""``/policies``: what holds for which workload, what it did or would have done, and what the checks say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from observer.config.lint.check import Finding
from observer.config.lint.registry import lint
from observer.config.lint.subject import subject_of
from observer.config.policies.document import Value
from observer.config.policies.effective import doubts, subjects
from observer.config.policies.inherit import shown, written
from observer.config.reload import Rules
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import ConfigError
from observer.domain.outcome import Result
from observer.domain.policy import EffectivePolicy
from observer.web.models import answers
from observer.web.models.parameters import PoliciesQuery
from observer.web.views.view_state import ViewState

MOST_REASONS: Final = 12


def policies_view(
    state: ViewState,
    query: PoliciesQuery,
    interventions: answers.InterventionCounts,
    findings: Sequence[answers.FindingView],
) -> answers.PoliciesView:
    """``interventions`` and ``findings`` are made by ``intervention_counts`` and ``findings_of``."""
    tick = state.tick
    rows = _rows(state)
    matching = [row for row in rows if query.workload in ("", f"{row.namespace}/{row.name}")]
    rules = tick.rules
    return answers.PoliciesView(
        at=state.at,
        identity=tick.policies.identity,
        mode=tick.settings.mode,
        documents=tuple(sorted(policy.name for policy in rules.policies.policies)) if rules is not None else (),
        modes=dict(Counter(row.mode.value for row in rows)),
        reload_ok=tick.reload.ok,
        reload_detail=tick.reload.detail,
        total=len(matching),
        offset=query.offset,
        rows=tuple(matching[query.offset : query.offset + query.limit]),
        effective=effective(state, query.workload) if query.workload else None,
        interventions=interventions,
        findings=tuple(findings),
    )


def _rows(state: ViewState) -> list[answers.PolicyRow]:
    tick, conflicts = state.tick, doubts(state.tick.policies)
    without_policy = EffectivePolicy.of(tick.settings)
    view = tick.snapshot.cluster
    if view is None:
        return []
    rows = []
    for ref in sorted({**view.workloads, **view.by_workload}):
        policy = tick.policies.applied.get(ref, without_policy)
        rows.append(
            answers.PolicyRow(
                namespace=ref.namespace,
                kind=ref.kind,
                name=ref.name,
                mode=policy.mode,
                enabled=view.acts_in(ref.namespace),
                policies=policy.names,
                actions=tuple(action.value for action in policy.escalation.actions),
                approvals=tuple(sorted(action.value for action in policy.approvals)),
                objectives=policy.objectives,
                blocked_by=tuple(hold.reason for hold in policy.holds if state.at < hold.until),
                conflict=conflicts.get(str(ref), ""),
            )
        )
    return rows


def effective(state: ViewState, workload: str) -> answers.EffectiveView | None:
    """Every value that holds for ``NAMESPACE/NAME``, with its place; None when there is no such workload."""
    rules, view = state.tick.rules, state.tick.snapshot.cluster
    if rules is None or view is None:
        return None
    named = (subject for subject in subjects(view) if f"{subject.ref.namespace}/{subject.ref.name}" == workload)
    subject = next(named, None)
    if subject is None:
        return None
    values = rules.policies.effective(subject)
    return answers.EffectiveView(
        workload=str(subject.ref),
        policies=tuple(values.policies),
        values=tuple(_value(path, value) for path, value in values.values.items()),
        blocked_by=tuple(_value("hold", value) for value in values.holds),
    )


def _value(path: str, value: Value) -> answers.ValueView:
    place = value.place
    return answers.ValueView(path, shown(written(path, value.value)), place.file, place.line, value.policy)


def intervention_counts(decisions: Sequence[Decision], since: float, *, whole: bool) -> answers.InterventionCounts:
    """What the decisions since then come to."""
    acted: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    would: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    verified: Counter[str] = Counter()
    blocked = set()
    for decision in decisions:
        action = decision.action_kind.value if decision.action_kind is not None else decision.kind
        if decision.verdict is Verdict.ACT and decision.outcome is not None:
            (acted if decision.outcome.result is Result.APPLIED else failed)[action] += 1
        elif decision.verdict is Verdict.WOULD:
            would[action] += 1
        elif decision.verdict is Verdict.BLOCKED:
            blocked.add(decision.incident)
            reasons.update({block.reason for block in decision.blocked_by})
        elif decision.kind == "verified":
            verified[decision.reason] += 1
    commonest = dict(reasons.most_common(MOST_REASONS))
    return answers.InterventionCounts(
        since, whole, dict(acted), dict(would), dict(failed), len(blocked), commonest, dict(verified)
    )


def findings_of(rules: Rules | None, at: float) -> tuple[answers.FindingView, ...]:
    """What the offline checks say of the files that the settings name now. Reads files: not for the event loop."""
    if rules is None:
        return ()
    try:
        subject, faults = subject_of(rules.settings, at)
    except ConfigError as exc:
        return (answers.FindingView("unreadable", "error", "", 0, str(exc)),)
    if faults:
        return tuple(
            answers.FindingView("unreadable", "error", fault.file, fault.line, fault.message) for fault in faults
        )
    return tuple(_finding(finding) for finding in lint(subject))


def _finding(finding: Finding) -> answers.FindingView:
    fault = finding.fault
    return answers.FindingView(finding.check, finding.severity.value, fault.file, fault.line, fault.message)
