"""Notes, patches, paths and times."""

from __future__ import annotations

import pytest

from observer.domain import names
from observer.domain.ids import PodRef
from observer.kube import paths
from observer.kube.drain_mark import DrainMark
from observer.kube.patches import draining, restoring
from observer.kube.target import LivePod
from observer.kube.times import micro_time, rfc3339, unix

POD = PodRef("shop", "cart-1", "u1")
MARK = DrainMark("i1", 1_767_225_600.0, "observer-0", 7)
SAME = [
    {"op": "test", "path": "/metadata/uid", "value": "u1"},
    {"op": "test", "path": "/metadata/resourceVersion", "value": "5"},
]


def target(annotations: dict[str, str] | None, *, labelled: bool = True) -> LivePod:
    return LivePod(POD, "5", False, {"app": "x"} if labelled else {}, annotations, labelled)


def test_a_drain_adds_to_the_maps_that_are_there() -> None:
    assert draining(target({"a": "b"}), MARK) == [
        *SAME,
        {"op": "add", "path": "/metadata/labels/istio.io~1draining", "value": "true"},
        {"op": "add", "path": "/metadata/annotations/observer.dev~1drained", "value": MARK.text()},
    ]


def test_a_drain_makes_the_maps_that_are_not() -> None:
    assert draining(target(None, labelled=False), MARK) == [
        *SAME,
        {"op": "add", "path": "/metadata/labels", "value": {names.DRAIN_LABEL: "true"}},
        {"op": "add", "path": "/metadata/annotations", "value": {names.DRAIN_ANNOTATION: MARK.text()}},
    ]


def test_giving_back_takes_both_off_in_one_patch() -> None:
    assert restoring(target({})) == [
        *SAME,
        {"op": "remove", "path": "/metadata/labels/istio.io~1draining"},
        {"op": "remove", "path": "/metadata/annotations/observer.dev~1drained"},
    ]


def test_a_note_says_what_anybody_needs() -> None:
    assert MARK.text() == '{"by": "observer-0", "expires": "2026-01-01T00:00:00Z", "incident": "i1", "term": 7}'
    assert DrainMark.of(MARK.text()) == MARK


@pytest.mark.parametrize(
    "text",
    [
        "",
        "true",
        "[]",
        "{}",
        '{"incident": "i1"}',
        '{"incident": "i1", "expires": "soon", "term": 1}',
        '{"incident": "i1", "expires": 5, "term": 1}',
        '{"incident": "i1", "expires": "2026-01-01T00:00:00", "term": 1}',
        '{"incident": "i1", "expires": "2026-01-01T00:00:00Z", "term": "many"}',
    ],
)
def test_a_spoiled_note_has_expired_and_belongs_to_any_incident(text: str) -> None:
    assert DrainMark.of(text) == DrainMark("", 0.0)


def test_no_name_leaves_its_segment() -> None:
    assert paths.pod("a/../b", "c?d", "eviction") == "/api/v1/namespaces/a%2F..%2Fb/pods/c%3Fd/eviction"
    assert paths.pods() == "/api/v1/pods"
    assert paths.lease("observer", "observer") == "/apis/coordination.k8s.io/v1/namespaces/observer/leases/observer"
    assert paths.event("shop") == "/apis/events.k8s.io/v1/namespaces/shop/events"


def test_times_are_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert micro_time(1_767_225_600.25) == "2026-01-01T00:00:00.250000Z"
        assert rfc3339(1_767_225_600.75) == "2026-01-01T00:00:00Z"
        assert unix("2026-01-01T09:00:00+09:00") == 1_767_225_600.0
    finally:
        monkeypatch.undo()
        time.tzset()
    with pytest.raises(ValueError, match="no time zone"):
        unix("2026-01-01T00:00:00")
