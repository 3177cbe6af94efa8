"""One tick after the judges have spoken: what is told, what is moved, what is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from observer.domain.decision import Decision, LedgerEntry
from observer.domain.ids import ServiceRef
from observer.domain.incident import Incident, Phase
from observer.domain.policy import NO_POLICIES, EffectivePolicies
from observer.domain.reasons import Reason
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Gap, Snapshot
from observer.domain.suspect import Judgement, Suppression, Tier
from observer.engine import ledger
from observer.engine.context import TickContext
from observer.engine.memory import IN_PROGRESS, Memory
from observer.engine.messages import decisions
from observer.engine.remediation.alerts import attend, wanted
from observer.engine.remediation.attribute import consult
from observer.engine.remediation.decision_log import DecisionLog
from observer.engine.remediation.escalation import choose
from observer.engine.remediation.incidents import begin_anew, fade, spread, stand_still, take_in, unseen
from observer.engine.remediation.restore import restore_orphans
from observer.engine.remediation.steps import step

REQUIRED_SOURCES = frozenset({"prometheus", "kubernetes", "control"})
"""Sources without which a tick cannot be judged. Without ``history`` those brakes hold that need it."""
SLOW_TICKS = 12
"""Every so many ticks what changes slowly is looked at: healthy peaks, forgotten marks."""
QUIET_SUPPRESSIONS = frozenset({"few_reported", "warming_up"})


def conclude(
    snapshot: Snapshot,
    judgement: Judgement,
    memory: Memory,
    settings: EngineSettings,
    needs: Mapping[Tier, float] | None = None,
    policies: EffectivePolicies = NO_POLICIES,
) -> tuple[Memory, tuple[Decision, ...]]:
    """
    The next memory and the decisions of one tick; those with verdict ACT carry an action to be carried out in order.

    ``needs`` are the nats of each tier, for the texts only. ``policies`` holds the policy of each workload.
    """
    why = _blindness(snapshot, judgement, memory)
    log = DecisionLog(snapshot.at, settings, memory.pruned(snapshot.at), dict(needs or {}), policies)
    log.memory = replace(log.memory, term=snapshot.control.term)
    _tell_sight(log, (*snapshot.gaps, *judgement.gaps), why)
    if snapshot.cluster is not None:
        context = TickContext.of(snapshot, judgement, snapshot.cluster)
        if not memory.at:
            begin_anew(log)
        if why:
            stand_still(log)
        else:
            _tell_suppressions(log, judgement)
            take_in(log, context)
            unseen(log, context)
            spread(log, context)
            consult(log, context)
            attend(log, context, snapshot.alerts)
        if snapshot.control.leader:
            _move(log, context, sees=not why)
        if not why:
            _choose(log, context)
            fade(log, context)
            _tell_frozen(log)
    return _next_memory(log, snapshot, judgement, sees=not why), tuple(log.decisions)


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
    found = sorted({f"{gap.source}:{gap.reason}" for gap in judgement.gaps})
    return ", ".join(found) or "prometheus:incomplete"


def _tell_sight(log: DecisionLog, gaps: tuple[Gap, ...], why: str) -> None:
    """Blindness is told when it begins, when its cause changes, and when it ends."""
    if why:
        blinding = tuple(gap for gap in gaps if gap.source in REQUIRED_SOURCES)
        reason = why.split(", ", maxsplit=1)[0].replace(":", "_")
        detail = {
            "prometheus:incomplete": "fewer than 90 % of the scraped pods have fresh counters",
            "clock:went_back": "the clock went back",
        }.get(why, why)
        log.announce("observer", "blind", reason, decisions.blind(blinding, detail), figures={"gaps": why})
    elif log.forget("observer", "blind"):
        log.announce("observer", "recovered", f"sighted_{log.at!r}", "Observer sees again.", severity="info")
        log.forget("observer", "recovered")


def _tell_suppressions(log: DecisionLog, judgement: Judgement) -> None:
    standing: dict[str, Suppression] = {f"service {one.service}": one for one in judgement.suppressions}
    for subject, one in standing.items():
        if 0.0 <= log.at - one.since < 0.9 * log.settings.tick:
            continue  # one tick is too little to tell people a name
        kind = "unreached" if one.reason == Reason.UNREACHED else "suppressed"
        severity = "info" if one.reason in QUIET_SUPPRESSIONS else "warning"
        figures = {"blamed": str(one.blamed) if one.blamed is not None else None, "since": one.since}
        log.announce(
            subject, kind, one.reason, decisions.suppression(one),
            severity=severity, service=one.service, figures=figures,
        )  # fmt: skip
    for subject, kind in log.announced():
        if kind in ("suppressed", "unreached") and subject not in standing:
            log.forget(subject, kind)


def _move(log: DecisionLog, context: TickContext, *, sees: bool) -> None:
    """Incidents in hand first: what has to be given back goes before anything else is touched."""
    for incident in log.incidents():
        if incident.phase not in IN_PROGRESS:
            continue
        pending = _pending(log, incident)
        if pending is not None:
            _ask_again(log, context, incident, pending)
        else:
            step(log, context, log.incident(incident.id), sees=sees)
    if log.memory.ticks % SLOW_TICKS == 0:
        restore_orphans(log, context.cluster)


def _choose(log: DecisionLog, context: TickContext) -> None:
    """Suspected pods, strongest first; the brakes see what was planned before in the same tick."""
    order = {culprit: rank for rank, culprit in enumerate(context.by_culprit)}
    waiting = [incident for incident in log.incidents() if incident.phase is Phase.SUSPECTED]
    for incident in sorted(waiting, key=lambda one: (order.get(one.culprit, len(order)), one.opened, one.id)):
        pending = _pending(log, incident)
        if pending is None:
            choose(log, context, incident)
        elif context.snapshot.control.leader:
            _ask_again(log, context, incident, pending)


def _pending(log: DecisionLog, incident: Incident) -> LedgerEntry | None:
    """A write of this incident that got no answer."""
    open_acts = (e for e in log.memory.ledger if e.incident == incident.id and not e.settled)
    return next(open_acts, None)


def _ask_again(log: DecisionLog, context: TickContext, incident: Incident, entry: LedgerEntry) -> None:
    """The same act under the same id: whoever carries it out finds the open intent and looks it up."""
    pod, action_kind = incident.culprit.pod, entry.action_kind
    if pod is None:
        return
    found = context.cluster.pods.get(pod)
    action = log.action(
        incident, action_kind, entry.target, version=found.resource_version if found is not None else ""
    )
    if action.id != entry.action_id:
        action = replace(action, dry_run=not action.dry_run)  # the mode is another one since it was sent
    if action.id != entry.action_id:
        return  # under any other id it would be a new act, and no brake was asked for it
    text = f"It is not known what came of the {action_kind.value} of {incident.culprit.name}: look it up."
    log.act(incident, action, "look_up", text)


def _tell_frozen(log: DecisionLog) -> None:
    """A workload that nobody but a person may touch now is paged once."""
    for workload in {e.workload for e in log.memory.ledger if e.useful is False and e.workload is not None}:
        why = ledger.frozen(log.memory.ledger, workload, log.at, log.policy(workload).guards)
        subject = f"workload {workload.namespace}/{workload.name}"
        if why:
            text = f"{workload.name} is frozen, Observer touches it no more for a while: {why}."
            log.announce(subject, "frozen", "frozen", text, severity="page")
        else:
            log.forget(subject, "frozen")


def _next_memory(log: DecisionLog, snapshot: Snapshot, judgement: Judgement, *, sees: bool) -> Memory:
    memory = log.finish()
    held = {i.service for i in log.in_progress() if i.service is not None}
    return replace(
        memory,
        peaks=_peaks(memory, snapshot.at, judgement) if sees and memory.ticks % SLOW_TICKS == 0 else memory.peaks,
        watch=judgement.watch | held | wanted(memory.looking),
        recheck=judgement.recheck | wanted(memory.looking),
        complete=sees,
        last_complete=snapshot.at if sees else memory.last_complete,
        completed=memory.completed + int(sees),
        ticks=memory.ticks + 1,
        at=snapshot.at,
    )


def _peaks(memory: Memory, at: float, judgement: Judgement) -> dict[ServiceRef, tuple[tuple[int, float], ...]]:
    """Highest healthy rates with this tick's; services nobody has seen for a day fall out."""
    hour = int(at // 3600)
    peaks = {service: seen for service, seen in memory.peaks.items() if seen and seen[-1][0] > hour - 24}
    for service, health in judgement.services.items():
        rate = max((health.rates[ref] for ref in health.healthy if ref in health.rates), default=0.0)
        if rate > 0.0:
            peaks[service] = memory.with_peak(service, hour, rate)
    return peaks
