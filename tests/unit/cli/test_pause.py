"""``resume`` takes back only the pause that it read; ``pause`` stops, and writes over nobody who stopped just now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from observer.cli import pause as command
from observer.cli.failures import described
from observer.cli.output import EXIT_FINDINGS
from observer.config.settings.read import default
from observer.domain.errors import ActuatorUnavailable, SwitchChanged
from observer.runtime.operator_actions import TRIES
from tests.support.fakes import FakeSwitch

BEN = (True, "ben: database on fire")


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> FakeSwitch:
    found = FakeSwitch()

    @asynccontextmanager
    async def connected(_: object) -> AsyncIterator[None]:
        yield None

    monkeypatch.setattr("observer.cli.pause.connected", connected)
    monkeypatch.setattr("observer.cli.pause.kill_switch", lambda *_: found)
    return found


async def test_a_resume_ends_the_pause_that_it_read(switch: FakeSwitch) -> None:
    switch.answers = [BEN]
    body, _ = await command.throw(default(), paused=False, who="ada", reason="")
    assert (body["paused"], body["before"]) == (False, BEN[1])


async def test_a_pause_that_came_between_stays(switch: FakeSwitch) -> None:
    switch.answers = [(True, "ann: storm"), BEN]
    with pytest.raises(SwitchChanged) as changed:
        await command.throw(default(), paused=False, who="ada", reason="")
    assert switch.answers == [BEN]
    text, code, step = described(changed.value)
    assert BEN[1] in text and code == EXIT_FINDINGS and "observer status" in step


async def test_a_resume_of_what_cannot_be_read_writes_nothing(switch: FakeSwitch) -> None:
    switch.answers = [(True, "cannot be read: no answer")]
    with pytest.raises(ActuatorUnavailable, match="cannot be read"):
        await command.throw(default(), paused=False, who="ada", reason="")
    assert switch.answers == [(True, "cannot be read: no answer")]


@pytest.mark.parametrize("before", [BEN, (True, "cannot be read: no answer")])
async def test_a_pause_is_written_over_what_stood_and_says_what_that_was(
    switch: FakeSwitch, before: tuple[bool, str]
) -> None:
    switch.answers = [before]
    body, text = await command.throw(default(), paused=True, who="ada", reason="sale")
    assert body == {"paused": True, "reason": "ada: sale", "before": before[1]}
    assert text.splitlines() == ["actions are paused: ada: sale", f"before: {before[1]}"]


async def test_of_two_pauses_of_the_same_instant_the_first_keeps_its_words(switch: FakeSwitch) -> None:
    switch.answers = [(False, ""), BEN]
    with pytest.raises(SwitchChanged) as changed:
        await command.throw(default(), paused=True, who="ada", reason="sale")
    assert switch.answers == [BEN] and BEN[1] in described(changed.value)[0]


@pytest.mark.parametrize("meanwhile", [(False, ""), (True, "cannot be read: no answer")])
async def test_a_pause_stands_against_what_is_no_word_for_one(switch: FakeSwitch, meanwhile: tuple[bool, str]) -> None:
    switch.answers = [(True, "ann: storm"), meanwhile]
    body, _ = await command.throw(default(), paused=True, who="ada", reason="sale")
    assert body == {"paused": True, "reason": "ada: sale", "before": meanwhile[1]}


async def test_a_pause_over_a_switch_that_never_rests_ends_with_words(switch: FakeSwitch) -> None:
    switch.answers = [(False, f"change {number}") for number in range(2 * TRIES)]
    with pytest.raises(SwitchChanged, match="somebody else"):
        await command.throw(default(), paused=True, who="ada", reason="sale")
    assert switch.reads == TRIES
