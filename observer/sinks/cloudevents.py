"""Tells each decision as a CloudEvent 1.0 over HTTP, structured or binary."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec
from cloudevents.core.bindings.http import HTTPMessage, to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from observer.config.settings.notifications import EventMode
from observer.domain import names
from observer.domain.decision import Decision
from observer.exchange.event_schema import event_type
from observer.http_client.delivery import Receiver
from observer.telemetry.trace_ids import traceparent

_LARGEST = 60_000
"""Bytes of a whole event: intermediaries must forward 64 KiB and need not forward more."""
_LONGEST_TEXT = 4000
_FORMAT = JSONFormat()


class CloudEventSink:
    """
    Implements ``ports.actuators.Sink``.

    Args:
        source: of the events, a URI reference. kinds: of decisions that are told; empty = all.
        record: a decision as JSON-like values (``domain.telling``).
    """

    name = "cloudevents"

    def __init__(
        self,
        receiver: Receiver,
        *,
        source: str,
        mode: EventMode,
        kinds: tuple[str, ...],
        record: Callable[[Decision], Mapping[str, object]],
    ) -> None:
        self._receiver, self._source, self._mode = receiver, source, mode
        self._kinds, self._record = frozenset(kinds), record

    async def publish(self, decision: Decision) -> None:
        """Raises ``SourceUnavailable`` when it was not accepted, at once after the receiver said 410."""
        if self._kinds and decision.kind not in self._kinds:
            return
        message = spelled(event(decision, self._source, self._record(decision)), self._mode)
        await self._receiver.deliver(message.body, message.headers)

    async def close(self) -> None:
        await self._receiver.close()


def event(decision: Decision, source: str, record: Mapping[str, object]) -> CloudEvent:
    """The event that tells a decision. It is the same, id included, whenever it is made."""
    attributes: dict[str, object] = {
        "id": event_id(decision),
        "source": source,
        "type": event_type(decision.kind),
        "subject": subject_of(decision),
        "time": datetime.fromtimestamp(decision.at, UTC),
        "datacontenttype": "application/json",
        "dataschema": names.EVENT_SCHEMA,
    }
    if decision.incident:
        attributes["traceparent"] = traceparent(decision.incident)
    return CloudEvent(attributes, _bounded(record))


def spelled(made: CloudEvent, mode: EventMode) -> HTTPMessage:
    """Headers and body."""
    return to_binary(made, _FORMAT) if mode is EventMode.BINARY else to_structured(made, _FORMAT)


def event_id(decision: Decision) -> str:
    """Unique to decision, instant and outcome, and the same when the same is told again."""
    outcome = decision.outcome.result.value if decision.outcome is not None else ""
    return hashlib.sha256(f"{decision.id}|{decision.at!r}|{outcome}".encode()).hexdigest()[:32]


def subject_of(decision: Decision) -> str:
    """``shop/pod/cart-1``, ``shop/deployment/cart``, ``shop/service/cart``, ``node/n1``, or ``observer``."""
    if (pod := decision.pod) is not None:
        return f"{pod.namespace}/pod/{pod.name}"
    if (workload := decision.workload) is not None:
        return f"{workload.namespace}/{workload.kind.lower()}/{workload.name}"
    if (service := decision.service) is not None:
        return f"{service.namespace}/service/{service.name}"
    return decision.subject.replace(" ", "/") or "observer"


def _bounded(record: Mapping[str, object]) -> dict[str, object]:
    """The record, cut to what every intermediary forwards; what was left out is said."""
    bounded = dict(record)
    if len(msgspec.json.encode(bounded)) <= _LARGEST:
        return bounded
    bounded = {name: value for name, value in bounded.items() if name not in {"figures", "blocked_by", "links"}}
    if isinstance(text := bounded.get("text"), str):
        bounded["text"] = text[:_LONGEST_TEXT]
    return bounded | {"truncated": True}
