"""Virtual and wall time."""

from __future__ import annotations

import asyncio

import pytest

from observer.simulator.clock import SimClock


async def test_sleepers_wake_in_the_order_of_their_due_times() -> None:
    clock, woken = SimClock(100.0), list[tuple[str, float]]()

    async def nap(name: str, *spans: float) -> None:
        for seconds in spans:
            await clock.sleep(seconds)
            woken.append((name, clock.now()))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(nap("twice", 2.0, 3.0))
        tasks.create_task(nap("late", 4.0))
        tasks.create_task(nap("soon", 1.0))
        await asyncio.sleep(0)
        await clock.run(10.0)
    assert woken == [("soon", 101.0), ("twice", 102.0), ("late", 104.0), ("twice", 105.0)]
    assert clock.now() == 110.0


async def test_nobody_wakes_before_time_was_moved() -> None:
    clock = SimClock(0.0)
    sleeper = asyncio.ensure_future(clock.sleep(5.0))
    await asyncio.sleep(0)
    clock.advance(4.9)
    await asyncio.sleep(0)
    assert not sleeper.done()
    clock.advance(0.1)
    await sleeper


def test_time_does_not_go_back() -> None:
    clock = SimClock(50.0)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1.0)
    clock.advance_to(40.0)
    assert clock.now() == 50.0


def test_a_wall_clock_can_be_held_in_the_past_and_then_follows_real_time() -> None:
    clock = SimClock(speed=1000.0)
    present = clock.now()
    clock.freeze(present - 600)
    clock.advance(100)
    assert clock.now() == present - 500
    clock.release()
    assert clock.now() >= present
    with pytest.raises(RuntimeError, match="cannot be moved by hand"):
        clock.advance(1.0)


def test_speed_must_be_positive() -> None:
    with pytest.raises(ValueError, match="above 0"):
        SimClock(speed=0.0)


async def test_a_wall_clock_sleeps_in_simulated_seconds() -> None:
    clock = SimClock(speed=1000.0)
    before = clock.now()
    await clock.sleep(5.0)
    assert clock.now() - before >= 5.0
