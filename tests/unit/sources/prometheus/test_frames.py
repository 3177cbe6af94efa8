"""Frames from samples: rows, unknowns, and what is remembered from tick to tick."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from observer.config.settings.sources import Profile
from observer.domain.counts import CounterFrame
from observer.sources.prometheus.frames import FrameBuilder, column_of
from observer.sources.prometheus.parse import Sample, vector
from observer.sources.prometheus.profiles import profile_for

CUTS = (25.0, 250.0)
Row = tuple[str, str, float]


def samples(rows: Iterable[tuple[dict[str, str], float]]) -> list[Sample]:
    result = [{"metric": labels, "value": [1.0, str(value)]} for labels, value in rows]
    return vector(json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode())


def requests(*rows: Row) -> list[Sample]:
    return samples(({"namespace": "shop", "pod": pod, "response_code": code}, value) for pod, code, value in rows)


def buckets(*rows: Row) -> list[Sample]:
    return samples(({"namespace": "shop", "pod": pod, "le": le}, value) for pod, le, value in rows)


def scrapes(**times: float) -> list[Sample]:
    return samples(({"namespace": "shop", "pod": pod, "instance": pod}, value) for pod, value in times.items())


def builder() -> FrameBuilder:
    return FrameBuilder(profile_for(Profile.ISTIO, {}), CUTS)


def of(frame: CounterFrame, pod: str) -> int:
    return frame.pods.index(("shop", pod))


def test_a_pod_has_a_row_whichever_answer_names_it() -> None:
    frame = builder().frame(9.0, requests(("a", "200", 1)), buckets(("b", "+Inf", 2)), scrapes(c=8.0))

    assert sorted(pod for _, pod in frame.pods) == ["a", "b", "c"]
    assert frame.requests[of(frame, "a")].tolist() == [1.0, 0.0, 0.0]
    assert np.isnan(frame.requests[of(frame, "b")]).all()
    assert np.isnan(frame.buckets[of(frame, "a")]).all()
    assert frame.scraped[of(frame, "c")] == 8.0
    assert np.isnan(frame.scraped[of(frame, "a")])
    assert [frame.targets[of(frame, pod)] for pod in "abc"] == [0, 0, 1]


def test_marks_change_when_a_target_is_called_otherwise_and_only_then() -> None:
    def target(**more: str) -> list[Sample]:
        return samples([({"namespace": "shop", "pod": "a", "instance": "a", **more}, 8.0)])

    ours, found = builder(), requests(("a", "200", 1), ("b", "200", 1))
    first = ours.frame(9.0, found, [], target())
    same = ours.frame(10.0, found, [], target())
    renamed = ours.frame(11.0, found, [], target(istio_io_draining="true"))
    both = ours.frame(12.0, found, [], [*target(), *target(istio_io_draining="true")])

    marks = [frame.marks[of(frame, "a")] for frame in (first, same, renamed, both)]
    assert marks[0] == marks[1] > 0
    assert len({marks[0], marks[2], marks[3]}) == 3
    assert first.marks[of(first, "b")] == 0


def test_codes_of_one_class_are_added_and_bounds_nobody_asked_for_left_out() -> None:
    found = requests(("a", "200", 1), ("a", "404", 2), ("a", "500", 4), ("a", "503", 8))
    frame = builder().frame(
        9.0, found, buckets(("a", "25", 1), ("a", "100", 3), ("a", "junk", 7), ("a", "+Inf", 9)), []
    )

    assert frame.requests[0].tolist() == [3.0, 12.0, 0.0]
    assert frame.buckets[0, [0, 2]].tolist() == [1.0, 9.0]
    assert np.isnan(frame.buckets[0, 1])


def test_a_pod_that_went_has_no_row_and_the_others_keep_theirs() -> None:
    ours = builder()
    first = ours.frame(1.0, requests(("a", "200", 1), ("b", "200", 2), ("c", "200", 3)), [], [])
    second = ours.frame(2.0, requests(("c", "200", 4), ("a", "200", 5)), [], [])
    third = ours.frame(3.0, requests(("a", "500", 6), ("c", "200", 4)), [], [])

    assert [pod for _, pod in first.pods] == ["a", "b", "c"]
    assert [pod for _, pod in second.pods] == ["a", "c"]
    assert second.requests[:, 0].tolist() == [5.0, 4.0]
    assert third.pods is second.pods


def test_memory_is_tidied_while_pods_come_and_go() -> None:
    ours = builder()
    for generation in range(40):
        rows = [(f"g{generation}-{i}", "200", float(i)) for i in range(100)]
        frame = ours.frame(float(generation), requests(*rows), [], [])
        assert len(frame.pods) == 100
        assert frame.requests[:, 0].tolist() == [float(i) for i in range(100)]

    assert len(ours._names) < 1400
    assert len(ours._request_cells) < 1400


def test_series_without_a_pod_are_nobodys() -> None:
    nobody = samples(
        [({"namespace": "shop", "response_code": "200"}, 5.0), ({"pod": "a", "response_code": "200"}, 5.0)]
    )

    assert builder().frame(1.0, nobody, [], samples([({"job": "node"}, 4.0)])).pods == ()


def test_bounds_and_columns() -> None:
    assert [column_of(le, CUTS, 1.0) for le in ("25", "25.0", "250", "+Inf", "26", "x", "")] == [
        0,
        0,
        1,
        2,
        None,
        None,
        None,
    ]
    assert column_of("0.025", CUTS, 0.001) == 0


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from(["200", "500", "0"]), st.integers(0, 10**12)),
        unique_by=lambda row: row[:2],
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_an_answer_does_not_matter(rows: list[tuple[str, str, int]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    ours = builder()

    one = ours.frame(1.0, requests(*((a, b, float(c)) for a, b, c in rows)), [], [])
    two = ours.frame(2.0, requests(*((a, b, float(c)) for a, b, c in shuffled)), [], [])

    assert one.pods == two.pods
    assert np.array_equal(one.requests, two.requests)
    assert one.requests.sum() == sum(c for *_, c in rows)
