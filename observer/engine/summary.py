"""Incidents, decisions, acts and counts of a span of time -> the summary of it, without a word of style."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from observer import actions
from observer.domain.action import ActionKind
from observer.domain.decision import Decision, LedgerEntry, Verdict
from observer.domain.incident import Incident, Phase
from observer.domain.kinds import Kind
from observer.domain.outcome import Result
from observer.domain.reasons import Reason
from observer.domain.severities import Severity
from observer.domain.slo import LedgerCount, Objective
from observer.domain.summary import (
    Blindness,
    BlockedAction,
    BudgetUse,
    HealthSummary,
    Impact,
    Intervention,
    RequestToPeople,
    Trouble,
)
from observer.engine.slo.evaluate import budget_of, start_of

APPROVAL: Final = Reason.APPROVAL_NEEDED
TROUBLES: Final = frozenset({Kind.SUPPRESSED, Kind.UNREACHED})
_HELPED: Final = {"fixed": True, "no_change": False, "worse": False}


@dataclass(frozen=True, slots=True)
class Records:
    """
    What the journal holds of a span.

    Attributes:
        incidents: those that touched it. decisions: of the span, oldest first.
        sights: decisions about Observer itself, of any age, oldest first: what it saw when the span began.
        acts: the budget ledger's entries of the span. counts: events of objectives since the longest window began.
        objectives: by identity, as far as they are known today.
    """

    incidents: Sequence[Incident] = ()
    decisions: Sequence[Decision] = ()
    visibility: Sequence[Decision] = ()
    acts: Sequence[LedgerEntry] = ()
    counts: Sequence[LedgerCount] = ()
    objectives: Mapping[str, Objective] | None = None


def summarize(records: Records, since: float, until: float, notes: Sequence[str] = ()) -> HealthSummary:
    """The summary of ``since`` to ``until`` (Unix seconds); ``notes`` are added to what is found to be unknown."""
    incidents = [i for i in records.incidents if i.opened <= until and not 0.0 < i.closed < since]
    decisions = [decision for decision in records.decisions if since <= decision.at <= until]
    blind = tuple(_blindness(records.visibility, since, until))
    own = () if decisions or incidents else ("nothing was recorded: nobody was suspected, or Observer did not run",)
    return HealthSummary(
        since=since,
        until=until,
        modes=tuple(sorted({decision.mode.value for decision in decisions})),
        decisions=len(decisions),
        action_required=tuple(_action_required(incidents, decisions, records.visibility, blind, until)),
        impacts=tuple(_impact(i) for i in sorted(incidents, key=lambda i: (i.phase is Phase.CLOSED, i.opened))),
        troubles=tuple(_troubles(decisions)),
        budgets=tuple(_budgets(records, since, until)),
        interventions=tuple(_interventions(incidents, decisions, records.acts)),
        blocked=tuple(_blocked(incidents, decisions)),
        blindness=blind,
        notes=(*own, *notes),
    )


def _impact(incident: Incident) -> Impact:
    is_open = incident.phase is not Phase.CLOSED
    return Impact(
        incident=incident.id,
        subject=str(incident.culprit),
        service=str(incident.service) if incident.service is not None else "",
        symptom=incident.symptom.value,
        opened=incident.opened,
        closed=None if is_open else incident.closed,
        bad_rate=incident.p1,
        peer_bad_rate=incident.p0,
        bad=incident.bad,
        requests=incident.requests,
        outcome=incident.phase.value if is_open else incident.closing,
    )


def _troubles(decisions: Iterable[Decision]) -> Iterable[Trouble]:
    """The last word about each service behind which nobody could be removed; quiet reasons are no trouble."""
    loud = (decision for decision in decisions if decision.kind in TROUBLES and decision.severity != Severity.INFO)
    last = {decision.subject: decision for decision in loud}
    return [Trouble(decision.subject, decision.reason, decision.at, decision.text) for decision in last.values()]


def _budgets(records: Records, since: float, until: float) -> list[BudgetUse]:
    """Most spent first; objectives without a known target last."""
    objectives = records.objectives or {}
    counts: dict[str, list[LedgerCount]] = defaultdict(list)
    for count in records.counts:
        if count.end <= until:
            counts[count.objective].append(count)
    uses = [_budget(key, objectives.get(key), counted, since, until) for key, counted in counts.items()]
    return sorted(uses, key=lambda use: (use.spent is None, -(use.spent or 0.0), -use.bad, use.objective))


def _budget(
    key: str, objective: Objective | None, counts: Sequence[LedgerCount], since: float, until: float
) -> BudgetUse:
    here = [count for count in counts if count.end > since]
    total = sum(count.total for count in here)
    bad = total - sum(count.good for count in here)
    if objective is None:
        return BudgetUse(key, key, None, bad, total, None, None)
    began = start_of(objective, until)
    window = [count for count in counts if count.end > began]
    good, whole = sum(count.good for count in window), sum(count.total for count in window)
    status = budget_of(objective, until, began, good, whole, ())
    spent = bad / (objective.allowed * whole) if whole > 0 else 0.0
    name = objective.display or objective.slo
    name = f"{objective.scope}: {name}" if objective.scope is not None else name
    return BudgetUse(key, name, objective.target, bad, total, spent, status.remaining)


def _interventions(
    incidents: Sequence[Incident], decisions: Sequence[Decision], acts: Sequence[LedgerEntry]
) -> list[Intervention]:
    """One for each incident in which something was written, or would have been; oldest first."""
    steps_of: dict[str, list[Decision]] = defaultdict(list)
    for decision in decisions:
        if decision.action_kind is not None and decision.verdict in (Verdict.ACT, Verdict.WOULD):
            steps_of[decision.incident or decision.subject].append(decision)
    graded = {entry.incident: entry.useful for entry in acts if entry.useful is not None}
    by_id = {incident.id: incident for incident in incidents}
    interventions = []
    for key, steps in steps_of.items():
        incident = by_id.get(key)
        would = all(step.verdict is Verdict.WOULD for step in steps)
        closing = incident.closing if incident is not None else ""
        helped = None if would else graded.get(key, _HELPED.get(closing))
        words = tuple(_step(step) for step in steps)
        result = _result(incident, would=would)
        interventions.append(Intervention(key, steps[0].subject, steps[0].at, words, would, helped, result))
    return interventions


def _step(decision: Decision) -> str:
    word, outcome = actions.of(decision.action_kind or ActionKind.ANNOTATE).done, decision.outcome
    if decision.verdict is Verdict.WOULD:
        return word
    if outcome is None:
        return f"{word} (no answer yet)"
    return word if outcome.result is Result.APPLIED else f"{word} ({outcome.result.value}: {outcome.reason})"


def _result(incident: Incident | None, *, would: bool) -> str:
    if would:
        return "nothing was written"
    if incident is None:
        return "its incident is no longer known"
    return incident.closing.replace("_", " ") if incident.phase is Phase.CLOSED else f"open: {incident.phase.value}"


def _blocked(incidents: Sequence[Incident], decisions: Sequence[Decision]) -> list[BlockedAction]:
    """Most incidents first."""
    standing = {reason for incident in incidents if incident.phase is not Phase.CLOSED for reason in incident.blocked}
    by_reason: dict[str, set[str]] = defaultdict(set)
    example: dict[str, tuple[str, str]] = {}
    for decision in decisions:
        for answer in decision.blocked_by if decision.verdict is Verdict.BLOCKED else ():
            by_reason[answer.reason].add(decision.incident or decision.subject)
            example[answer.reason] = (decision.subject, answer.detail)
    blocked = [BlockedAction(key, len(keys), *example[key], key in standing) for key, keys in by_reason.items()]
    return sorted(blocked, key=lambda action: (-action.incidents, action.reason))


def _action_required(
    incidents: Sequence[Incident],
    decisions: Sequence[Decision],
    visibility: Sequence[Decision],
    blind: Sequence[Blindness],
    until: float,
) -> Iterable[RequestToPeople]:
    """What waits for a person: approvals, pages that nothing has answered since, refused edits, blindness."""
    standing = {incident.id: incident for incident in incidents if incident.phase is not Phase.CLOSED}
    for incident in standing.values():
        if APPROVAL in incident.blocked:
            text = "the next action needs approval"
            yield RequestToPeople("approve", str(incident.culprit), incident.blocked[APPROVAL], text)
    pages = {
        (decision.subject, decision.kind): decision for decision in decisions if decision.severity == Severity.PAGE
    }
    for page in pages.values():
        over = page.incident and page.incident not in standing and page.kind != Kind.VERIFIED
        if not over and not page.reason.startswith(APPROVAL):
            yield RequestToPeople("look", page.subject, page.at, page.text)
    edits = [
        decision
        for decision in visibility
        if decision.kind in (Kind.CONFIG_REJECTED, Kind.CONFIG_RELOADED) and decision.at <= until
    ]
    if edits and edits[-1].kind == Kind.CONFIG_REJECTED:
        yield RequestToPeople("repair", edits[-1].subject, edits[-1].at, edits[-1].text)
    for span in blind:
        if span.lasting:
            yield RequestToPeople(
                "repair",
                "observer",
                until - span.seconds,
                f"data is incomplete, no actions until it recovers: {span.cause}",
            )


def _blindness(visibility: Sequence[Decision], since: float, until: float) -> list[Blindness]:
    """Spans without sight by cause, cut to the span in question; longest first."""
    seconds: dict[str, float] = defaultdict(float)
    times: dict[str, int] = defaultdict(int)
    cause, began = "", 0.0
    turns = [
        decision for decision in visibility if decision.kind in (Kind.BLIND, Kind.RECOVERED) and decision.at <= until
    ]
    for turn in [*turns, None]:
        ended = turn.at if turn is not None else until
        if cause and ended > since:
            seconds[cause] += ended - max(began, since)
            times[cause] += 1
        if turn is None:
            break
        cause, began = (_cause(turn), turn.at) if turn.kind == Kind.BLIND else ("", 0.0)
    spans = [Blindness(key, lasted, times[key], key == cause) for key, lasted in seconds.items()]
    return sorted(spans, key=lambda span: (-span.seconds, span.cause))


def _cause(blind: Decision) -> str:
    return str(blind.figures.get("gaps") or blind.reason)
