"""The second look: by caller, by flag, at every bucket; it confirms or lowers, and never raises."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer.domain.counts import FloatArray, SeriesHistory
from observer.domain.settings import EngineSettings
from observer.domain.suspect import Symptom, Tier
from observer.engine.detect.recheck import covers, errors_by_caller, recheck_errors, recheck_latency
from tests.support.builders import catalog
from tests.support.judging import Did, Feed, acting, everybody, suspect_of

SETTINGS = EngineSettings().detection
A, B, C = ("shop", "a"), ("shop", "b"), ("shop", "c")
STEPS: FloatArray = np.arange(7, dtype=np.float64)
TIMES: FloatArray = np.multiply(STEPS, 5.0, dtype=np.float64)
NOBODY_COLD = {A: -1e9, B: -1e9}


def grown(pod: tuple[str, str], caller: str, ok: float, bad: float, **flags: float) -> SeriesHistory:
    """So many requests in each step."""
    requests = np.stack([ok * STEPS, bad * STEPS, 0.0 * STEPS], axis=1)
    return SeriesHistory(pod, caller, TIMES, requests, flags={flag: n * STEPS for flag, n in flags.items()})


def timed(pod: tuple[str, str], *below: float, bounds: tuple[float, ...] = (50.0, 100.0, 500.0)) -> SeriesHistory:
    """So many requests in each step at most as slow as each bound, and in all."""
    table = np.array(below)[None, :] * STEPS[:, None]
    return SeriesHistory(pod, "shop/x", TIMES, np.stack([table[:, -1], 0 * STEPS, 0 * STEPS], axis=1), bounds, table)


def error_score(*histories: SeriesHistory) -> float:
    found = recheck_errors(histories, frozenset({A, B}), 5.0).acting_score([A], [1.0], SETTINGS)
    assert found is not None
    return found


def test_one_of_several_callers_adds_at_most_its_cap() -> None:
    alone = error_score(grown(A, "shop/x", 40, 20), grown(B, "shop/x", 60, 0))
    storm = error_score(
        grown(A, "shop/x", 40, 20), grown(B, "shop/x", 60, 0), grown(A, "shop/y", 60, 0), grown(B, "shop/y", 60, 0)
    )

    assert storm == pytest.approx(alone / 2.0, rel=0.1)
    assert storm <= (len(STEPS) - 1) * SETTINGS.caller_cap + 1.0


def test_all_callers_together_add_at_most_the_bin_cap() -> None:
    callers = [f"shop/{name}" for name in "uvwxyz"]
    everywhere = [grown(pod, one, 40, 20 if pod == A else 0) for one in callers for pod in (A, B)]

    assert error_score(*everywhere) <= (len(STEPS) - 1) * SETTINGS.bin_cap + 1.0


def test_who_is_not_in_the_answer_is_not_judged_by_it() -> None:
    found = recheck_errors((grown(B, "shop/x", 40, 0),), frozenset({A, B}), 5.0)

    assert found.acting_score([A], [1.0], SETTINGS) is None
    assert recheck_errors((), frozenset({A}), 5.0).acting_score([A], [1.0], SETTINGS) is None


def test_counters_that_go_back_add_nothing() -> None:
    def history(bad: FloatArray) -> SeriesHistory:
        return SeriesHistory(A, "shop/x", TIMES, np.stack([40.0 * STEPS, bad, 0 * STEPS], axis=1))

    steady = history(np.array([0.0, 0.0, 9.0, 9.0, 9.0, 9.0, 9.0]))
    lying = history(np.array([9.0, 0.0, 9.0, 0.0, 9.0, 0.0, 9.0]))
    quiet = grown(B, "shop/x", 40, 1)

    assert errors_by_caller((steady,), A)[0] == {"shop/x": 9.0}
    assert errors_by_caller((lying,), A)[0] == {"shop/x": 27.0}  # three rises count, three falls do not
    assert error_score(steady, quiet) < error_score(lying, quiet) < error_score(grown(A, "shop/x", 40, 9), quiet)


def test_errors_are_told_by_caller_and_flag() -> None:
    histories = (
        grown(A, "shop/x", 40, 2, **{"-": 2.0}),
        grown(A, "shop/y", 40, 5, UF=4.0, UC=1.0),
        grown(B, "shop/y", 40, 9, UF=9.0),
    )

    callers, flags = errors_by_caller(histories, A)

    assert list(callers.items()) == [("shop/y", 30.0), ("shop/x", 12.0)]
    assert list(flags.items()) == [("UF", 24.0), ("-", 12.0), ("UC", 6.0)]


def test_slowness_is_found_at_a_bound_between_the_ticks_cuts() -> None:
    slow, fast = timed(A, 10, 12, 60), timed(B, 58, 60, 60)
    found = recheck_latency((slow, fast), NOBODY_COLD, 5.0, 50.0)

    assert found is not None
    assert found.cuts == (50.0, 100.0)  # nobody is slower than 500 ms: that bound says nothing
    score = found.acting_score([A], [1.0, 1.0], SETTINGS)
    assert score is not None and score > 20.0
    healthy = found.acting_score([B], [1.0, 1.0], SETTINGS)
    assert healthy is not None and healthy < 1.0


def test_pods_are_compared_by_latency_from_when_they_are_warm() -> None:
    slow, fast = timed(A, 10, 12, 60), timed(B, 58, 60, 60)
    cold = recheck_latency((slow, fast), {A: TIMES[-1], B: -1e9}, 5.0, 50.0)

    assert cold is not None
    score = cold.acting_score([A], [1.0] * len(cold.cuts), SETTINGS)
    assert score == -np.inf


def test_without_buckets_of_everybody_latency_is_unknown() -> None:
    assert recheck_latency((timed(A, 10, 12, 60), grown(B, "shop/x", 60, 0)), NOBODY_COLD, 5.0, 50.0) is None
    other = timed(B, 58, 60, bounds=(77.0,))
    assert recheck_latency((timed(A, 10, 12, 60), other), NOBODY_COLD, 5.0, 50.0) is None
    assert recheck_latency((), NOBODY_COLD, 5.0, 50.0) is None


def test_an_answer_that_lacks_siblings_covers_nothing() -> None:
    there = (grown(A, "shop/x", 1, 0), grown(B, "shop/x", 1, 0))
    gone = SeriesHistory(C, "shop/x", TIMES, np.full((len(TIMES), 3), np.nan))

    assert covers(there, frozenset({A, B}), 0.9)
    assert not covers((*there, gone), frozenset({A, B, C}), 0.9)


GOOD = (50.0, 0.0, 0.0)
SLOW = (50.0, 0.0, 25.0)


def slow_feed(*, recheck: bool = True) -> Feed:
    pods = catalog(4)
    feed = Feed(pods, recheck=recheck)
    for _ in range(20):
        feed.tick(everybody(pods, GOOD))
    for _ in range(8):
        feed.tick(everybody(pods, GOOD, catalog_2=SLOW))
    return feed


def test_a_slow_pod_is_confirmed_by_the_second_look() -> None:
    feed = slow_feed()
    assert feed.judgement is not None

    found = suspect_of(feed.judgement, "catalog-2")
    assert found.evidence.symptom is Symptom.LATENCY
    assert found.evidence.recheck_score is not None
    assert acting(feed.judgement) == {"catalog-2"}


def test_a_slow_pod_is_told_only_while_nobody_looked_again() -> None:
    feed = slow_feed(recheck=False)
    assert feed.judgement is not None

    found = suspect_of(feed.judgement, "catalog-2")
    assert found.evidence.recheck_score is None
    assert (found.tier, found.ceiling, found.ceiling_reason) == (Tier.ANNOTATE, Tier.ANNOTATE, "no_recheck")


def test_a_second_look_without_some_siblings_confirms_nothing() -> None:
    pods = catalog(4)
    feed = Feed(pods)
    for _ in range(5):
        feed.tick(everybody(pods, GOOD))
    for _ in range(6):
        feed.tick(everybody(pods, GOOD, catalog_2=(35.0, 15.0)))
    assert feed.judgement is not None and acting(feed.judgement, Tier.EVICT) == {"catalog-2"}

    whole = feed._again
    feed._again = lambda service: tuple(one for one in whole(service) if one.pod[1] != "catalog-3")  # type: ignore[method-assign]
    judgement = feed.tick(everybody(pods, GOOD, catalog_2=(35.0, 15.0)))

    assert acting(judgement) == set()
    assert suspect_of(judgement, "catalog-2").ceiling_reason == "no_recheck"


def test_what_one_caller_says_is_capped_in_the_verdict_too() -> None:
    pods = catalog(4)
    feed = Feed(pods)
    for _ in range(5):
        feed.tick(everybody(pods, GOOD))
    whole = feed._again

    def by_two(service: object) -> tuple[SeriesHistory, ...]:
        """All errors are one caller's; another calls everybody without any."""
        found = whole(service)  # type: ignore[arg-type]
        return (*found, *(replace(one, caller="shop/other", requests=one.requests * [1, 0, 0]) for one in found))

    feed._again = by_two  # type: ignore[method-assign]
    for _ in range(4):
        feed.tick(everybody(pods, GOOD, catalog_2=(20.0, 30.0)))
    assert feed.judgement is not None

    found = suspect_of(feed.judgement, "catalog-2").evidence
    assert found.recheck_score is not None
    assert found.recheck_score < 4 * SETTINGS.caller_cap + 1.0 < found.acting_score
    assert list(found.callers) == ["shop/caller"]


FEW = settings(max_examples=25, deadline=None)
counts = st.integers(0, 40)
steps_of_one_pod = st.lists(st.tuples(counts, counts), min_size=8, max_size=8)
THREE = [("shop", name) for name in "abc"]


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Did]]:
    """Some ticks of four pods with any counts."""
    names = [pod.ref.name for pod in catalog(4)]
    ticks = draw(st.integers(3, 12))
    return [{name: (float(draw(counts)), float(draw(counts))) for name in names} for _ in range(ticks)]


def _second_look(steps: list[list[tuple[int, int]]]) -> list[SeriesHistory]:
    """One history a pod, growing by ``(ok, bad)`` in each step; slow requests are as many as bad ones."""
    made = []
    for key, one in zip(THREE, steps, strict=True):
        total = np.concatenate([np.zeros((1, 2)), np.cumsum(np.array(one, dtype=np.float64), axis=0)])
        every = total.sum(axis=1)
        requests = np.stack([total[:, 0], total[:, 1], 0.0 * every], axis=1)
        times = np.arange(0.0, 5.0 * len(total), 5.0, dtype=np.float64)
        made.append(SeriesHistory(key, "shop/x", times, requests, (100.0,), np.stack([total[:, 0], every], axis=1)))
    return made


def _again(histories: list[SeriesHistory], key: tuple[str, str]) -> tuple[float | None, float | None]:
    detection = EngineSettings().detection
    errors = recheck_errors(histories, frozenset(THREE), 5.0).acting_score([key], [1.0], detection)
    slow = recheck_latency(histories, dict.fromkeys(THREE, -1e9), 5.0, 50.0)
    return errors, slow.acting_score([key], [1.0] * len(slow.cuts), detection) if slow is not None else None


@FEW
@given(steps=st.lists(steps_of_one_pod, min_size=3, max_size=3), order=st.permutations(range(3)))
def test_the_second_look_does_not_depend_on_the_order_of_the_answer(
    steps: list[list[tuple[int, int]]], order: list[int]
) -> None:
    histories = _second_look(steps)
    assert _again(histories, THREE[0]) == _again([histories[i] for i in order], THREE[0])


@FEW
@given(step=steps_of_one_pod, factor=st.integers(1, 5))
def test_what_hits_all_alike_is_no_evidence_in_the_second_look(step: list[tuple[int, int]], factor: int) -> None:
    alike = [[(ok, bad * factor) for ok, bad in step]] * 3
    for found in _again(_second_look(alike), THREE[1]):
        assert found is not None and found < math.log(len(step) + 1.0)


@FEW
@given(loads=st.lists(st.lists(counts, min_size=8, max_size=8), min_size=3, max_size=3))
def test_without_a_bad_request_the_second_look_has_nothing_to_say(loads: list[list[int]]) -> None:
    for found in _again(_second_look([[(load, 0) for load in one] for one in loads]), THREE[2]):
        assert found == -math.inf
