"""Questions go through the circuit, and however they end it knows."""

from __future__ import annotations

import asyncio

import pytest

from observer.domain.circuit import FAILURES, FIRST_PAUSE, CircuitState
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.http_client.breaker import Breaker
from tests.support.fakes import FakeClock


async def answers() -> int:
    return 7


async def fails() -> int:
    raise SourceUnavailable("nobody there", reason="unreachable")


async def lies() -> int:
    raise SourceProtocolError("no JSON")


async def shut(breaker: Breaker) -> None:
    for _ in range(FAILURES):
        with pytest.raises(SourceUnavailable):
            await breaker.ask(fails)


async def test_an_answer_passes_and_is_remembered() -> None:
    breaker = Breaker(FakeClock(50.0))
    assert await breaker.ask(answers) == 7
    assert breaker.circuit.last_success == 50.0


async def test_an_open_circuit_refuses_for_the_reason_of_the_last_failure() -> None:
    clock = FakeClock(100.0)
    breaker = Breaker(clock)
    await shut(breaker)
    clock.at += 5.0
    with pytest.raises(SourceUnavailable, match=r"left alone for 10 s after 3 failures; the last: nobody") as caught:
        await breaker.ask(answers)
    assert caught.value.reason == "unreachable"


async def test_a_lie_counts_as_a_failure() -> None:
    breaker = Breaker(FakeClock())
    for _ in range(FAILURES):
        with pytest.raises(SourceProtocolError):
            await breaker.ask(lies)
    assert (breaker.circuit.state, breaker.circuit.reason) == (CircuitState.OPEN, "protocol")


async def test_only_one_asks_while_it_is_tried_again() -> None:
    clock = FakeClock(100.0)
    breaker = Breaker(clock)
    await shut(breaker)
    clock.at += FIRST_PAUSE
    gate = asyncio.Event()

    async def slowly() -> int:
        await gate.wait()
        return 8

    async with asyncio.TaskGroup() as group:
        trial = group.create_task(breaker.ask(slowly))
        await asyncio.sleep(0)
        with pytest.raises(SourceUnavailable, match="being tried again"):
            await breaker.ask(answers)
        gate.set()
    assert trial.result() == 8
    assert breaker.circuit.state is CircuitState.CLOSED


async def test_a_question_that_was_given_up_counts_as_late() -> None:
    clock = FakeClock(100.0)
    breaker = Breaker(clock)
    await shut(breaker)
    clock.at += FIRST_PAUSE
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.0):
            await breaker.ask(asyncio.Event().wait)
    assert (breaker.circuit.state, breaker.circuit.reason) == (CircuitState.OPEN, "timeout")
