"""Episodes end as they should: who is named, and who is touched. A handful; the bench plays hundreds."""

from __future__ import annotations

import pytest

from observer.domain.action import ActionKind
from tests.bench.attribution import tally
from tests.bench.attribution.episodes import Act, Episode, draw, play
from tests.support.scenarios import FAMILIES, OF_MANY


@pytest.mark.integration
@pytest.mark.parametrize("family", ["pod_errors", "bad_revision", "bad_caller", "namespace_outage", "quiet"])
def test_the_right_one_is_named_and_nobody_else_is_touched(family: str) -> None:
    found = play(family, 20_011, 10)

    assert found.within(1)
    assert all(act.right for act in found.acts)
    assert (found.first(ActionKind.DRAIN) is not None) is (family not in OF_MANY)


@pytest.mark.integration
@pytest.mark.parametrize(("family", "seed"), [("pod_errors", 314159942477), ("slow_pod", 161803485479)])
def test_one_sick_pod_is_not_taken_for_its_node(family: str, seed: int) -> None:
    """A stray error elsewhere on the node, or another cut of the same slow requests, made the node look worse."""
    found = play(family, seed, 10)

    assert found.within(1)
    assert found.first(ActionKind.DRAIN) is not None


@pytest.mark.integration
def test_a_seed_gives_one_episode() -> None:
    assert play("black_hole", 77, 10) == play("black_hole", 77, 10)


def test_every_family_is_drawn_as_often_and_of_both_sizes() -> None:
    chosen = draw(20 * len(FAMILIES), 5)

    assert all(sum(name == family for name, _, _ in chosen) == 20 for family in FAMILIES)
    assert {services for _, _, services in chosen} == {10, 40}
    assert all({size for name, _, size in chosen if name == family} == {10, 40} for family in FAMILIES)
    assert len({seed for _, seed, _ in chosen}) == len(chosen)
    assert not {seed for _, seed, _ in chosen} & {seed for _, seed, _ in draw(340, 6)}


def episode(family: str, named: str, *acts: Act, bound: float | None = None) -> Episode:
    return Episode(family, 1, 10, ("pod a/x",), ((named, 0.9), ("pod a/x", 0.1)), 90.0, 0.0, bound, acts)


def test_scores_count_what_they_say() -> None:
    right, wrong = Act("drain", "a/x", 20.0, True), Act("evict", "a/y", 40.0, False)
    found = {
        one.what: (one.hits, one.cases)
        for one in tally.scores(
            [
                episode("pod_errors", "pod a/x", right, bound=10.0),
                episode("pod_errors", "pod a/y", bound=300.0),
                episode("bad_node", "unknown", wrong),
            ]
        )
    }

    assert found["episodes top-1 of kind and name"] == (1, 3)
    assert found["episodes top-3"] == (3, 3)
    assert found["precision of drains and evictions"] == (1, 2)
    assert found["recall: culprit drained, bound <= 60 s"] == (1, 1)
    assert found["recall: culprit evicted within the episode"] == (0, 1)
    assert found["evictions under shared or no fault"] == (1, 1)
    assert found["episodes with an act on a wrong pod"] == (1, 3)
