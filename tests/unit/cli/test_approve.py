"""``observer approve`` against the real routes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from observer.cli import approve as commands
from observer.cli.api_client import ApiClient
from observer.cli.failures import ApiError, DaemonUnreachable
from observer.cli.output import EXIT_BAD_INPUT, EXIT_FINDINGS, EXIT_NOT_FOUND
from observer.web.models.operator import ApprovalView
from observer.web.operator import plan_view
from tests.support.people import INCIDENT, PeopleWorld, people_world


@pytest.fixture
async def house() -> AsyncIterator[PeopleWorld]:
    async with people_world() as one:
        yield one


def door(house: PeopleWorld, token: str = "arno.of.cluster") -> ApiClient:
    return ApiClient(f"http://{house.client.host}:{house.client.port}", token=token)


def never(_: str) -> bool:
    raise AssertionError("nobody is to be asked")


async def test_what_waits_is_listed_with_its_changes(house: PeopleWorld) -> None:
    assert (await commands.list_waiting(door(house)))[2] == "nothing waits for approval"
    plan = house.waits()
    code, body, text = await commands.list_waiting(door(house))
    assert code == 0 and body == {"plans": (plan_view(plan),)}
    assert plan.hash in text and "Eviction API" in text


async def test_who_has_seen_the_plan_approves_it(house: PeopleWorld) -> None:
    plan = house.waits()
    code, body, text = await commands.approve_plan(door(house), INCIDENT, plan.hash, confirm=never)
    assert isinstance(body, ApprovalView)
    assert (code, body.who, text.startswith("approved by arno until ")) == (0, "arno", True)
    assert list(house.keeper.standing(house.clock.at)) == [plan.hash]
    assert (await commands.withdraw_all(door(house), INCIDENT))[::2] == (0, "withdrawn")
    assert house.keeper.standing(house.clock.at) == {}
    assert (await commands.withdraw_all(door(house), INCIDENT))[0] == EXIT_NOT_FOUND


@pytest.mark.parametrize("sure", [True, False])
async def test_who_has_not_is_shown_it_first(house: PeopleWorld, sure: bool) -> None:
    plan, seen = house.waits(), list[str]()

    def asked(shown: str) -> bool:
        seen.append(shown)
        return sure

    code, _, _ = await commands.approve_plan(door(house), INCIDENT, "", confirm=asked)
    assert (code, plan.hash in seen[0]) == (0 if sure else EXIT_FINDINGS, True)
    assert len(house.policies.words) == int(sure)


async def test_another_plan_nothing_waiting_and_no_permission(house: PeopleWorld) -> None:
    assert (await commands.approve_plan(door(house), INCIDENT, "", confirm=never))[0] == EXIT_NOT_FOUND
    plan = house.waits()
    code, _, text = await commands.approve_plan(door(house), INCIDENT, "0" * 24, confirm=never)
    assert code == EXIT_FINDINGS and plan.hash in text
    code, _, text = await commands.approve_plan(door(house, "vera.of.cluster"), INCIDENT, plan.hash, confirm=never)
    assert code == EXIT_BAD_INPUT and "vera is no approver" in text and "--token-file" in text
    house.lease.leads = False
    code, _, text = await commands.approve_plan(door(house), INCIDENT, plan.hash, confirm=never)
    assert code == EXIT_FINDINGS and "does not lead" in text
    assert house.policies.words == []


async def test_a_stranger_and_a_silent_daemon_are_told_what_to_do(house: PeopleWorld) -> None:
    with pytest.raises(ApiError) as caught:
        await commands.list_waiting(door(house, "wrong"))
    assert "--token-file" in caught.value.step
    with pytest.raises(DaemonUnreachable):
        await commands.list_waiting(ApiClient("http://127.0.0.1:1"))


def test_without_a_terminal_nobody_can_be_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert not commands.ask_person("the plan")
    assert "--plan HASH" in capsys.readouterr().err
