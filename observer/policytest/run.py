"""Runs one test: virtual time, the engine itself, and a cluster that obeys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from observer.actions import plan_of
from observer.config.openslo.templates import expand
from observer.config.policies.effective import EffectivePolicyCache
from observer.config.reload import Rules
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.cluster import ClusterView
from observer.domain.counts import ServiceBaseline
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import ConfigError
from observer.domain.ids import ServiceRef, Target
from observer.domain.outcome import Outcome, Result
from observer.domain.policy import APPROVAL_SECONDS, EffectivePolicies
from observer.domain.slo import Objective, ObjectiveStatus
from observer.domain.snapshot import Control, Snapshot
from observer.engine.decide import apply_outcome, decide
from observer.engine.memory import Memory
from observer.policytest.frames import LostCalls, caller_frame, counter_frame, rechecks
from observer.policytest.objectives import ObjectiveRuns
from observer.policytest.scenario import Scenario, WorkloadFacts, WorkloadKey
from observer.policytest.traffic import Traffic
from observer.policytest.world import World

PEAK: Final = 4.0
_DAY: Final = 86_400.0


@dataclass(slots=True)
class ScenarioRun:
    """
    What happened in a test; instants are seconds since its beginning.

    ``looks`` holds the statuses of every look, ``wanted`` the ids of all objectives that were ever looked at.
    """

    decisions: list[tuple[float, Decision]] = field(default_factory=list)
    looks: list[tuple[float, tuple[ObjectiveStatus, ...]]] = field(default_factory=list)
    wanted: set[str] = field(default_factory=set)


def run(scenario: Scenario, rules: Rules) -> ScenarioRun:
    """
    The course of one test under ``rules``.

    Raises: ConfigError where the test asks for objectives that there are not.
    """
    return _Run(scenario, rules).course()


class _Run:
    def __init__(self, scenario: Scenario, rules: Rules) -> None:
        self._scenario, self._rules = scenario, rules
        self._settings = rules.settings.engine
        self._cuts = rules.settings.prometheus.cuts_ms
        self._world, self._traffic, self._looks = World(scenario), Traffic(scenario), ObjectiveRuns()
        self._cache = EffectivePolicyCache(rules.policies)
        self._memory = Memory()
        self._reached = LostCalls()
        self._approvals: dict[str, float] = {}
        self._asked: list[tuple[float, str, ActionKind]] = [
            (scenario.start + change.at, pod, action) for change in scenario.changes for pod, action in change.approve
        ]
        self._course = ScenarioRun()
        self._looked = 0.0
        by_name = {template.name: template for template in rules.objectives.templates}
        plain = {objective.slo for objective in rules.objectives.plain}
        for name, place in scenario.objectives:
            if name not in by_name and name not in plain:
                raise ConfigError(
                    str(place.fault("objectives", f"{name} is not defined", "no SLO document has this name"))
                )
        self._forced = [by_name[name] for name, _ in scenario.objectives if name in by_name]

    def course(self) -> ScenarioRun:
        scenario = self._scenario
        step = self._settings.tick if scenario.decides else scenario.look
        count = int(scenario.end // step) + 1
        for number in range(count):
            self._tick(number * step)
        return self._course

    def _tick(self, offset: float) -> None:
        world, at = self._world, self._scenario.start + offset
        world.advance(at)
        self._traffic.advance(world)
        view = world.view()
        policies = self._cache.policies(view, at)
        if not offset or offset - self._looked >= self._scenario.look - 1e-6:
            self._looked = offset
            wanted = self._wanted(policies, view)
            self._course.wanted |= {objective.id for objective in wanted}
            self._looks.look(world, self._traffic, wanted)
            self._course.looks.append((offset, self._looks.statuses))
        if not self._scenario.decides:
            return
        self._approve(policies, at)
        snapshot = self._snapshot(view)
        self._memory, decisions = decide(snapshot, self._memory, self._settings, policies)
        self._carry_out(offset, decisions, policies)

    def _wanted(self, policies: EffectivePolicies, view: ClusterView) -> tuple[Objective, ...]:
        found = {objective.id: objective for objective in self._rules.objectives.wanted(policies, view)}
        for template in self._forced:
            for key, facts in self._world.facts.workloads.items():
                found |= {objective.id: objective for objective in expand(template, facts.serves(key))}
        return tuple(found[key] for key in sorted(found))

    def _snapshot(self, view: ClusterView) -> Snapshot:
        world, traffic = self._world, self._traffic
        facts, asked = world.facts, self._memory.watch
        every = caller_frame(world, traffic, frozenset(traffic.calls), self._cuts)
        usual, earlier = self._reached.look(every, suspected=bool(asked | self._memory.recheck))
        return Snapshot(
            at=world.at,
            counters=counter_frame(world, traffic, self._cuts),
            callers=caller_frame(world, traffic, asked, self._cuts) if asked else None,
            cluster=view,
            control=Control(facts.paused, "paused by the test" if facts.paused else "", leader=facts.leader, term=1),
            rechecks=rechecks(world, traffic, sorted(self._memory.recheck), self._cuts),
            baselines=dict(self._baseline(key, one) for key, one in facts.workloads.items()),
            objectives=self._looks.by_service(),
            approvals=self._approvals,
            usual_edges=usual,
            earlier_edges=earlier,
        )

    def _baseline(self, key: WorkloadKey, facts: WorkloadFacts) -> tuple[ServiceRef, ServiceBaseline]:
        service, at = facts.serves(key), self._world.at
        peak = facts.peak_rate if facts.peak_rate is not None else PEAK * self._traffic.busiest(key)
        errors = facts.usual_error_rate
        return service, ServiceBaseline(service, 1e6, 1e6 * errors, errors, peak, at - _DAY, at)

    def _approve(self, policies: EffectivePolicies, at: float) -> None:
        """A person approves the act that waits for it; it must be waiting by then."""
        due = [approval for approval in self._asked if approval[0] <= at]
        self._asked = [approval for approval in self._asked if approval[0] > at]
        for since, name, action in due:
            for incident in self._memory.open_incidents():
                pod = incident.culprit.pod
                if pod is None or pod.name != name:
                    continue
                policy = policies.of(incident.workload, self._settings)
                dry_run = policy.mode is Mode.DRY_RUN
                act = Action(action, incident.id, Target.of(pod), incident.attempts.get(action, 0), dry_run=dry_run)
                plan = plan_of(act, seconds=policy.escalation.drain_seconds)
                self._approvals = {**self._approvals, plan.hash: since + APPROVAL_SECONDS}

    def _carry_out(self, offset: float, decisions: tuple[Decision, ...], policies: EffectivePolicies) -> None:
        for decision in decisions:
            self._course.decisions.append((offset, decision))
            if decision.verdict is not Verdict.ACT or decision.action is None:
                continue
            self._world.obey(decision.action)
            outcome = Outcome(decision.action.id, Result.APPLIED, "applied")
            at = self._world.at
            self._memory, more = apply_outcome(self._memory, decision, outcome, at, self._settings, policies)
            self._course.decisions += [(offset, one) for one in more]
