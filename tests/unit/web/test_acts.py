"""What a person may do: with the role, with the plan that was shown, and written down with their name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from observer.domain.action import ActionKind
from observer.domain.errors import ActuatorUnavailable
from observer.domain.incident import Phase
from observer.domain.outcome import Outcome, Result
from observer.domain.policy import APPROVAL_SECONDS
from observer.domain.words import unfit
from observer.runtime.operator_actions import PAUSE_PLAN
from tests.support.people import INCIDENT, PeopleWorld, people_world

ONE = f"/api/v1/incidents/{INCIDENT}"
VERA, ARNO, ADA = "vera.of.cluster", "arno.of.cluster", "ada.of.cluster"
OTHER = "0" * 24


@pytest.fixture
async def house() -> AsyncIterator[PeopleWorld]:
    async with people_world() as one:
        yield one


async def plans(house: PeopleWorld) -> dict[str, Any]:
    status, body, _ = await house.ask("GET", f"{ONE}/plans", VERA)
    assert status == 200
    return dict(body)


async def test_a_word_for_the_plan_that_was_shown_counts_for_a_quarter_of_an_hour(house: PeopleWorld) -> None:
    plan = house.waits()
    shown = (await plans(house))["approve"]
    assert (shown["plan"], shown["action"]) == (plan.hash, "evict")
    assert shown["target"] == {"kind": "pod", "namespace": "shop", "name": "cart-1", "uid": plan.target.uid}
    assert any("Eviction API" in line for line in shown["diff"])
    assert [one["plan"] for one in (await house.ask("GET", "/api/v1/approvals", VERA))[1]["plans"]] == [plan.hash]

    status, word, _ = await house.ask("POST", f"{ONE}/approve", ARNO, json={"plan": shown["plan"]})
    assert (status, word["who"], word["by"]) == (201, "arno", "TokenReview")
    assert word["until"] == house.clock.at + APPROVAL_SECONDS
    assert house.keeper.standing(house.clock.at) == {plan.hash: word["until"]}
    (told,) = house.told
    assert (told.kind, told.incident, told.figures["who"], told.figures["plan"]) == (
        "approved", INCIDENT, "arno", plan.hash,
    )  # fmt: skip

    house.clock.at += 60.0
    again, same, _ = await house.ask("POST", f"{ONE}/approve", ARNO, json={"plan": plan.hash})
    assert (again, same["until"], len(house.told)) == (201, word["until"], 1)  # said once, and not made longer
    assert [one["who"] for one in (await plans(house))["approvals"]] == ["arno"]


async def test_a_word_can_be_taken_back_by_another(house: PeopleWorld) -> None:
    plan = house.waits()
    await house.ask("POST", f"{ONE}/approve", ARNO, json={"plan": plan.hash})
    status, body, _ = await house.ask("POST", f"{ONE}/withdraw", ADA, json={"plan": plan.hash})
    assert (status, body["result"], house.keeper.standing(house.clock.at)) == (200, "withdrawn", {})
    status, body, _ = await house.ask("POST", f"{ONE}/withdraw", ADA, json={"plan": plan.hash})
    assert (status, body["reason"]) == (409, "nothing_approved")
    assert [one.kind for one in house.told] == ["approved", "withdrawn"]


async def test_giving_back_needs_the_plan_and_says_what_came_of_it(house: PeopleWorld) -> None:
    undo = (await plans(house))["undo"]
    assert undo["action"] == "restore" and any(line.startswith("- metadata.labels") for line in undo["diff"])
    status, body, _ = await house.ask("POST", f"{ONE}/undo", ARNO, json={"plan": undo["plan"]})
    assert (status, body["result"]) == (200, "applied")
    (act,) = house.actuator.applied
    assert (act.action_kind, act.pod, act.incident, act.dry_run) == (ActionKind.RESTORE, house.pod, INCIDENT, False)
    assert (house.told[0].kind, house.told[0].figures["who"]) == ("undone", "arno")


async def test_pause_and_resume(house: PeopleWorld) -> None:
    switch = (await house.ask("GET", "/api/v1/switch", VERA))[1]
    assert (switch["paused"], switch["pause_plan"]) == (False, PAUSE_PLAN)
    body = {"plan": switch["pause_plan"], "reason": "sale"}
    status, now, _ = await house.ask("POST", "/api/v1/pause", ARNO, json=body)
    assert (status, now["paused"], now["reason"]) == (200, True, "arno: sale")
    status, body, _ = await house.ask("POST", "/api/v1/resume", ARNO, json={"plan": now["resume_plan"]})
    assert (status, body["detail"]) == (403, "arno is no admin")
    status, after, _ = await house.ask("POST", "/api/v1/resume", ADA, json={"plan": now["resume_plan"]})
    assert (status, after["paused"]) == (200, False)
    assert [(one.kind, one.figures["who"]) for one in house.told] == [("paused", "arno"), ("resumed", "ada")]


async def test_nobody_resumes_what_another_paused_meanwhile(house: PeopleWorld) -> None:
    house.switch.answers = [(True, "ann: storm")]
    shown = (await house.ask("GET", "/api/v1/switch", ADA))[1]["resume_plan"]
    house.switch.answers = [(True, "ben: database on fire")]
    status, body, _ = await house.ask("POST", "/api/v1/resume", ADA, json={"plan": shown})
    assert (status, body["reason"]) == (409, "plan_changed") and "database on fire" in body["detail"]
    house.switch.answers = [(False, "")]
    shown = (await house.ask("GET", "/api/v1/switch", ADA))[1]["resume_plan"]
    assert (await house.ask("POST", "/api/v1/resume", ADA, json={"plan": shown}))[1]["reason"] == "not_paused"
    assert house.told == []


async def test_a_pause_between_the_look_and_the_write_of_a_resume_stays(house: PeopleWorld) -> None:
    house.switch.answers = [(True, "ann: storm")]
    shown = (await house.ask("GET", "/api/v1/switch", ADA))[1]["resume_plan"]
    ben = (True, "ben: database on fire")
    house.switch.answers = [(True, "ann: storm"), ben]
    status, body, _ = await house.ask("POST", "/api/v1/resume", ADA, json={"plan": shown})
    assert (status, body["reason"]) == (409, "switch_changed") and ben[1] in body["detail"]
    assert (house.switch.answers, house.told) == ([ben], [])
    house.switch.answers = [(True, "ann: storm"), ben]
    form = {"plan": shown, "csrf": await house.sign_in(ADA), "next": "/"}
    html = house.own_origin() | {"Accept": "text/html"}
    status, page, _ = await house.ask("POST", "/api/v1/resume", data=form, headers=html)
    assert status == 409 and "look again" in page and house.switch.answers == [ben]


async def test_of_two_pauses_of_the_same_instant_the_first_keeps_its_words(house: PeopleWorld) -> None:
    ben = (True, "ben: fire")
    house.switch.answers = [(False, ""), ben]
    asked = {"plan": PAUSE_PLAN, "reason": "sale"}
    status, body, headers = await house.ask("POST", "/api/v1/pause", ARNO, json=asked)
    assert (status, body["reason"], house.told) == (409, "switch_changed", []) and ben[1] in body["detail"]
    assert headers["Content-Type"].startswith("application/problem+json") and house.switch.answers == [ben]


async def test_a_pause_over_a_pause_writes_down_what_it_replaced(house: PeopleWorld) -> None:
    house.switch.answers = [(True, "ben: fire")]
    status, now, _ = await house.ask("POST", "/api/v1/pause", ARNO, json={"plan": PAUSE_PLAN, "reason": "sale"})
    assert (status, now["paused"], now["reason"]) == (200, True, "arno: sale")
    assert house.told[0].text == "arno paused Observer: sale. Before: ben: fire."


async def test_a_pause_stands_against_a_resume_of_the_same_instant(house: PeopleWorld) -> None:
    house.switch.answers = [(True, "ben: fire"), (False, "")]
    status, now, _ = await house.ask("POST", "/api/v1/pause", ARNO, json={"plan": PAUSE_PLAN, "reason": "sale"})
    assert (status, now["paused"], now["reason"]) == (200, True, "arno: sale")


async def test_what_cannot_be_read_is_not_resumed(house: PeopleWorld) -> None:
    house.switch.answers = [(True, "cannot be read: no answer")]
    shown = (await house.ask("GET", "/api/v1/switch", ADA))[1]["resume_plan"]
    status, body, _ = await house.ask("POST", "/api/v1/resume", ADA, json={"plan": shown})
    assert (status, body["reason"], house.told) == (503, "not_known_to_be_done", [])
    assert house.switch.answers == [(True, "cannot be read: no answer")]


@pytest.mark.parametrize(
    "path", [f"{ONE}/approve", f"{ONE}/withdraw", f"{ONE}/undo", "/api/v1/pause", "/api/v1/resume"]
)
async def test_each_act_asks_for_its_role_before_anything_else(house: PeopleWorld, path: str) -> None:
    assert (await house.ask("POST", path, json={"plan": OTHER}))[0] == 401
    status, body, headers = await house.ask("POST", path, VERA, json={"plan": OTHER})
    assert (status, body["reason"]) == (403, "forbidden")
    assert headers["Content-Type"].startswith("application/problem+json")
    assert house.told == [] and house.actuator.applied == []


@pytest.mark.parametrize("act", ["approve", "withdraw", "undo"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"plan": 7}', b'{"plan": "short"}', b"{}", b"\xff"])
async def test_what_is_no_confirmation_is_refused(house: PeopleWorld, act: str, body: bytes) -> None:
    house.waits()
    status, problem, _ = await house.ask("POST", f"{ONE}/{act}", ARNO, data=body)
    assert (status, problem["reason"]) == (422, "not_understood")


@pytest.mark.parametrize("reason", ["sale \x1b[31m", "\x9b31m", "sale\n", "sale\u202e", "x" * 501])
async def test_a_reason_that_steers_or_floods_what_others_read_is_refused(house: PeopleWorld, reason: str) -> None:
    body = {"plan": PAUSE_PLAN, "reason": reason}
    status, problem, _ = await house.ask("POST", "/api/v1/pause", ARNO, json=body)
    assert (status, problem["reason"], problem["detail"]) == (422, "not_understood", unfit("reason", reason))
    csrf = await house.sign_in(ARNO)
    form = body | {"csrf": csrf}
    assert (await house.ask("POST", "/api/v1/pause", data=form, headers=house.own_origin()))[0] == 422
    assert house.switch.answers == [(False, "")] and house.told == []


async def test_a_reason_is_told_in_any_script(house: PeopleWorld) -> None:
    body = {"plan": PAUSE_PLAN, "reason": "Überlast\u00a0ab 9: 停止"}
    assert (await house.ask("POST", "/api/v1/pause", ARNO, json=body))[1]["reason"] == "arno: Überlast\u00a0ab 9: 停止"


async def test_unknown_fields_and_long_reasons_are_refused(house: PeopleWorld) -> None:
    body: dict[str, str] = {"plan": PAUSE_PLAN, "reason": "x" * 501}
    assert (await house.ask("POST", "/api/v1/pause", ARNO, json=body))[0] == 422
    assert (await house.ask("POST", "/api/v1/pause", ARNO, json=body | {"reason": "", "force": "yes"}))[0] == 422
    assert (await house.ask("POST", "/api/v1/pause", ARNO, json=body | {"reason": "a\nb"}))[0] == 422
    assert house.switch.answers == [(False, "")]


@pytest.mark.parametrize(
    ("act", "reason"), [("approve", "plan_changed"), ("undo", "plan_changed"), ("withdraw", "nothing_approved")]
)
async def test_another_plan_than_the_one_shown_is_refused(house: PeopleWorld, act: str, reason: str) -> None:
    house.waits()
    status, body, _ = await house.ask("POST", f"{ONE}/{act}", ARNO, json={"plan": OTHER})
    assert (status, body["reason"], house.told, house.actuator.applied) == (409, reason, [], [])


async def test_nothing_waits_and_nothing_is_there(house: PeopleWorld) -> None:
    status, body, _ = await house.ask("POST", f"{ONE}/approve", ARNO, json={"plan": OTHER})
    assert (status, body["reason"]) == (409, "nothing_waits")
    house.incidents[INCIDENT] = replace(house.incidents[INCIDENT], phase=Phase.EVICTING)
    assert (await plans(house))["undo"] is None
    status, body, _ = await house.ask("POST", f"{ONE}/undo", ARNO, json={"plan": OTHER})
    assert (status, body["reason"]) == (409, "nothing_to_undo")
    status, body, _ = await house.ask("POST", "/api/v1/incidents/abcdef/undo", ARNO, json={"plan": OTHER})
    assert (status, body["reason"]) == (404, "no_such_incident")
    assert (await house.ask("GET", "/api/v1/incidents/abcdef/plans", ARNO))[0] == 404
    assert (await house.ask("GET", "/api/v1/incidents/NO%20ID/plans", ARNO))[0] == 422


async def test_a_replica_that_does_not_lead_takes_no_word(house: PeopleWorld) -> None:
    plan = house.waits()
    house.lease.leads = False
    status, body, _ = await house.ask("POST", f"{ONE}/approve", ARNO, json={"plan": plan.hash})
    assert (status, body["reason"], house.policies.words) == (409, "not_leader", [])


async def test_what_is_not_known_to_be_done_is_said_and_told_to_nobody(house: PeopleWorld) -> None:
    plan, undo = house.waits(), (await plans(house))["undo"]["plan"]
    house.policies.broken = True
    status, body, headers = await house.ask("POST", f"{ONE}/approve", ARNO, json={"plan": plan.hash})
    assert (status, body["reason"], headers["Retry-After"]) == (503, "not_known_to_be_done", "5")
    house.actuator.answer = ActuatorUnavailable("no answer")
    assert (await house.ask("POST", f"{ONE}/undo", ARNO, json={"plan": undo}))[0] == 503
    house.actuator.answer = Outcome("x", Result.SUPERSEDED, "person_took_it", "the label was taken off by hand")
    status, body, _ = await house.ask("POST", f"{ONE}/undo", ARNO, json={"plan": undo})
    assert (status, body["reason"]) == (409, "person_took_it")
    assert house.told == []


async def test_a_form_of_a_browser_goes_on_where_it_came_for(house: PeopleWorld) -> None:
    plan = house.waits()
    csrf = await house.sign_in(ARNO)
    html = house.own_origin() | {"Accept": "text/html"}
    form = {"plan": plan.hash, "csrf": csrf, "next": "/incidents/1"}
    status, _, headers = await house.ask("POST", f"{ONE}/approve", data=form, headers=html)
    assert (status, headers["Location"], house.told[0].figures["who"]) == (303, "/incidents/1", "arno")
    status, page, headers = await house.ask("POST", f"{ONE}/approve", data=form | {"plan": OTHER}, headers=html)
    assert status == 409 and "look again" in page and headers["Content-Type"].startswith("text/html")
    status, page, _ = await house.ask("POST", f"{ONE}/approve", data=form | {"csrf": ""}, headers=html)
    assert status == 403 and len(house.told) == 1
