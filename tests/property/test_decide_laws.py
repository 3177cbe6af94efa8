"""Laws of the deciding engine over random histories: budgets, floors, blindness, determinism, all is given back."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from observer.domain import names
from observer.domain.action import Action, ActionKind
from observer.domain.cluster import MeshControl, Node
from observer.domain.decision import Decision, Verdict
from observer.domain.ids import PodRef, WorkloadRef
from observer.domain.outcome import Outcome, Result
from observer.domain.snapshot import Gap
from observer.domain.suspect import Tier
from observer.engine.context import Rules
from observer.engine.decide import conclude
from observer.engine.memory import IN_PROGRESS
from observer.engine.remediation.outcomes import apply_outcome
from tests.support.builders import catalog, health, judgement, pod, snapshot, suspect, workload, workload_ref
from tests.support.stage import Stage

HARM = (ActionKind.DRAIN, ActionKind.EVICT)
APPS = {"catalog": 4, "cart": 3, "pay": 2, "front": 8}
PODS = [f"{app}-{n}" for app, count in APPS.items() for n in range(1, count + 1)]
SLOW = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a seed does not shrink
)


@dataclass
class Watched(Stage):
    """A stage that checks every act against the laws before it obeys, and may lose answers."""

    answers: list[str] = field(default_factory=list)
    truth: dict[str, bool] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    harm: list[tuple[float, PodRef]] = field(default_factory=list)
    blind: bool = False

    def carry_out(self, decisions: tuple[Decision, ...]) -> None:  # type: ignore[override]
        for decision in decisions:
            self.decisions.append(decision)
            if decision.verdict is not Verdict.ACT or decision.action is None:
                continue
            outcome = self._reply(decision.action)
            self.memory, more = apply_outcome(self.memory, decision, outcome, self.at, self.settings)
            self.decisions.extend(more)

    def _reply(self, action: Action) -> Outcome:
        if action.id in self.truth:  # the intent is known: whoever carries it out looks it up and sends nothing
            happened = self.truth.pop(action.id)
            return Outcome(action.id, Result.APPLIED if happened else Result.DEFERRED, "looked_up")
        assert action.id not in self.seen, "the same act twice"
        self.seen.add(action.id)
        if action.action_kind in HARM:
            self._check(action)
        alive = any(one.ref == action.pod for one in self.pods)
        how = self.answers.pop() if self.answers else "applied"
        if not alive:
            return Outcome(action.id, Result.SUPERSEDED, "gone")
        if how in {"applied", "lost_after"}:
            if action.action_kind in HARM:
                self.harm.append((self.at, action.pod))
            self._obey(action)
        if how in {"lost_after", "lost_before"}:
            self.truth[action.id] = how == "lost_after"
            return Outcome(action.id, Result.UNKNOWN, "no_answer")
        results = {"deferred": Result.DEFERRED, "refused": Result.REFUSED}
        return Outcome(action.id, results.get(how, Result.APPLIED), how, retry_after=3.0)

    def _check(self, action: Action) -> None:
        guards = self.settings.guards
        assert self.complete, "no act on missing data"
        assert not self.gaps, "no act on missing data"
        assert not self.picture.get("paused"), "no act while paused"
        assert self.picture.get("leader", True), "no act without the Lease"
        mesh = self.view.get("mesh")
        assert mesh is None or mesh.ready, "no act without istiod"
        lately = [ref for at, ref in self.harm if at > self.at - guards.namespace_window]
        assert len(lately) < guards.namespace_actions, "namespace budget"
        culprit = next(one for one in self.pods if one.ref == action.pod)
        workload_peers = [one for one in self.pods if one.workload == culprit.workload and one.ref != culprit.ref]
        assert not [one for one in workload_peers if one.drained_by_us], "two pods of one workload drained"
        left = sum(1 for one in workload_peers if one.ready and not one.drained and not one.deleting)
        desired = self.workloads[culprit.workload].desired if culprit.workload else 0
        assert left >= max(1, math.ceil(0.5 * desired)), "serving floor"
        desired_everywhere = sum(one.desired for one in self.workloads.values())
        others = {i.culprit.pod for i in self.memory.open_incidents() if i.phase in IN_PROGRESS} - {action.pod}
        assert len(others) < max(1, math.floor(0.1 * desired_everywhere)), "cluster share"


def stage_of(answers: list[str]) -> Watched:
    pods = [one for app, count in APPS.items() for one in catalog(count, app=app)]
    owners: dict[WorkloadRef, object] = {}
    for app, count in APPS.items():
        owners[workload_ref(app)] = workload(app, desired=count)
    return Watched(pods=pods, workloads=owners, answers=list(answers))  # type: ignore[arg-type]


Event = tuple[str, object, object]
History = list[tuple[Event, int]]
CHOICES: dict[str, tuple[int, tuple[object, ...]]] = {
    "fault": (40, (0.0, 0.02, 0.08, 0.3, 0.9)),
    "ready": (6, (True, True, False)),
    "delete": (4, (None,)),
    "take": (4, (None,)),
    "undo": (3, (None,)),
    "blind": (6, (True, False, False)),
    "gap": (4, (True, False, False)),
    "paused": (4, (True, False, False)),
    "leader": (4, (True, True, False)),
    "mesh": (4, (True, True, False, None)),
    "node": (4, (True, False, False)),
    "background": (4, (0.0, 0.05, 0.2)),
    "image": (3, (True, True, False)),
    "heir": (4, (0.0, 0.0, 0.5)),
    "restart": (4, (None,)),
    "watch": (4, (None,)),
}
"""Kind of event to its weight and values."""


def history_of(seed: int) -> History:
    """Thirty random events, each followed by some ticks; a plain list would seldom let a fault live long enough."""
    dice = random.Random(seed)
    kinds = dice.choices(list(CHOICES), [weight for weight, _ in CHOICES.values()], k=30)
    return [((kind, dice.choice(PODS), dice.choice(CHOICES[kind][1])), dice.randint(1, 12)) for kind in kinds]


HISTORIES = st.integers(0, 2**32).map(history_of)
ANSWERS = st.lists(
    st.sampled_from(["applied", "applied", "applied", "deferred", "refused", "lost_after", "lost_before"]), max_size=12
)


def play(stage: Watched, history: History) -> Watched:
    for (what, who, value), ticks in history:
        happen(stage, what, str(who), value)
        stage.ticks(ticks)
    return stage


def happen(stage: Watched, what: str, who: str, value: object) -> None:
    alive = any(one.ref.name == who for one in stage.pods)
    if what == "fault":
        stage.faults[who] = float(str(value))
    elif what == "ready" and alive:
        stage.change(who, ready=bool(value))
        stage.watch_event()
    elif what == "delete" and alive:
        app = who.rsplit("-", 1)[0]
        stage.remove(who)
        stage.born += 1
        stage.pods.append(pod(f"{app}-extra{stage.born}", app=app, created=stage.at))
        stage.watch_event()
    elif what == "take" and alive:
        labels = {k: v for k, v in stage.named(who).labels.items() if k != names.DRAIN_LABEL}
        stage.change(who, labels=labels)
        stage.watch_event()
    elif what == "undo" and alive:
        stage.give_back(who)
        stage.watch_event()
    elif what == "restart":
        stage.restart()
    elif what == "watch":
        stage.watch_event()
    else:
        weather(stage, what, value)


def weather(stage: Watched, what: str, value: object) -> None:
    if what == "blind":
        stage.complete = not value
    elif what == "gap":
        stage.gaps = (Gap("prometheus", "timeout"),) if value else ()
    elif what in {"paused", "leader"}:
        stage.picture = {**stage.picture, what: value}
    elif what == "mesh":
        stage.view = {**stage.view, "mesh": MeshControl(value if isinstance(value, bool) else None, "")}
    elif what == "node":
        stage.view = {**stage.view, "nodes": (Node("node-1", "a", ready=True, draining=bool(value)),)}
        stage.watch_event()
    elif what == "background":
        stage.background = float(str(value))
    elif what == "image":
        stage.replacement_starts = bool(value)
    elif what == "heir":
        stage.replacement_fault = float(str(value))


@SLOW
@given(HISTORIES, ANSWERS)
def test_no_history_breaks_a_budget_a_floor_or_acts_blind(history: History, answers: list[str]) -> None:
    """The checks stand in ``Watched``; afterwards, once all is calm, every pod of ours is given back."""
    stage = play(stage_of(answers), history)
    stage.answers, stage.faults, stage.replacement_fault, stage.background = [], {}, 0.0, 0.0
    stage.complete, stage.gaps, stage.picture, stage.view, stage.replacement_starts = True, (), {}, {}, True
    for one in stage.pods:
        if not one.waiting:
            stage.change(one.ref.name, ready=True)
    stage.restart()
    stage.ticks(150)
    assert [one.ref.name for one in stage.pods if one.drained_by_us] == []
    assert [i.culprit.name for i in stage.open() if i.phase in IN_PROGRESS] == []


@SLOW
@given(HISTORIES, ANSWERS)
def test_same_history_same_decisions(history: History, answers: list[str]) -> None:
    one, other = play(stage_of(answers), history), play(stage_of(answers), history)
    assert one.decisions == other.decisions
    assert len({d.id for d in one.decisions}) == len(one.decisions)


@SLOW
@given(HISTORIES, st.sampled_from(["paused", "leader", "mesh", "complete"]))
def test_muting_only_removes_acts(history: History, mute: str) -> None:
    """From the same memory and picture, a brake that is pulled takes harmful acts away and adds none."""
    stage = play(stage_of([]), [one for one in history if one[0][0] not in {"gap", "blind", "paused", "leader"}])
    stage.faults["catalog-1"] = 0.5
    stage.ticks(4)
    at = stage.at + 5.0
    view = stage.now()
    found = judgement(
        at=at,
        suspects=[suspect(one, Tier.EVICT) for one in stage.pods[:2] if one.ready],
        services=health(stage.pods),
    )
    muted_view = replace(view, mesh=MeshControl(None, "")) if mute == "mesh" else view
    muted = snapshot(muted_view, at=at, paused=mute == "paused", leader=mute != "leader")
    muted_found = replace(found, complete=False) if mute == "complete" else found
    _, free = conclude(snapshot(view, at=at), found, stage.memory, Rules(stage.settings))
    _, held = conclude(muted, muted_found, stage.memory, Rules(stage.settings))
    assert _acts(held) <= _acts(free)
    assert not [action_kind for action_kind, _ in _acts(held) if action_kind in HARM]


@SLOW
@given(HISTORIES)
def test_giving_back_is_possible_at_any_time(history: History) -> None:
    """Whatever stands against acting, a drain that has expired is given back by whoever holds the Lease."""
    stage = play(stage_of([]), history)
    stage.complete, stage.gaps = False, (Gap("prometheus", "unreachable"),)
    stage.view = {"mesh": MeshControl(None, "")}
    stage.picture = {"paused": True, "peak": 0.0}
    stage.at += stage.settings.escalation.drain_seconds
    stage.restart()
    stage.ticks(14)
    assert [one.ref.name for one in stage.pods if one.drained_by_us] == []


def _acts(decisions: tuple[Decision, ...]) -> set[tuple[ActionKind, PodRef]]:
    return {(one.action.action_kind, one.action.pod) for one in decisions if one.action is not None}
