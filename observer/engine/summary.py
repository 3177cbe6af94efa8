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
from observer.domain.outcome import Result
from observer.domain.reasons import Reason
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
TROUBLES: Final = frozenset({"suppressed", "unreached"})
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
    sights: Sequence[Decision] = ()
    acts: Sequence[LedgerEntry] = ()
    counts: Sequence[LedgerCount] = ()
    objectives: Mapping[str, Objective] | None = None


def summarize(records: Records, since: float, until: float, notes: Sequence[str] = ()) -> HealthSummary:
    """The summary of ``since`` to ``until`` (Unix seconds); ``notes`` are added to what is found to be unknown."""
    touched = [one for one in records.incidents if one.opened <= until and not 0.0 < one.closed < since]
    told = [one for one in records.decisions if since <= one.at <= until]
    blind = tuple(_blindness(records.sights, since, until))
    own = () if told or touched else ("nothing was recorded: nobody was suspected, or Observer did not run",)
    return HealthSummary(
        since=since,
        until=until,
        modes=tuple(sorted({one.mode.value for one in told})),
        decisions=len(told),
        action_required=tuple(_wishes(touched, told, records.sights, blind, until)),
        impacts=tuple(_harm(one) for one in sorted(touched, key=lambda one: (one.phase is Phase.CLOSED, one.opened))),
        troubles=tuple(_troubles(told)),
        budgets=tuple(_budgets(records, since, until)),
        interventions=tuple(_deeds(touched, told, records.acts)),
        blocked=tuple(_restraints(touched, told)),
        blindness=blind,
        notes=(*own, *notes),
    )


def _harm(one: Incident) -> Impact:
    open_ = one.phase is not Phase.CLOSED
    return Impact(
        incident=one.id,
        subject=str(one.culprit),
        service=str(one.service) if one.service is not None else "",
        symptom=one.symptom.value,
        opened=one.opened,
        closed=None if open_ else one.closed,
        bad_rate=one.p1,
        peer_bad_rate=one.p0,
        bad=one.bad,
        requests=one.requests,
        outcome=one.phase.value if open_ else one.closing,
    )


def _troubles(told: Iterable[Decision]) -> Iterable[Trouble]:
    """The last word about each service behind which nobody could be removed; quiet reasons are no trouble."""
    last = {one.subject: one for one in told if one.kind in TROUBLES and one.severity != "info"}
    return [Trouble(one.subject, one.reason, one.at, one.text) for one in last.values()]


def _budgets(records: Records, since: float, until: float) -> list[BudgetUse]:
    """Most spent first; objectives without a known target last."""
    known = records.objectives or {}
    counts: dict[str, list[LedgerCount]] = defaultdict(list)
    for one in records.counts:
        if one.end <= until:
            counts[one.objective].append(one)
    found = [_budget(key, known.get(key), ones, since, until) for key, ones in counts.items()]
    return sorted(found, key=lambda one: (one.spent is None, -(one.spent or 0.0), -one.bad, one.objective))


def _budget(
    key: str, objective: Objective | None, counts: Sequence[LedgerCount], since: float, until: float
) -> BudgetUse:
    here = [one for one in counts if one.end > since]
    total = sum(one.total for one in here)
    bad = total - sum(one.good for one in here)
    if objective is None:
        return BudgetUse(key, key, None, bad, total, None, None)
    began = start_of(objective, until)
    window = [one for one in counts if one.end > began]
    good, whole = sum(one.good for one in window), sum(one.total for one in window)
    status = budget_of(objective, until, began, good, whole, ())
    spent = bad / (objective.allowed * whole) if whole > 0 else 0.0
    name = objective.display or objective.slo
    name = f"{objective.scope}: {name}" if objective.scope is not None else name
    return BudgetUse(key, name, objective.target, bad, total, spent, status.remaining)


def _deeds(touched: Sequence[Incident], told: Sequence[Decision], acts: Sequence[LedgerEntry]) -> list[Intervention]:
    """One for each incident in which something was written, or would have been; oldest first."""
    by_incident: dict[str, list[Decision]] = defaultdict(list)
    for one in told:
        if one.action_kind is not None and one.verdict in (Verdict.ACT, Verdict.WOULD):
            by_incident[one.incident or one.subject].append(one)
    graded = {one.incident: one.useful for one in acts if one.useful is not None}
    known = {one.id: one for one in touched}
    found = []
    for key, steps in by_incident.items():
        incident = known.get(key)
        would = all(one.verdict is Verdict.WOULD for one in steps)
        helped = None if would else graded.get(key, _HELPED.get(incident.closing) if incident is not None else None)
        found.append(
            Intervention(
                key, steps[0].subject, steps[0].at, tuple(_step(one) for one in steps), would, helped,
                _result(incident, would=would),
            )
        )  # fmt: skip
    return found


def _step(one: Decision) -> str:
    action_kind = one.action_kind or ActionKind.ANNOTATE
    word = actions.of(action_kind).done
    if one.verdict is Verdict.WOULD:
        return word
    if one.outcome is None:
        return f"{word} (no answer yet)"
    return (
        word if one.outcome.result is Result.APPLIED else f"{word} ({one.outcome.result.value}: {one.outcome.reason})"
    )


def _result(incident: Incident | None, *, would: bool) -> str:
    if would:
        return "nothing was written"
    if incident is None:
        return "its incident is no longer known"
    return incident.closing.replace("_", " ") if incident.phase is Phase.CLOSED else f"open: {incident.phase.value}"


def _restraints(touched: Sequence[Incident], told: Sequence[Decision]) -> list[BlockedAction]:
    """Most incidents first."""
    standing = {reason for one in touched if one.phase is not Phase.CLOSED for reason in one.blocked}
    incidents: dict[str, set[str]] = defaultdict(set)
    example: dict[str, tuple[str, str]] = {}
    for one in told:
        for block in one.blocked_by if one.verdict is Verdict.BLOCKED else ():
            incidents[block.reason].add(one.incident or one.subject)
            example[block.reason] = (one.subject, block.detail)
    found = [BlockedAction(key, len(ones), *example[key], key in standing) for key, ones in incidents.items()]
    return sorted(found, key=lambda one: (-one.incidents, one.reason))


def _wishes(
    touched: Sequence[Incident],
    told: Sequence[Decision],
    sights: Sequence[Decision],
    blind: Sequence[Blindness],
    until: float,
) -> Iterable[RequestToPeople]:
    """What waits for a person: approvals, pages that nothing has answered since, refused edits, blindness."""
    open_ = {one.id: one for one in touched if one.phase is not Phase.CLOSED}
    for one in open_.values():
        if APPROVAL in one.blocked:
            yield RequestToPeople(
                "approve", str(one.culprit), one.blocked[APPROVAL], "the policy wants a person's word for the next rung"
            )
    last = {(one.subject, one.kind): one for one in told if one.severity == "page"}
    for paged in last.values():
        over = paged.incident and paged.incident not in open_ and paged.kind != "verified"
        if not over and not paged.reason.startswith(APPROVAL):
            yield RequestToPeople("look", paged.subject, paged.at, paged.text)
    edits = [one for one in sights if one.kind in ("config_rejected", "config_reloaded") and one.at <= until]
    if edits and edits[-1].kind == "config_rejected":
        yield RequestToPeople("repair", edits[-1].subject, edits[-1].at, edits[-1].text)
    for each in blind:
        if each.lasting:
            yield RequestToPeople("repair", "observer", until - each.seconds, f"Observer is blind now: {each.cause}")


def _blindness(sights: Sequence[Decision], since: float, until: float) -> list[Blindness]:
    """Spans without sight by cause, cut to the span in question; longest first."""
    seconds: dict[str, float] = defaultdict(float)
    times: dict[str, int] = defaultdict(int)
    cause, began = "", 0.0
    for one in [*(one for one in sights if one.kind in ("blind", "recovered") and one.at <= until), None]:
        ended = one.at if one is not None else until
        if cause and ended > since:
            seconds[cause] += ended - max(began, since)
            times[cause] += 1
        if one is None:
            break
        cause, began = (_cause(one), one.at) if one.kind == "blind" else ("", 0.0)
    found = [Blindness(key, lasted, times[key], key == cause) for key, lasted in seconds.items()]
    return sorted(found, key=lambda one: (-one.seconds, one.cause))


def _cause(one: Decision) -> str:
    return str(one.figures.get("gaps") or one.reason)
