"""
An action with a target kind of its own, by one action file and one actuator: through policy, guards, budgets, approval,
journal, crash and restart, audit, Event, API and page, none of which was changed for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from observer import actions, actuators
from observer.config.policies.effective import EffectivePolicyCache
from observer.config.policies.load import compile_set
from observer.config.policies.read import Source
from observer.config.settings.read import default
from observer.domain.action import Action, ActionKind
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import ConfigError
from observer.domain.ids import Target
from observer.domain.kinds import Kind, Stage
from observer.domain.outcome import Outcome, Result
from observer.domain.policy import EffectivePolicies
from observer.domain.reasons import Reason
from observer.engine.remediation.approvals import waiting
from observer.engine.remediation.escalation import ledger_entry
from observer.journal.store import SqlJournal
from observer.runtime.evidence import EvidenceStore
from observer.runtime.execute import Executor, with_outcome
from observer.sinks.audit import open_audit, verify
from observer.sinks.kube_events import KubeEventSink
from observer.web.operator import plan_view
from observer.web.views.rows import decision_row
from tests.support.builders import workload
from tests.support.fakes import FakeClock, FakeCluster, FakeLease, FakeSwitch
from tests.support.flush import KIND, SPEC, FlushActuator
from tests.support.people import people_world
from tests.support.stage import Stage as Play

POLICY = """
apiVersion: observer.dev/v1alpha1
kind: HealthPolicy
metadata: {name: caches}
spec:
  selector: {namespaces: {names: [shop]}}
  mode: enforce
  escalation: {actions: [annotate, flush]}
  approvals: [flush]
  guards: {namespace_actions: 1}
"""


@pytest.fixture(autouse=True)
def registered() -> Iterator[FlushActuator]:
    ActionKind.register(KIND.value)
    actions.register(SPEC)
    made = FlushActuator()
    actuators.register(SPEC.kind, lambda _api, _by: made)
    yield made
    actions.unregister(SPEC.kind)
    ActionKind.forget(KIND)


def effective(play: Play, text: str = POLICY) -> EffectivePolicies:
    """What the policy means for the pods of the play; its workload is listed."""
    desired = workload(desired=len(play.pods))
    play.workloads = {desired.ref: desired}
    return EffectivePolicyCache(compile_set([Source("caches.yaml", text, True)], default())).policies(
        play.now(), play.at
    )


def sick() -> Play:
    """The first of four pods fails, under the policy, until its flush waits for approval."""
    play = Play()
    play.policies = effective(play)
    play.faults["catalog-1"] = 0.5
    return play.ticks(8)


def approved(play: Play) -> Decision:
    """The decision to flush, once a person has approved its plan."""
    (plan,) = waiting(play.memory, play.now(), play.settings, play.policies)
    play.picture = {"approvals": {plan.hash: play.at + 60.0}}
    play.ticks(1)
    return next(decision for decision in play.told("flush") if decision.verdict is Verdict.ACT)


def test_a_policy_may_name_it_and_only_while_it_is_registered() -> None:
    play = Play()
    (policy,) = effective(play).applied.values()
    assert policy.escalation.actions == (ActionKind.ANNOTATE, SPEC.kind)
    assert policy.approvals == {SPEC.kind}
    with pytest.raises(ConfigError, match="did you mean flush"):
        effective(play, POLICY.replace("[annotate, flush]", "[annotate, flsh]"))


def test_it_waits_for_approval_and_ends_its_incident() -> None:
    play = sick()
    blocked = play.told("blocked")[-1]
    assert {answer.reason for answer in blocked.blocked_by} == {Reason.APPROVAL_NEEDED}
    (plan,) = waiting(play.memory, play.now(), play.settings, play.policies)
    assert plan.diff == ("~ Cache shop/catalog-1-cache (uid cache-uid-catalog-1)", "- every entry")

    act = approved(play)
    assert act.action is not None and act.action.approval == plan.hash
    assert act.target == act.action.target == plan.target
    assert (act.target.kind.value, act.target.name) == ("cache", "catalog-1-cache")
    assert play.only().closing == Reason.APPLIED


def test_guards_and_budgets_count_it() -> None:
    play = sick()
    approved(play)
    (entry,) = play.memory.ledger
    assert entry.applied and entry.target.kind.value == "cache"

    play.faults["catalog-2"] = 0.5
    play.ticks(10)
    reasons = {answer.reason for answer in play.told("blocked")[-1].blocked_by}
    assert Reason.NAMESPACE_RATE in reasons


async def test_an_unanswered_write_is_looked_up_after_a_crash(tmp_path: Path, registered: FlushActuator) -> None:
    decision = approved(sick())
    action, url = decision.action, f"sqlite+aiosqlite:///{tmp_path / 'observer.db'}"
    assert action is not None
    journal = await SqlJournal.open(url)
    await journal.intend(action, ledger_entry(action, None, decision.at))
    await journal.record(decision)
    await journal.close()
    registered.flushed.append(action.target)  # it had happened when the process died

    journal = await SqlJournal.open(url)
    (found,) = await journal.open_intents()
    assert found == action
    outcome = await executor(journal, tmp_path).look_up(found)
    assert outcome.result is Result.APPLIED and not await journal.open_intents()
    (entry,) = await journal.ledger(0.0)
    assert entry.target == action.target and entry.action_kind is SPEC.kind
    assert (await journal.decisions())[0].target == action.target
    await journal.close()


async def test_it_is_carried_out_by_its_actuator_and_audited(tmp_path: Path, registered: FlushActuator) -> None:
    decision = replace(approved(sick()), at=FakeClock().now())
    assert decision.action is not None
    action = replace(decision.action, term=3, approval="")
    journal = await SqlJournal.open(f"sqlite+aiosqlite:///{tmp_path / 'observer.db'}")
    outcome, _ = await executor(journal, tmp_path).carry_out(replace(decision, action=action), None)
    await journal.close()
    assert outcome.result is Result.APPLIED and registered.flushed == [action.target]

    trail = tmp_path / "audit.jsonl"
    sink = open_audit(trail)
    await sink.publish(with_outcome(decision, outcome))
    await sink.close()
    assert verify(trail).records == 1 and "flush" in trail.read_text()
    assert json.loads(trail.read_text())["decision"]["target"]["kind"] == "cache"


async def test_its_event_is_on_its_target() -> None:
    decision = approved(sick())
    api = Api()
    await KubeEventSink(api, instance="observer-0").publish(  # type: ignore[arg-type]
        with_outcome(decision, Outcome("a", Result.APPLIED, "applied"))
    )
    body = api.sent[0]
    assert (body["reason"], body["action"]) == ("ObserverFlushed", "Flush")
    assert body["regarding"]["kind"] == "Cache" and body["regarding"]["name"] == "catalog-1-cache"
    assert body["related"]["kind"] == "Deployment"


async def test_api_and_page_show_its_plan() -> None:
    async with people_world() as house:
        target = Target(SPEC.target, "shop", "cart-1-cache", "u1")
        plan = actions.plan_of(Action(SPEC.kind, next(iter(house.incidents)), target), seconds=300.0)
        house.keeper.wanted((plan,))
        shown = plan_view(house.desk.plans(plan.incident)[0] or plan)
        assert (shown.action, str(shown.target)) == ("flush", "cache shop/cart-1-cache")
    row = decision_row(approved(sick()))
    assert row.kind == row.action == "flush"
    assert Kind("flush").stages[-2:] == (Stage.ACT, Stage.TELL)


def executor(journal: SqlJournal, folder: Path) -> Executor:
    cluster = FakeCluster()
    return Executor(
        actuators={SPEC.kind: actuators.every(None, by="o")[SPEC.kind]},  # type: ignore[arg-type]
        cluster=cluster,
        journal=journal,
        lease=FakeLease(),
        switch=FakeSwitch(),
        evidence=EvidenceStore(cluster, folder, logs=False, lines=1, max_bytes=1, redact=[]),
        clock=FakeClock(),
        fresh_for=5.0,
    )


class Api:
    """Takes what is sent to the API server."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    async def request(self, _method: str, _path: str, *, body: dict[str, Any], content_type: str = "") -> None:
        self.sent.append(body)
