"""Which decisions become Events, and in which words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from observer.domain.action import Mode
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import SourceUnavailable
from observer.domain.ids import PodRef, ServiceRef, WorkloadRef
from observer.domain.kinds import Kind
from observer.domain.outcome import Outcome, Result
from observer.kube.errors import Status, Unavailable, typed
from observer.sinks.kube_events import KubeEventSink, Subject, event, event_name, event_reason

POD = PodRef("shop", "cart-1", "u1")
WORKLOAD = WorkloadRef("shop", "Deployment", "cart")
DRAIN = Decision(
    "d1", 1_767_225_600.5, Kind.DRAIN, Verdict.ACT, "pod shop/cart-1", "evidence", "30 % of requests fail", pod=POD
)


class Api:
    """Takes what is sent; ``answers`` are raised in turn."""

    def __init__(self, *answers: Exception | None) -> None:
        self.sent: list[tuple[str, str, Any]] = []
        self.answers = list(answers)

    async def request(self, method: str, path: str, *, body: Any, content_type: str = "") -> None:
        self.sent.append((method, path, body))
        if self.answers and (answer := self.answers.pop(0)) is not None:
            raise answer


def sink(api: Api) -> KubeEventSink:
    return KubeEventSink(api, instance="observer-0", uid_of=lambda _: "w1")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "ObserverDrained"),
        ({"verdict": Verdict.WOULD}, "ObserverWouldDrain"),
        ({"verdict": Verdict.BLOCKED}, "ObserverDrainBlocked"),
        ({"mode": Mode.DRY_RUN}, "ObserverDryRunDrain"),
        ({"outcome": Outcome("a", Result.APPLIED, "applied")}, "ObserverDrained"),
        ({"outcome": Outcome("a", Result.DEFERRED, "pdb"), "kind": "evict"}, "ObserverEvictDeferred"),
        ({"outcome": Outcome("a", Result.SUPERSEDED, "gone"), "kind": "restore"}, "ObserverRestoreSuperseded"),
        ({"kind": "verified", "verdict": Verdict.TELL}, "ObserverVerified"),
        ({"kind": "blocked", "verdict": Verdict.BLOCKED}, "ObserverBlocked"),
        ({"kind": "drain_verdict"}, "ObserverDrainJudged"),
    ],
)
def test_the_reason_says_what_happened(changes: dict[str, Any], reason: str) -> None:
    assert event_reason(replace(DRAIN, **changes)) == reason


def test_an_event_is_what_the_api_server_accepts() -> None:
    owner = Subject("Deployment", "shop", "cart", "w1")
    assert event(DRAIN, Subject("Pod", "shop", "cart-1", "u1"), owner, "observer-0") == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "eventTime": "2026-01-01T00:00:00.500000Z",
        "type": "Normal",
        "reason": "ObserverDrained",
        "action": "Drain",
        "note": "30 % of requests fail",
        "reportingController": "observer.dev/observer",
        "reportingInstance": "observer-0",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "cart-1", "uid": "u1"},
        "related": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "cart", "uid": "w1"},
    }


@pytest.mark.parametrize("text", ["x" * 5000, "é" * 1000, "€" * 1000, "𝄞" * 500])
def test_a_note_has_at_most_1024_bytes(text: str) -> None:
    note = event(replace(DRAIN, text=text), Subject("Pod", "shop", "p"), None, "o")["note"]
    assert isinstance(note, str)
    assert 1000 < len(note.encode()) <= 1024
    assert note.endswith("...")


def test_names_are_unique_and_short() -> None:
    subject = Subject("Pod", "shop", "p" * 253)
    name = event_name(DRAIN, subject)
    assert len(name) <= 253
    assert name == event_name(DRAIN, subject)
    others = {
        event_name(replace(DRAIN, at=DRAIN.at + 1), subject),
        event_name(replace(DRAIN, id="d2"), subject),
        event_name(DRAIN, replace(subject, name="q")),
    }
    assert len({name, *others}) == 4


async def test_pod_and_workload_are_told() -> None:
    api = Api()
    await sink(api).publish(replace(DRAIN, workload=WORKLOAD))
    assert [body["regarding"]["kind"] for _, _, body in api.sent] == ["Pod", "Deployment"]
    assert {path for _, path, _ in api.sent} == {"/apis/events.k8s.io/v1/namespaces/shop/events"}


async def test_other_subjects_are_told_where_they_live() -> None:
    api = Api()
    tell = replace(DRAIN, pod=None, kind=Kind.SUPPRESSED, verdict=Verdict.TELL)
    await sink(api).publish(replace(tell, workload=WORKLOAD))
    await sink(api).publish(replace(tell, service=ServiceRef("shop", "cart")))
    await sink(api).publish(replace(tell, subject="node n1"))
    await sink(api).publish(replace(tell, subject="zone a"))
    told = [(body["regarding"]["kind"], path.split("/")[5]) for _, path, body in api.sent]
    assert told == [("Deployment", "shop"), ("Service", "shop"), ("Node", "default")]


async def test_what_is_not_for_events_is_not_told() -> None:
    api = Api()
    await sink(api).publish(replace(DRAIN, kind=Kind.BLIND))
    assert api.sent == []


async def test_repeats_are_counted_on_the_first() -> None:
    api, told = Api(), None
    told = sink(api)
    for second in (0, 300, 600):
        await told.publish(replace(DRAIN, id=f"d{second}", at=DRAIN.at + second))
    (_, _, first), (method, path, second_body), (_, _, third) = api.sent
    assert (method, path) == ("PATCH", f"/apis/events.k8s.io/v1/namespaces/shop/events/{first['metadata']['name']}")
    assert second_body == {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:05:00.500000Z"}}
    assert third["series"]["count"] == 3


async def test_a_series_ends_after_six_quiet_minutes_and_with_another_reason() -> None:
    api = Api()
    told = sink(api)
    await told.publish(DRAIN)
    await told.publish(replace(DRAIN, id="d2", at=DRAIN.at + 361))
    await told.publish(replace(DRAIN, id="d3", at=DRAIN.at + 362, reason="other"))
    assert [method for method, _, _ in api.sent] == ["POST", "POST", "POST"]


async def test_an_event_that_expired_is_made_anew() -> None:
    api = Api(None, typed(Status(code=404)))
    told = sink(api)
    await told.publish(DRAIN)
    await told.publish(replace(DRAIN, id="d2", at=DRAIN.at + 1))
    assert [method for method, _, _ in api.sent] == ["POST", "PATCH", "POST"]


async def test_what_was_told_before_is_no_failure() -> None:
    await sink(Api(typed(Status(code=409)))).publish(DRAIN)


async def test_a_failure_is_raised_after_the_others_were_tried() -> None:
    api = Api(Unavailable("cut"))
    with pytest.raises(SourceUnavailable, match="events"):
        await sink(api).publish(replace(DRAIN, workload=WORKLOAD))
    assert len(api.sent) == 2


async def test_memory_of_series_is_bounded() -> None:
    told = sink(Api())
    for number in range(2100):
        await told.publish(replace(DRAIN, pod=replace(POD, uid=f"u{number}")))
    assert len(told._series) == 2048
