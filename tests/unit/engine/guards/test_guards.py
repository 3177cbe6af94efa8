"""All guards together: the calm world, the order of the answers, and what every guard says about itself."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest

from observer.domain.action import ActionKind
from observer.domain.decision import Allowed
from observer.domain.reasons import GuardName
from observer.domain.settings import DetectionSettings, EscalationSettings, GuardSettings
from observer.engine.guards import control
from observer.engine.guards.guard import Guard
from observer.engine.guards.order import GUARDS, ask
from tests.support.guard_cases import Case, context_of

ELSEWHERE = {GuardName.POD, GuardName.GROUP}
"""Asked before there is a pod to ask the guards about."""


def named(guard: Guard) -> str:
    return guard.name.value


@pytest.mark.parametrize("guard", GUARDS, ids=named)
@pytest.mark.parametrize("kind", [ActionKind.DRAIN, ActionKind.EVICT])
def test_the_calm_world_is_allowed(guard: Guard, kind: ActionKind) -> None:
    assert guard(replace(context_of(), action_kind=kind)) == Allowed(guard.name)


def test_all_are_asked_and_all_answers_kept() -> None:
    case = Case(control.leader, "", picture={"paused": True, "leader": False, "peak": 0.0}, pod={"deleting": True})
    answers = {answer.reason for answer in ask(context_of(case))}
    assert {"paused", "not_leader", "headroom_unknown", "terminating"} <= answers


def test_each_name_is_a_guard() -> None:
    assert {guard.name for guard in GUARDS} | ELSEWHERE == set(GuardName)
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


@pytest.mark.parametrize("guard", GUARDS, ids=named)
def test_what_a_guard_says_moves_it_exists(guard: Guard) -> None:
    sections = {"guards": GuardSettings, "escalation": EscalationSettings, "detection": DetectionSettings}
    for section, key in re.findall(r"`(guards|escalation|detection)\.(\w+)`", guard.setting + guard.looks_at):
        assert key in {field.name for field in fields(sections[section])}
