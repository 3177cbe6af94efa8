"""The only entry of a tick: judge the snapshot, then conclude. Pure; the same input gives the same decisions."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from observer.domain.decision import Decision, LedgerEntry
from observer.domain.ids import ServiceRef
from observer.domain.incident import Incident, Phase
from observer.domain.kinds import Kind
from observer.domain.policy import NO_POLICIES, EffectivePolicies
from observer.domain.reasons import Reason
from observer.domain.settings import EngineSettings
from observer.domain.severities import Severity
from observer.domain.snapshot import Gap, Snapshot
from observer.domain.suspect import Judgement, Suppression
from observer.engine import ledger
from observer.engine.context import REQUIRED_SOURCES, Rules, TickContext
from observer.engine.detect.judge import judge
from observer.engine.detect.state import OpenActions
from observer.engine.detect.tiers import tier_scores
from observer.engine.memory import DRAIN_PHASES, IN_PROGRESS, Memory
from observer.engine.messages import announcements
from observer.engine.messages import decisions as say
from observer.engine.remediation import incidents
from observer.engine.remediation.alerts import attend, services_of
from observer.engine.remediation.attribute import consult
from observer.engine.remediation.decision_log import DecisionLog
from observer.engine.remediation.escalation import choose
from observer.engine.remediation.outcomes import apply_outcome
from observer.engine.remediation.restore import floor_check, recover, restore_orphans
from observer.engine.remediation.steps import step
from observer.engine.slo.impact import weigh

__all__ = ["apply_outcome", "conclude", "decide", "floor_check", "open_actions", "recover"]

SLOW_TICKS: Final = 12
"""Every so many ticks what changes slowly is looked at: healthy peaks, forgotten marks."""


def decide(
    snapshot: Snapshot, memory: Memory, settings: EngineSettings, policies: EffectivePolicies = NO_POLICIES
) -> tuple[Memory, tuple[Decision, ...]]:
    """
    Judge one snapshot and decide.

    ``policies`` holds the effective policy of each workload; where it says nothing the settings do. Detection, the
    budgets of the whole cluster and the breaker are the settings' alone.

    Returns the next memory and the decisions of this tick, each with its evidence; those with verdict ACT carry an
    ``Action``. Whoever carries them out answers each with ``apply_outcome`` before the next call.
    """
    detector, judgement = judge(memory.detector, snapshot, settings, open_actions(memory))
    weighed = weigh(judgement, snapshot, policies)
    rules = Rules(settings, policies, tier_scores(settings))
    return conclude(snapshot, weighed, replace(memory, detector=detector), rules)


def open_actions(memory: Memory) -> OpenActions:
    """What the judges must know of our own acts: whose silence is ours, and whose series may have changed names."""
    standing = memory.open_incidents()
    return OpenActions(
        drained=frozenset(i.culprit.pod for i in standing if i.phase in DRAIN_PHASES and i.culprit.pod is not None),
        label_writes=memory.label_writes,
        cleared=memory.cleared,
        services=frozenset(i.service for i in standing if i.service is not None),
    )


def conclude(
    snapshot: Snapshot, judgement: Judgement, memory: Memory, rules: Rules
) -> tuple[Memory, tuple[Decision, ...]]:
    """
    The next memory and the decisions of one tick after the judges have spoken; those with verdict ACT carry an action
    to be carried out in order.
    """
    why = _blindness(snapshot, judgement, memory)
    retained = replace(memory.pruned(snapshot.at), term=snapshot.control.term)
    log = _publish_visibility(DecisionLog(snapshot.at, rules, retained), (*snapshot.gaps, *judgement.gaps), why)
    if snapshot.cluster is not None:
        context = TickContext.of(snapshot, judgement, snapshot.cluster, rules)
        if not memory.at:
            log = incidents.begin_anew(log)
        log = incidents.stand_still(log) if why else _take_in(log, context)
        if snapshot.control.leader:
            log = _move(log, context, sees=not why)
        if not why:
            log = _publish_frozen(incidents.fade(_choose(log, context), context))
    return _next_memory(log, snapshot, judgement, sees=not why), log.decisions


def _take_in(log: DecisionLog, context: TickContext) -> DecisionLog:
    """Everything that this tick found, brought to the incidents and to people."""
    log = _publish_suppressions(log, context.judgement)
    log = incidents.take_in(log, context)
    log = incidents.unseen(log, context)
    log = incidents.spread(log, context)
    return attend(consult(log, context), context)


def _blindness(snapshot: Snapshot, judgement: Judgement, memory: Memory) -> str:
    """Why nothing may be judged in this tick; empty when it may."""
    if snapshot.cluster is None:
        return "kubernetes:missing"
    if memory.at and snapshot.at <= memory.at:
        return "clock:went_back"
    gaps = sorted({f"{gap.source}:{gap.reason}" for gap in snapshot.gaps if gap.source in REQUIRED_SOURCES})
    if gaps:
        return ", ".join(gaps)
    if judgement.complete:
        return ""
    judged = sorted({f"{gap.source}:{gap.reason}" for gap in judgement.gaps})
    return ", ".join(judged) or "prometheus:incomplete"


def _publish_visibility(log: DecisionLog, gaps: tuple[Gap, ...], why: str) -> DecisionLog:
    """Blindness is told when it begins, when its cause changes, and when it ends."""
    if why:
        required = tuple(gap for gap in gaps if gap.source in REQUIRED_SOURCES)
        reason = why.split(", ", maxsplit=1)[0].replace(":", "_")
        text = announcements.blind(required, why)
        return log.announce("observer", Kind.BLIND, reason, text, figures={"gaps": why})
    if ("observer", "blind") not in log.memory.published:
        return log
    log = log.forget("observer", Kind.BLIND)
    log = log.announce(
        "observer", Kind.RECOVERED, f"recovered_{log.at!r}", announcements.RECOVERED, severity=Severity.INFO
    )
    return log.forget("observer", Kind.RECOVERED)


def _publish_suppressions(log: DecisionLog, judgement: Judgement) -> DecisionLog:
    standing: dict[str, Suppression] = {f"service {entry.service}": entry for entry in judgement.suppressions}
    for subject, suppression in standing.items():
        if 0.0 <= log.at - suppression.since < 0.9 * log.rules.settings.tick:
            continue  # one tick is too little to tell people a name
        kind = Kind.UNREACHED if suppression.reason == Reason.UNREACHED else Kind.SUPPRESSED
        cause = suppression.cause
        figures = {"blamed": str(cause) if cause is not None else None, "since": suppression.since}
        log = log.announce(
            subject, kind, suppression.reason, announcements.suppression(suppression),
            severity=Severity.WARNING, service=suppression.service, figures=figures,
        )  # fmt: skip
    for subject, published in log.announced():
        if published in (Kind.SUPPRESSED, Kind.UNREACHED) and subject not in standing:
            log = log.forget(subject, published)
    return log


def _move(log: DecisionLog, context: TickContext, *, sees: bool) -> DecisionLog:
    """Incidents in progress first: what has to be restored goes before anything else is touched."""
    for incident in log.incidents():
        if incident.phase not in IN_PROGRESS:
            continue
        pending = _pending(log, incident)
        if pending is not None:
            log = _ask_again(log, context, incident, pending)
        else:
            log = step(log, context, log.incident(incident.id), sees=sees)
    return restore_orphans(log, context.cluster) if log.memory.ticks % SLOW_TICKS == 0 else log


def _choose(log: DecisionLog, context: TickContext) -> DecisionLog:
    """Suspected pods, strongest first; the guards see what was planned before in the same tick."""
    order = {culprit: rank for rank, culprit in enumerate(context.by_culprit)}
    suspected = [incident for incident in log.incidents() if incident.phase is Phase.SUSPECTED]
    for incident in sorted(suspected, key=lambda i: (order.get(i.culprit, len(order)), i.opened, i.id)):
        pending = _pending(log, incident)
        if pending is None:
            log = choose(log, context, incident)
        elif context.snapshot.control.leader:
            log = _ask_again(log, context, incident, pending)
    return log


def _pending(log: DecisionLog, incident: Incident) -> LedgerEntry | None:
    """A write of this incident that got no answer."""
    unsettled = (e for e in log.memory.ledger if e.incident == incident.id and not e.settled)
    return next(unsettled, None)


def _ask_again(log: DecisionLog, context: TickContext, incident: Incident, entry: LedgerEntry) -> DecisionLog:
    """The same act under the same id: whoever carries it out finds the open intent and looks it up."""
    ref, kind = incident.culprit.pod, entry.action_kind
    if ref is None:
        return log
    pod = context.cluster.pods.get(ref)
    action = log.action(incident, kind, entry.target, version=pod.resource_version if pod is not None else "")
    if action.id != entry.action_id:
        action = replace(action, dry_run=not action.dry_run)  # the mode is another one since it was sent
    if action.id != entry.action_id:
        return log  # under any other id it would be a new act, and no guard was asked for it
    return log.act(incident, action, Reason.LOOK_UP, say.look_up(incident.culprit.name, kind))


def _publish_frozen(log: DecisionLog) -> DecisionLog:
    """A workload that nobody but a person may touch now is paged once."""
    for workload in sorted({e.workload for e in log.memory.ledger if e.useful is False and e.workload is not None}):
        why = ledger.frozen(log.memory.ledger, workload, log.at, log.policy(workload).guards)
        subject = f"workload {workload.namespace}/{workload.name}"
        if why:
            log = log.announce(
                subject, Kind.FROZEN, Reason.FROZEN, announcements.frozen(workload.name, why), severity=Severity.PAGE
            )
        else:
            log = log.forget(subject, Kind.FROZEN)
    return log


def _next_memory(log: DecisionLog, snapshot: Snapshot, judgement: Judgement, *, sees: bool) -> Memory:
    memory, looked_at = log.memory, services_of(log.memory.looking)
    acting = {i.service for i in log.in_progress() if i.service is not None}
    return replace(
        memory,
        peaks=_peaks(memory, snapshot.at, judgement) if sees and memory.ticks % SLOW_TICKS == 0 else memory.peaks,
        watch=judgement.watch | acting | looked_at,
        recheck=judgement.recheck | looked_at,
        complete=sees,
        last_complete=snapshot.at if sees else memory.last_complete,
        completed=memory.completed + int(sees),
        ticks=memory.ticks + 1,
        at=snapshot.at,
    )


def _peaks(memory: Memory, at: float, judgement: Judgement) -> dict[ServiceRef, tuple[tuple[int, float], ...]]:
    """Highest healthy rates with this tick's; services that were not seen for a day fall out."""
    hour = int(at // 3600)
    peaks = {service: hourly for service, hourly in memory.peaks.items() if hourly and hourly[-1][0] > hour - 24}
    for service, health in judgement.services.items():
        rate = max((health.rates[ref] for ref in health.healthy if ref in health.rates), default=0.0)
        if rate > 0.0:
            peaks[service] = memory.with_peak(service, hour, rate)
    return peaks
