"""One tick after the judges have spoken: what is told, what is moved, what is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from observer.domain.decision import Decision, LedgerEntry
from observer.domain.ids import ServiceRef
from observer.domain.incident import Incident, Phase
from observer.domain.policy import UNRULED, PolicyBook
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Gap, Snapshot
from observer.domain.suspect import Judgement, Suppression, Tier
from observer.engine import backoff, explain
from observer.engine.alerts import attend, wanted
from observer.engine.choose import choose
from observer.engine.inquest import consult
from observer.engine.ladder import orphans
from observer.engine.memory import IN_HAND, Memory
from observer.engine.sight import Sight
from observer.engine.steps import step
from observer.engine.suspicion import begin_anew, fade, spread, stand_still, take_in, unseen
from observer.engine.turn import Turn

BLINDING = frozenset({"prometheus", "kubernetes", "control"})
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
    book: PolicyBook = UNRULED,
) -> tuple[Memory, tuple[Decision, ...]]:
    """
    The next memory and the decisions of one tick; those with verdict ACT carry an action to be carried out in order.

    ``needs`` are the nats of each tier, for the texts only. ``book`` holds the policy of each workload.
    """
    why = _blindness(snapshot, judgement, memory)
    turn = Turn(snapshot.at, settings, memory.pruned(snapshot.at), dict(needs or {}), book)
    turn.memory = replace(turn.memory, term=snapshot.control.term)
    _tell_sight(turn, (*snapshot.gaps, *judgement.gaps), why)
    if snapshot.cluster is not None:
        sight = Sight.of(snapshot, judgement, snapshot.cluster)
        if not memory.at:
            begin_anew(turn)
        if why:
            stand_still(turn)
        else:
            _tell_suppressions(turn, judgement)
            take_in(turn, sight)
            unseen(turn, sight)
            spread(turn, sight)
            consult(turn, sight)
            attend(turn, sight, snapshot.alerts)
        if snapshot.control.leader:
            _move(turn, sight, sees=not why)
        if not why:
            _choose(turn, sight)
            fade(turn, sight)
            _tell_frozen(turn)
    return _next_memory(turn, snapshot, judgement, sees=not why), tuple(turn.decisions)


def _blindness(snapshot: Snapshot, judgement: Judgement, memory: Memory) -> str:
    """Why nothing may be judged in this tick; empty when it may."""
    if snapshot.cluster is None:
        return "kubernetes:missing"
    if memory.at and snapshot.at <= memory.at:
        return "clock:went_back"
    gaps = sorted({f"{gap.source}:{gap.reason}" for gap in snapshot.gaps if gap.source in BLINDING})
    if gaps:
        return ", ".join(gaps)
    if judgement.complete:
        return ""
    found = sorted({f"{gap.source}:{gap.reason}" for gap in judgement.gaps})
    return ", ".join(found) or "prometheus:incomplete"


def _tell_sight(turn: Turn, gaps: tuple[Gap, ...], why: str) -> None:
    """Blindness is told when it begins, when its cause changes, and when it ends."""
    if why:
        blinding = tuple(gap for gap in gaps if gap.source in BLINDING)
        reason = why.split(", ", maxsplit=1)[0].replace(":", "_")
        detail = {
            "prometheus:incomplete": "fewer than 90 % of the scraped pods have fresh counters",
            "clock:went_back": "the clock went back",
        }.get(why, why)
        turn.announce("observer", "blind", reason, explain.blind(blinding, detail), figures={"gaps": why})
    elif turn.forget("observer", "blind"):
        turn.announce("observer", "sighted", f"sighted_{turn.at!r}", "Observer sees again.", severity="info")
        turn.forget("observer", "sighted")


def _tell_suppressions(turn: Turn, judgement: Judgement) -> None:
    standing: dict[str, Suppression] = {f"service {one.service}": one for one in judgement.suppressions}
    for subject, one in standing.items():
        if 0.0 <= turn.at - one.since < 0.9 * turn.settings.tick:
            continue  # one tick is too little to tell people a name
        kind = "unreached" if one.reason == "unreached" else "suppressed"
        severity = "info" if one.reason in QUIET_SUPPRESSIONS else "warning"
        figures = {"blamed": str(one.blamed) if one.blamed is not None else None, "since": one.since}
        turn.announce(
            subject, kind, one.reason, explain.suppression(one),
            severity=severity, service=one.service, figures=figures,
        )  # fmt: skip
    for subject, kind in turn.announced():
        if kind in ("suppressed", "unreached") and subject not in standing:
            turn.forget(subject, kind)


def _move(turn: Turn, sight: Sight, *, sees: bool) -> None:
    """Incidents in hand first: what has to be given back goes before anything else is touched."""
    for incident in turn.incidents():
        if incident.phase not in IN_HAND:
            continue
        pending = _pending(turn, incident)
        if pending is not None:
            _ask_again(turn, sight, incident, pending)
        else:
            step(turn, sight, turn.incident(incident.id), sees=sees)
    if turn.memory.ticks % SLOW_TICKS == 0:
        orphans(turn, sight.cluster)


def _choose(turn: Turn, sight: Sight) -> None:
    """Suspected pods, strongest first; the brakes see what was planned before in the same tick."""
    order = {culprit: rank for rank, culprit in enumerate(sight.by_culprit)}
    waiting = [incident for incident in turn.incidents() if incident.phase is Phase.SUSPECTED]
    for incident in sorted(waiting, key=lambda one: (order.get(one.culprit, len(order)), one.opened, one.id)):
        pending = _pending(turn, incident)
        if pending is None:
            choose(turn, sight, incident)
        elif sight.snapshot.control.leader:
            _ask_again(turn, sight, incident, pending)


def _pending(turn: Turn, incident: Incident) -> LedgerEntry | None:
    """A write of this incident that got no answer."""
    open_acts = (e for e in turn.memory.ledger if e.incident == incident.id and not e.settled)
    return next(open_acts, None)


def _ask_again(turn: Turn, sight: Sight, incident: Incident, entry: LedgerEntry) -> None:
    """The same act under the same id: whoever carries it out finds the open intent and looks it up."""
    pod, rung = incident.culprit.pod, entry.rung
    if pod is None:
        return
    found = sight.cluster.pods.get(pod)
    action = turn.action(incident, rung, pod, version=found.resource_version if found is not None else "")
    if action.id != entry.action_id:
        action = replace(action, dry_run=not action.dry_run)  # the mode is another one since it was sent
    if action.id != entry.action_id:
        return  # under any other id it would be a new act, and no brake was asked for it
    text = f"It is not known what came of the {rung.value} of {incident.culprit.name}: look it up."
    turn.act(incident, action, "look_up", text)


def _tell_frozen(turn: Turn) -> None:
    """A workload that nobody but a person may touch now is paged once."""
    for workload in {e.workload for e in turn.memory.ledger if e.useful is False and e.workload is not None}:
        why = backoff.frozen(turn.memory.ledger, workload, turn.at, turn.policy(workload).guards)
        subject = f"workload {workload.namespace}/{workload.name}"
        if why:
            text = f"{workload.name} is frozen, Observer touches it no more for a while: {why}."
            turn.announce(subject, "frozen", "frozen", text, severity="page")
        else:
            turn.forget(subject, "frozen")


def _next_memory(turn: Turn, snapshot: Snapshot, judgement: Judgement, *, sees: bool) -> Memory:
    memory = turn.finish()
    held = {i.service for i in turn.in_hand() if i.service is not None}
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
