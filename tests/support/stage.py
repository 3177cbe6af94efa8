"""A small stage for the deciding half of the engine: faulty pods, callers, a toy detector, an obedient cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from observer.domain import names
from observer.domain.action import Action, ActionKind
from observer.domain.cluster import ClusterView, MeshControl, Pod, Workload
from observer.domain.decision import Decision, Verdict
from observer.domain.ids import PodRef, ServiceRef, WorkloadRef
from observer.domain.incident import Incident, Phase
from observer.domain.outcome import Outcome, Result
from observer.domain.policy import NO_POLICIES, EffectivePolicies
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Gap
from observer.domain.suspect import CallerTally, Evidence, PodTally, Suppression, Suspect, Symptom, Tier
from observer.engine.context import Rules
from observer.engine.decide import conclude
from observer.engine.memory import Memory
from observer.engine.remediation.outcomes import apply_outcome
from observer.engine.remediation.restore import floor_check, recover
from tests.support.builders import (
    CUTS,
    NOW,
    catalog,
    cluster,
    drained,
    enforce,
    health,
    judgement,
    pod,
    snapshot,
    suspect,
)

SCORE_AN_ERROR = 1.2
TIERS = ((20.0, Tier.EVICT), (16.0, Tier.DRAIN), (9.0, Tier.ANNOTATE))
NEEDS = {tier: limit for limit, tier in TIERS}
Answer = Callable[[Action], Outcome]


def applied(action: Action) -> Outcome:
    return Outcome(action.id, Result.APPLIED, "applied")


@dataclass
class Stage:
    """
    One service a Deployment, traffic split evenly over Ready, undrained pods; time moves by ``tick``.

    ``faults`` are error rates by pod name, ``slow`` shares of requests over 250 ms by pod name, ``load`` requests a
    second for every service, ``background`` errors that the callers see wherever they call, ``shown`` the part of the
    pods' errors that they see (they ask again). The toy detector gives
    every error of a pod that is worse than its siblings a fixed number of nats, and tells of a fault that it is
    ``age`` seconds old.
    """

    pods: list[Pod] = field(default_factory=lambda: catalog(4))
    settings: EngineSettings = field(default_factory=enforce)
    load: float = 40.0
    background: float = 0.0
    shown: float = 1.0
    step: float = 5.0
    start_seconds: float = 10.0
    age: float = 20.0
    at: float = NOW
    faults: dict[str, float] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    workloads: dict[WorkloadRef, Workload] = field(default_factory=dict)
    view: dict[str, Any] = field(default_factory=dict)
    picture: dict[str, Any] = field(default_factory=dict)
    suppressions: tuple[Suppression, ...] = ()
    extra: tuple[Suspect, ...] = ()
    complete: bool = True
    gaps: tuple[Gap, ...] = ()
    drain_works: bool = True
    replacement_fault: float = 0.0
    replacement_starts: bool = True
    answer: Answer = applied
    policies: EffectivePolicies = NO_POLICIES
    memory: Memory = field(default_factory=Memory)
    score: dict[PodRef, float] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    acts: list[tuple[float, ActionKind, str]] = field(default_factory=list)
    labelled: dict[str, float] = field(default_factory=dict)
    born: int = 0

    # --- what the world looks like

    def now(self) -> ClusterView:
        options = {"mesh": MeshControl(True, "")} | self.view
        return cluster(self.pods, self.workloads.values(), at=self.at, **options)

    def named(self, name: str) -> Pod:
        return next(pod for pod in self.pods if pod.ref.name == name)

    def change(self, name: str, **changes: Any) -> Pod:
        """Replace fields of one pod."""
        self.pods = [replace(pod, **changes) if pod.ref.name == name else pod for pod in self.pods]
        return self.named(name)

    def remove(self, name: str) -> None:
        self.pods = [pod for pod in self.pods if pod.ref.name != name]

    def takes_traffic(self, pod: Pod) -> bool:
        """What the metrics say of the last bins: a drain shows one tick after the label."""
        lately = self.at - self.labelled.get(pod.ref.name, 0.0) <= self.step
        return pod.ready and not pod.deleting and (not pod.drained or not self.drain_works or lately)

    def open(self) -> tuple[Incident, ...]:
        return self.memory.open_incidents()

    def only(self) -> Incident:
        """The one incident there is, open or closed."""
        assert len(self.memory.incidents) == 1, [i.culprit.name for i in self.memory.incidents.values()]
        return next(iter(self.memory.incidents.values()))

    def kinds(self) -> list[str]:
        return [decision.kind for decision in self.decisions]

    def told(self, kind: str) -> list[Decision]:
        return [decision for decision in self.decisions if decision.kind == kind]

    def hold_reasons(self) -> set[str]:
        return {hold.reason for decision in self.decisions for hold in decision.blocked_by}

    # --- time

    def ticks(self, count: int) -> Self:
        for _ in range(count):
            self.tick()
        return self

    def until(self, phase: Phase, limit: int = 60) -> Self:
        """Tick until the only open incident is in ``phase``."""
        for _ in range(limit):
            self.tick()
            if any(incident.phase is phase for incident in self.memory.incidents.values()):
                return self
        raise AssertionError(f"never {phase}: {[(i.culprit.name, i.phase) for i in self.memory.incidents.values()]}")

    def tick(self) -> tuple[Decision, ...]:
        """Five seconds of traffic, then one decision, carried out."""
        self.at += self.step
        self._start_pods()
        tallies, seen = self._traffic()
        suspects = self._detect(tallies)
        view = self.now()
        found = judgement(
            at=self.at,
            complete=self.complete,
            suspects=(*suspects, *self.extra),
            suppressions=self.suppressions,
            services=health(self.pods, rate=self.load / 4.0, unhealthy=[self._of(suspect) for suspect in suspects]),
            tallies=tallies if self.complete else (),
            seen_by=seen if self.complete else (),
        )
        picture = snapshot(view, at=self.at, gaps=self.gaps, **self.picture)
        self.memory, decisions = conclude(picture, found, self.memory, Rules(self.settings, self.policies, NEEDS))
        self.carry_out(decisions)
        return decisions

    def watch_event(self) -> tuple[Decision, ...]:
        """Something changed in the cluster: the floor is looked at."""
        self.memory, decisions = floor_check(self.now(), self.memory, self.settings, self.at, self.policies)
        self.carry_out(decisions)
        return decisions

    def restart(self) -> tuple[Decision, ...]:
        """The process died and came back: only what the journal keeps is left."""
        self.memory = Memory.restore(self.memory.incidents.values(), self.memory.ledger)
        self.memory, decisions = recover(self.memory, self.now(), self.at, self.settings, self.policies)
        self.carry_out(decisions)
        return decisions

    def carry_out(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            self.decisions.append(decision)
            if decision.verdict is not Verdict.ACT or decision.action is None:
                continue
            outcome = self.answer(decision.action)
            if outcome.result is Result.APPLIED:
                self._obey(decision.action)
            self.memory, more = apply_outcome(self.memory, decision, outcome, self.at, self.settings, self.policies)
            self.decisions.extend(more)

    # --- inside

    def _obey(self, action: Action) -> None:
        if action.dry_run:
            return
        name = action.target.name
        self.acts.append((self.at, action.action_kind, name))
        if action.target.pod is None:
            return
        if action.action_kind is ActionKind.DRAIN:
            self.labelled[name] = self.at
            self.pods = [drained(pod, action.incident) if pod.ref == action.pod else pod for pod in self.pods]
        elif action.action_kind is ActionKind.RESTORE:
            self.give_back(name)
        elif action.action_kind is ActionKind.EVICT:
            old = self.named(name)
            self.remove(name)
            self.born += 1
            app = name.rsplit("-", 1)[0]
            replacement = pod(f"{app}-new{self.born}", app=app, ready=False, created=float(int(self.at)), node=old.node)
            self.pods.append(
                replace(replacement, revision=old.revision, service=old.service, waiting="ContainerCreating")
            )
            self.faults[replacement.ref.name] = self.replacement_fault

    def give_back(self, name: str) -> None:
        """Label and annotation go in one patch."""
        old = self.named(name)
        labels = {key: value for key, value in old.labels.items() if key != names.DRAIN_LABEL}
        notes = {key: value for key, value in old.annotations.items() if key != names.DRAIN_ANNOTATION}
        self.change(name, labels=labels, annotations=notes)

    def _start_pods(self) -> None:
        for born in self.pods:
            starting = not born.ready and born.waiting == "ContainerCreating"
            if starting and self.replacement_starts and self.at - born.created >= self.start_seconds:
                self.change(born.ref.name, ready=True, waiting="", ready_since=self.at)

    def _traffic(self) -> tuple[list[PodTally], list[CallerTally]]:
        tallies: list[PodTally] = []
        seen: list[CallerTally] = []
        services: dict[ServiceRef, list[Pod]] = {}
        for one in self.pods:
            services.setdefault(one.service, []).append(one)
        for service, members in services.items():
            takers = [member for member in members if self.takes_traffic(member)]
            each = self.load * self.step / len(takers) if takers else 0.0
            errors = slow = 0.0
            for one in members:
                requests = each if one in takers else 0.0
                bad, late = requests * self.faults.get(one.ref.name, 0.0), requests * self.slow.get(one.ref.name, 0.0)
                errors, slow = errors + bad, slow + late
                tallies.append(PodTally(one.ref, requests, bad, _by_cut(late)))
            total = each * len(takers)
            seen.append(CallerTally(service, total, self.shown * errors + self.background * total, 0.0, _by_cut(slow)))
        return tallies, seen

    def _detect(self, tallies: list[PodTally]) -> list[Suspect]:
        if not self.complete:
            return []
        found: list[Suspect] = []
        by_ref = {tally.pod: tally for tally in tallies}
        for one in self.pods:
            mine = by_ref[one.ref]
            workload_peers = [
                by_ref[other.ref] for other in self.pods if other.service == one.service and other is not one
            ]
            asked, slow = sum(t.requests for t in workload_peers), self.slow.get(one.ref.name, 0.0) > 0.0
            count = mine.bad_by_cut[3] if slow else mine.errors
            others = sum(t.bad_by_cut[3] if slow else t.errors for t in workload_peers)
            if mine.requests > 0.0 and asked > 0.0:
                worse = count / mine.requests > 2.0 * others / asked
                gain = count * SCORE_AN_ERROR if worse else -mine.requests * 0.05
                self.score[one.ref] = max(0.0, self.score.get(one.ref, 0.0) + min(gain, 6.0))
            score = self.score.get(one.ref, 0.0)
            tier = next((tier for limit, tier in TIERS if score >= limit), Tier.NONE)
            if tier is not Tier.NONE:
                found.append(suspect(one, tier, found=self._evidence(one, mine, asked, score, slow=slow)))
        return sorted(found, key=lambda item: -item.evidence.score)

    def _evidence(self, pod: Pod, mine: PodTally, asked: float, score: float, *, slow: bool) -> Evidence:
        total = mine.requests + asked
        known = next((i for i in self.open() if i.culprit.pod == pod.ref), None)
        rate = self.slow.get(pod.ref.name, 0.0) if slow else self.faults.get(pod.ref.name, 0.0)
        if known is not None and rate == 0.0:
            rate = known.p1
        return Evidence(
            symptom=Symptom.LATENCY if slow else Symptom.ERRORS,
            score=score,
            acting_score=score,
            history_score=None,
            requests=100.0,
            bad=100.0 * rate,
            peer_requests=300.0,
            peer_bad=0.0,
            share=mine.requests / total if total and mine.requests else 0.25,
            bins=5,
            onset=self.at - self.age,
            dispersion=1.0,
            cut=CUTS[3] if slow else None,
            latency_ratio=3.0 if slow else 1.0,
            latency_excess_ms=250.0 if slow else 0.0,
        )

    def _of(self, suspect: Suspect) -> Pod:
        return self.named(suspect.culprit.name)


def _by_cut(late: float) -> tuple[float, ...]:
    """Slow requests take 250 ms to one second."""
    return (late, late, late, late, 0.0, 0.0)
