"""CloudEvents as a receiver gets them, in both modes, and against the published schema."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_binary, from_structured
from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft202012Validator

from observer.app.notifications import recorder
from observer.config.settings.notifications import EventMode
from observer.config.settings.read import parse
from observer.domain import names
from observer.domain.action import ActionKind
from observer.domain.decision import Decision
from observer.domain.errors import SourceUnavailable
from observer.domain.kinds import Kind
from observer.domain.outcome import Result
from observer.exchange.event_schema import decision_schema, event_type, schema
from observer.http_client.client import Endpoint
from observer.http_client.delivery import Receiver
from observer.sinks.cloudevents import CloudEventSink, event, event_id, spelled, subject_of
from observer.telemetry.trace_ids import spelled as hex_trace
from observer.telemetry.trace_ids import trace_id_of
from tests.support.fakes import FakeClock
from tests.support.receivers import AT, ReceivedRequest, acted, receiving, told

SETTINGS = parse(
    "cluster: east\nlinks: {page: 'https://observer.example/i/{incident}', kiali: 'https://k/{workload}?n={namespace}'}"
)
RECORD = recorder(SETTINGS)
EVENT = Draft202012Validator(schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)


def sink(url: str, mode: EventMode = EventMode.STRUCTURED, kinds: tuple[str, ...] = ()) -> CloudEventSink:
    box = Receiver(Endpoint("cloudevents", url=url, timeout=20.0), FakeClock(), Random(1))
    return CloudEventSink(box, source="/observer/east", mode=mode, kinds=kinds, record=RECORD)


async def sent(mode: EventMode, *decisions: Decision) -> list[ReceivedRequest]:
    async with receiving(202) as receiver:
        one = sink(receiver.url, mode)
        for decision in decisions:
            await one.publish(decision)
        await one.close()
    return receiver.got


@pytest.mark.integration
async def test_structured_mode_is_one_json_document() -> None:
    (got,) = await sent(EventMode.STRUCTURED, acted(text="Évincé: 31 % → 1 %"))
    assert got.headers["Content-Type"] == "application/cloudevents+json"
    assert list(EVENT.iter_errors(got.json)) == []
    assert got.json["type"] == "dev.observer.evict.v1"
    assert got.json["source"] == "/observer/east"
    assert got.json["subject"] == "shop/pod/cart-1"
    assert got.json["time"] == "2026-09-21T14:13:20.250000Z"
    assert got.json["data"]["outcome"]["result"] == "applied"
    assert got.json["data"]["links"] == {
        "page": "https://observer.example/i/i1",
        "kiali": "https://k/cart?n=shop",
    }
    trace = hex_trace(trace_id_of("i1"))
    assert got.json["traceparent"].startswith(f"00-{trace}-")
    assert got.json["data"]["trace_id"] == trace
    read = from_structured(HTTPMessage(dict(got.headers), got.body), JSONFormat())
    assert read.get_id() == event_id(acted())


@pytest.mark.integration
async def test_binary_mode_is_headers_and_data() -> None:
    (got,) = await sent(EventMode.BINARY, told(subject='service shop/"é"', pod=None, workload=None, service=None))
    assert got.headers["Content-Type"] == "application/json"
    assert "ce-datacontenttype" not in {name.lower() for name in got.headers}
    assert got.headers["ce-subject"] == "service/shop/%22%C3%A9%22"
    assert list(Draft202012Validator(decision_schema()).iter_errors(got.json)) == []
    read = from_binary(
        HTTPMessage({name.lower(): value for name, value in got.headers.items()}, got.body), JSONFormat()
    )
    assert read.get_type() == "dev.observer.suspected.v1"
    assert read.get_subject() == 'service/shop/"é"'
    assert read.get_time() is not None and read.get_time().timestamp() == AT  # type: ignore[union-attr]


@pytest.mark.integration
async def test_an_event_that_is_sent_again_is_the_same() -> None:
    async with receiving(503, 200) as receiver:
        one = sink(receiver.url)
        await one.publish(told())
        await one.close()
    first, second = receiver.got
    assert first.body == second.body


@pytest.mark.integration
async def test_after_410_nothing_is_sent() -> None:
    async with receiving(410) as receiver:
        one = sink(receiver.url)
        for _ in range(3):
            with pytest.raises(SourceUnavailable):
                await one.publish(told())
        await one.close()
    assert len(receiver.got) == 1


@pytest.mark.integration
async def test_only_the_wanted_kinds_are_sent() -> None:
    async with receiving() as receiver:
        one = sink(receiver.url, kinds=("evict", "page"))
        for decision in (told(), acted(), told("page", severity="page")):
            await one.publish(decision)
        await one.close()
    assert [got.json["data"]["kind"] for got in receiver.got] == ["evict", "page"]


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_type_and_fits_the_schema(kind: str) -> None:
    action_kind = ActionKind(kind) if kind in set(ActionKind) else None
    decision = acted(action_kind, Result.DEFERRED) if action_kind else told(kind, incident="", pod=None)
    body = spelled(event(decision, "/observer/east", RECORD(decision)), EventMode.STRUCTURED).body
    found = ReceivedRequest("POST", "/", {}, body).json
    assert found["type"] == event_type(kind) == f"{names.EVENT_TYPE}.{kind}.v1"
    assert list(EVENT.iter_errors(found)) == []


def test_the_schema_refuses_what_is_no_event_of_ours() -> None:
    good = ReceivedRequest("", "", {}, spelled(event(told(), "/o", RECORD(told())), EventMode.STRUCTURED).body).json
    Draft202012Validator.check_schema(schema())
    changes: list[dict[str, Any]] = [
        {"type": "dev.observer.evict.v1"},
        {"specversion": "0.3"},
        {"id": ""},
        {"data": {}},
    ]
    for change in changes:
        assert list(EVENT.iter_errors(good | change)), change


def test_ids_tell_decisions_instants_and_outcomes_apart() -> None:
    same = [told(), told(text="another sentence")]
    other = [told(id="x"), told(at=AT + 1), acted(id="d-suspected"), acted(result=Result.REFUSED, id="d-suspected")]
    assert len({event_id(one) for one in same}) == 1
    assert len({event_id(one) for one in [*same, *other]}) == 1 + len(other)


def test_subjects() -> None:
    bare: dict[str, Any] = {"pod": None, "workload": None, "service": None}
    assert subject_of(told(pod=None)) == "shop/deployment/cart"
    assert subject_of(told(pod=None, workload=None)) == "shop/service/cart"
    assert subject_of(told(subject="node n1", **bare)) == "node/n1"
    assert subject_of(told(subject="", **bare)) == "observer"


def test_an_event_never_grows_beyond_what_must_be_forwarded() -> None:
    big = told(text="x" * 90_000, figures={str(number): "y" * 1000 for number in range(100)})
    body = spelled(event(big, "/o", RECORD(big)), EventMode.STRUCTURED).body
    assert len(body) < 65_536
    found = ReceivedRequest("", "", {}, body).json
    assert found["data"]["truncated"] is True and "figures" not in found["data"]
    assert list(EVENT.iter_errors(found)) == []
