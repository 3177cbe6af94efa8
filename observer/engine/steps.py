"""One step of an incident in hand: drain, experiment, readmission, eviction, verification."""

from __future__ import annotations

import math
from dataclasses import replace

from observer.domain.action import Rung
from observer.domain.cluster import Kind, Pod
from observer.domain.incident import Check, Experiment, Incident, Phase
from observer.domain.outcome import DrainVerdict, Verification
from observer.domain.suspect import Tier
from observer.engine import aftermath, explain, verify
from observer.engine import experiment as drain
from observer.engine.choose import attempt, choose, wants_human
from observer.engine.experiment import floor_rate, siblings_worse
from observer.engine.ladder import give_back, look_after
from observer.engine.memory import DRAIN_PHASES, Backdrop
from observer.engine.sight import Sight
from observer.engine.turn import Turn

OVERLOAD_SLACK = 1.25
"""Minute rates of few requests scatter: above the peak by so much, siblings are overloaded and not merely busy."""
BRIEF = 15.0
"""Seconds: a fault that was drained sooner after its onset may have been over by itself, however strong it was."""
EXPECTED_REQUESTS = 3.0
"""Requests that must be missing before "no requests" says anything."""


def step(turn: Turn, sight: Sight, incident: Incident, *, sees: bool) -> None:
    """
    Move one incident in hand.

    ``sees`` is false in a blind tick: then only expiry, the serving floor and what Kubernetes alone tells count.
    """
    if incident.phase in DRAIN_PHASES:
        if look_after(turn, sight.cluster, incident):
            return
        pod = sight.pod(incident)
        if pod is not None:
            _drained(turn, sight, turn.incident(incident.id), pod, sees=sees)
    elif incident.phase is Phase.READMITTED and sees:
        _readmitted(turn, sight, incident)
    elif incident.phase is Phase.EVICTING:
        _evicting(turn, sight, incident, sees=sees)
    elif incident.phase is Phase.VERIFYING and sees:
        _verifying(turn, sight, incident)


def _drained(turn: Turn, sight: Sight, incident: Incident, pod: Pod, *, sees: bool) -> None:
    if sees and (suffering := _siblings_suffer(turn, sight, incident, pod)):
        if suffering == "siblings_worse":
            turn.grade(incident.id, useful=False, verdict=suffering)
        give_back(turn, incident, pod, suffering)
        return
    if incident.phase is Phase.DRAINING and sees:
        incident = _draining(turn, sight, incident, pod)
    elif incident.phase is Phase.EXPERIMENT:
        incident = _experiment(turn, sight, incident, pod, sees=sees)
    if incident.phase is Phase.DRAINED and sees and not incident.giving_back:
        _after_verdict(turn, sight, incident, pod)


def _draining(turn: Turn, sight: Sight, incident: Incident, pod: Pod) -> Incident:
    """Did the traffic leave? Judged on the pod's own requests against its share of the service's."""
    running = incident.experiment
    if running is None:
        return incident
    share, backdrop = _own_share(turn, sight, incident, pod)
    settings = turn.policy(incident).ladder
    if share is None:
        return incident
    if share < settings.effective_share:
        if backdrop.own_expected < EXPECTED_REQUESTS:
            return incident
        return _effective(turn, incident, running, share)
    if turn.at >= drain.effective_deadline(running, backdrop, settings, turn.settings.tick):
        failed = replace(running, verdict=DrainVerdict.NOT_EFFECTIVE)
        incident = _verdict(turn, incident, failed, useful=False)
        give_back(turn, incident, pod, "not_effective")
    return turn.incident(incident.id)


def _own_share(turn: Turn, sight: Sight, incident: Incident, pod: Pod) -> tuple[float | None, Backdrop]:
    """The drained pod's part of its usual requests, over the ticks since it last had traffic; None = unknown."""
    backdrop = _with_scrape(turn, sight, incident, pod)
    tally = sight.tally(pod.ref)
    if tally is None:
        return None, backdrop
    siblings, _, _ = sight.sibling_counts(pod)
    # All of the service's requests land on the siblings now, so its share is taken of the sum.
    share = drain.own_share(tally, siblings + tally.requests, incident.share)
    if share is None:
        return None, backdrop
    expected = incident.share * (siblings + tally.requests)
    if share >= turn.policy(incident).ladder.effective_share:
        kept = replace(backdrop, own_requests=0.0, own_expected=0.0)
    else:
        kept = replace(
            backdrop,
            own_requests=backdrop.own_requests + tally.requests,
            own_expected=backdrop.own_expected + expected,
        )
    return share, turn.put_backdrop(incident, kept)


def _with_scrape(turn: Turn, sight: Sight, incident: Incident, pod: Pod) -> Backdrop:
    backdrop, counters = turn.backdrop(incident), sight.snapshot.counters
    if counters is None or pod.ref.key not in counters.pods:
        return backdrop
    scraped = float(counters.scraped[counters.pods.index(pod.ref.key)])
    if scraped > backdrop.scrapes[1]:
        backdrop = turn.put_backdrop(incident, replace(backdrop, scrapes=(backdrop.scrapes[1], scraped)))
    return backdrop


def _effective(turn: Turn, incident: Incident, running: Experiment, share: float) -> Incident:
    turn.put_backdrop(incident, replace(turn.backdrop(incident), seen=turn.at))
    proven = running.verdict is DrainVerdict.DROPPED  # the first drain showed it; the errors came back with the pod
    started = turn.put(replace(incident, experiment=replace(running, effective=turn.at)))
    changed = turn.phase(started, Phase.DRAINED if proven else Phase.EXPERIMENT)
    turn.tell(
        changed, "drain_effective", "traffic_left",
        explain.drain_effective(changed, share, turn.at - running.started),
        figures={"own_share": round(share, 4)},
    )  # fmt: skip
    return changed


def _experiment(turn: Turn, sight: Sight, incident: Incident, pod: Pod, *, sees: bool) -> Incident:
    """Did the callers' bad requests drop by what the suspicion predicts?"""
    running = incident.experiment
    if running is None:
        return incident
    callers = sight.judgement.callers.get(pod.service) if sees else None
    if callers is not None:
        backdrop = turn.put_backdrop(incident, replace(turn.backdrop(incident), seen=turn.at))
        if turn.at > drain.clean_from(running, backdrop):
            running = drain.observe(running, backdrop, callers)
            incident = turn.put(replace(incident, experiment=running))
    ladder = turn.policy(incident).ladder
    backdrop = turn.backdrop(incident)
    verdict = drain.judge(running, backdrop, turn.at, incident.drain_expires, ladder)
    if verdict is DrainVerdict.PENDING:
        return incident
    decided = replace(running, verdict=verdict)
    if verdict is DrainVerdict.NOT_DROPPED:
        incident = _verdict(turn, incident, decided, useful=False)
        until = turn.at + ladder.acquit_seconds
        turn.memory = replace(turn.memory, acquitted={**turn.memory.acquitted, pod.ref: until})
        give_back(turn, incident, pod, "not_dropped")
        return turn.incident(incident.id)
    useful = verdict is DrainVerdict.DROPPED
    hidden = drain.visible(running, backdrop) < math.log(ladder.experiment_odds)
    return turn.phase(_verdict(turn, incident, decided, useful=useful, hidden=hidden), Phase.DRAINED)


def _verdict(turn: Turn, incident: Incident, decided: Experiment, *, useful: bool, hidden: bool = False) -> Incident:
    """Keep, grade and tell what a drain showed."""
    changed = turn.put(replace(incident, experiment=decided))
    reason = decided.verdict.value.replace(" ", "_")
    turn.grade(incident.id, useful=useful, verdict=reason)
    severity = "info" if useful else "warning"
    turn.tell(
        changed, "drain_verdict", reason, explain.drain_verdict(changed, decided, hidden=hidden),
        severity=severity, figures={"useful": useful},
    )  # fmt: skip
    return changed


def _after_verdict(turn: Turn, sight: Sight, incident: Incident, pod: Pod) -> None:
    """The pod is drained and the experiment has spoken: evict, gather more evidence, or wait for the expiry."""
    if incident.experiment is None or incident.experiment.verdict is not DrainVerdict.DROPPED:
        return
    if Rung.EVICT not in turn.policy(incident).ladder.rungs:
        text = f"{incident.culprit.name} stays drained until the drain expires: evict is not among the allowed rungs."
        turn.tell_once(incident, "waiting", "evict_not_allowed", text)
    elif incident.ceiling >= Tier.EVICT and (incident.tier < Tier.EVICT or _brief(incident)):
        give_back(turn, incident, pod, "readmit")
    elif wants_human(turn, sight, incident):
        minutes = max(0.0, incident.drain_expires - turn.at) / 60.0
        text = f"{incident.culprit.name} is the culprit and is kept drained for a person to look at, {minutes:.0f} min."
        turn.tell_once(incident, "page", "held_for_human", text, severity="page")
    else:
        attempt(turn, sight, incident, Rung.EVICT, "dropped")


def _brief(incident: Incident) -> bool:
    """Drained so soon that nobody can tell a fault from a moment of weakness, and not seen to come back yet."""
    running = incident.experiment
    return running is not None and running.started - incident.onset < BRIEF and not incident.attempts.get(Rung.RESTORE)


def _readmitted(turn: Turn, sight: Sight, incident: Incident) -> None:
    """Given back to see whether the errors return; quiet for long enough means that it ended by itself."""
    pod = sight.pod(incident)
    if pod is None or pod.deleting:
        turn.close(incident, "pod_gone", f"{incident.culprit.name} is gone; nothing was removed by Observer.")
        return
    quiet = turn.at - max(incident.last_evidence, incident.phase_since)
    if turn.at >= incident.readmit_until and quiet >= turn.policy(incident).ladder.readmit_seconds:
        text = f"{incident.culprit.name} serves again without errors: it ended by itself, nobody was removed."
        turn.close(incident, "ended_by_itself", text)
        return
    choose(turn, sight, incident)


def _evicting(turn: Turn, sight: Sight, incident: Incident, *, sees: bool) -> None:
    """Wait until that incarnation leaves and another pod of the workload is Ready."""
    if sees:
        turn.put_backdrop(incident, aftermath.observed(turn.backdrop(incident), incident, sight))
    check, settings, cluster = incident.check, turn.settings, sight.cluster
    if check is None or turn.at - cluster.fresh.get(Kind.PODS, 0.0) > settings.guards.kubernetes_stale:
        return
    workload = cluster.workloads.get(incident.workload) if incident.workload is not None else None
    if check.deadline <= 0.0:
        usual = workload.usual_start if workload is not None else None
        deadline = verify.start_deadline(check.evicted, usual, turn.policy(incident).ladder)
        incident = turn.put(replace(incident, check=replace(check, deadline=deadline)))
        check = incident.check or check
    old = sight.pod(incident)
    heir = verify.replacement(incident, cluster, check.evicted)
    if heir is not None and heir.ready and (old is None or old.deleting):
        ready = turn.put(replace(incident, check=replace(check, replacement=heir.ref, ready=turn.at)))
        changed = turn.phase(ready, Phase.VERIFYING)
        text = explain.replaced(changed, heir.ref.name, turn.at - check.evicted)
        turn.tell(changed, "replaced", "replacement_ready", text)
    elif turn.at > check.deadline:
        _no_replacement(turn, incident, check, heir, old, wanted=workload.desired if workload is not None else 0)


def _no_replacement(
    turn: Turn, incident: Incident, check: Check, heir: Pod | None, old: Pod | None, *, wanted: int
) -> None:
    waited = turn.at - check.evicted
    if old is not None and not old.deleting:
        why = f"{incident.culprit.name} is still there {waited:.0f} s after its eviction was accepted"
        _finish(turn, incident, Verification.UNKNOWN, why)
    elif heir is None and wanted < len(incident.known_pods):
        _finish(turn, incident, Verification.UNKNOWN, "the workload was scaled down, so nobody took its place")
    else:
        state = f" ({heir.waiting})" if heir is not None and heir.waiting else ""
        name = heir.ref.name if heir is not None else "no pod"
        _finish(turn, incident, Verification.WORSE, f"{name} is not Ready{state} {waited:.0f} s after the eviction")


def _verifying(turn: Turn, sight: Sight, incident: Incident) -> None:
    """The same symptom on the replacement, until the verdict or the end of the time."""
    check = incident.check
    if check is None:
        return
    heir = sight.cluster.pods.get(check.replacement) if check.replacement is not None else None
    over = turn.at - check.ready >= turn.policy(incident).ladder.verify_seconds
    backdrop = turn.put_backdrop(incident, aftermath.observed(turn.backdrop(incident), incident, sight))
    if aftermath.side_effect(backdrop, incident, turn.policy(incident).impact) is not None:
        _finish(turn, incident, Verification.WORSE)
        return
    if heir is None or heir.deleting:
        _finish(turn, incident, Verification.UNKNOWN, "the replacement is gone before it could be judged")
        return
    tally = sight.tally(heir.ref)
    if tally is not None:
        check = verify.observe(check, incident, tally, turn.policy(incident).ladder)
        incident = turn.put(replace(incident, check=check))
    if check.verdict is not Verification.PENDING:
        # Good news waits until siblings and callers could be looked at too.
        if (
            over
            or check.verdict is not Verification.FIXED
            or not aftermath.waits(backdrop, incident, turn.policy(incident).impact)
        ):
            _finish(turn, incident, check.verdict)
    elif over and not heir.ready:
        _finish(turn, incident, Verification.WORSE, f"{heir.ref.name} did not stay Ready")
    elif over:
        why = f"{heir.ref.name} had only {check.requests:.0f} requests in {turn.at - check.ready:.0f} s"
        _finish(turn, incident, Verification.UNKNOWN, why)


def _finish(turn: Turn, incident: Incident, verdict: Verification, why: str = "") -> None:
    """Tell, grade and close; a workload that was made worse, itself or its neighbours, is frozen."""
    check = incident.check or Check(turn.at, turn.at)
    backdrop, impact = turn.backdrop(incident), turn.policy(incident).impact
    harmed = aftermath.side_effect(backdrop, incident, impact)
    if harmed is not None:
        verdict, why = Verification.WORSE, str(harmed)
    check = replace(check, verdict=verdict)
    incident = turn.put(replace(incident, check=check))
    text = explain.verified(incident, check, why)
    useful = {Verification.FIXED: True, Verification.UNKNOWN: None}.get(verdict, False)
    if useful is not None:
        turn.grade(incident.id, useful=useful, verdict=verdict.value)
    severity = {Verification.WORSE: "page", Verification.FIXED: "info"}.get(verdict, "warning")
    figures = {"useful": useful, **aftermath.figures(backdrop, incident, impact)}
    turn.tell(incident, "verified", verdict.value, text, severity=severity, figures=figures)
    name, lasted = incident.culprit.name, turn.at - incident.opened
    closing = f"{name}: {verdict.value}, {lasted:.0f} s after it was suspected."
    turn.close(incident, verdict.value.replace("-", "_"), closing)


def _siblings_suffer(turn: Turn, sight: Sight, incident: Incident, pod: Pod) -> str:
    """Siblings that got worse since the drain, or carry more than they ever did, get the pod back in this tick."""
    impact, backdrop = turn.policy(incident).impact, turn.backdrop(incident)
    requests, errors, slow = sight.sibling_counts(pod)
    known = backdrop.sibling_requests
    floor = floor_rate(0.0, incident.requests, incident.share)
    before = backdrop.sibling_errors / known if known >= 100.0 else 0.0
    usual = max(floor, before, incident.p0 if incident.cut < 0 else 0.0)
    if siblings_worse(requests, errors, usual, impact.error_ratio, impact.error_rate):
        return "siblings_worse"
    for cut, count in enumerate(slow):
        if cut == incident.cut:
            share = max(floor, incident.p0)
        elif known >= 100.0 and cut < len(backdrop.sibling_slow):
            share = max(floor, backdrop.sibling_slow[cut] / known)
        else:
            continue
        if siblings_worse(requests, count, share, impact.error_ratio, 0.1):
            return "siblings_worse"
    health = sight.fleet.health(pod.service)
    if health is not None and backdrop.peak > 0.0:
        busiest = max((health.rates.get(mate.ref, 0.0) for mate in sight.siblings(pod)), default=0.0)
        if busiest > OVERLOAD_SLACK * backdrop.peak:
            return "siblings_overloaded"
    return ""
