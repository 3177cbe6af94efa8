"""The parts of the bench keep their promises on a small scale: order and verdict, never time."""

from __future__ import annotations

import pytest

from tests.bench import crashes, evictions, quiet, suspects, webhook


@pytest.mark.integration
def test_acts_survive_crashes_at_any_step() -> None:
    promised, stored = crashes.measure(400, 12, seed=1)

    for found in (promised, stored):
        assert (found.duplicates, found.lost, found.undone) == (0, 0, 0)
        assert found.crashed >= found.points // 2


@pytest.mark.integration
def test_many_suspects_are_all_answered_within_the_budgets() -> None:
    found = suspects.measure(seed=1, services=30)

    assert found.suspects == found.answered == 30
    assert found.acts > 0
    assert found.over_budget == ()


@pytest.mark.integration
def test_the_control_of_the_quiet_part_is_acted_on() -> None:
    found = quiet.control(seed=1, services=40)

    assert found.drained == found.sick
    assert found.evicted > found.sick // 2
    assert found.acts_on_others == 0


@pytest.mark.integration
def test_every_eviction_is_applied() -> None:
    found = evictions.measure(6)

    assert (found.applied, found.asked) == (6, 6)


@pytest.mark.integration
def test_what_the_webhook_acknowledges_survives_a_kill_and_overload_is_told() -> None:
    found = webhook.measure(steady_seconds=1.0, sustained_seconds=1.0, crowd=1500)

    assert found.acknowledged > 0
    assert (found.lost, found.crowd_lost) == (0, 0)
    assert set(found.crowd) == {"202", "503"}
