"""Real receivers on the loopback interface: they write down what they got and answer as they were told to."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from observer.domain.action import Action, ActionKind, Mode
from observer.domain.decision import Blocked, Decision, Verdict
from observer.domain.ids import PodRef, ServiceRef, Target, WorkloadRef
from observer.domain.kinds import Kind
from observer.domain.outcome import Outcome, Result
from observer.domain.reasons import GuardName, Reason
from observer.domain.severities import Severity

POD = PodRef("shop", "cart-1", "u1")
AT = 1_790_000_000.25


def told(kind: str = "suspected", **changes: Any) -> Decision:
    """A decision of an incident about ``POD``."""
    facts: dict[str, Any] = {
        "id": f"d-{kind}",
        "at": AT,
        "kind": Kind(kind),
        "verdict": Verdict.TELL,
        "subject": f"pod {POD}",
        "reason": "errors",
        "text": "cart-1 fails 31 % of its requests, its siblings 1 %.",
        "incident": "i1",
        "mode": Mode.ENFORCE,
        "pod": POD,
        "service": ServiceRef("shop", "cart"),
        "workload": WorkloadRef("shop", "Deployment", "cart"),
        "figures": {"evidence_score": 17.5, "bad_rate": 0.31, "cut": None, "late": False},
        "config": "c0ffee",
        "severity": "warning",
    }
    words = {**facts, **changes}
    return Decision(**{**words, "severity": Severity(words["severity"])})


def acted(action_kind: ActionKind = ActionKind.EVICT, result: Result = Result.APPLIED, **changes: Any) -> Decision:
    """A decision that was carried out."""
    action = Action(action_kind, "i1", Target.of(POD))
    facts = {
        "verdict": Verdict.ACT,
        "action_kind": action_kind,
        "action": action,
        "outcome": Outcome(action.id, result, result.value),
        "blocked_by": (Blocked(GuardName.DISRUPTION_BUDGET, Reason.PDB, "allows no disruption"),)
        if result is Result.DEFERRED
        else (),
    }
    return told(action_kind.value, **{**facts, **changes})


@dataclass
class ReceivedRequest:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """``answers`` are given in turn, the last one for ever: a status, or a status with headers; ``slow`` = never."""

    answers: list[int | tuple[int, dict[str, str]]] = field(default_factory=lambda: [200])
    got: list[ReceivedRequest] = field(default_factory=list)
    url: str = ""
    body: bytes = b"what the receiver says is not ours to repeat"

    async def answer(self, request: web.Request) -> web.Response:
        self.got.append(ReceivedRequest(request.method, request.path, dict(request.headers), await request.read()))
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        status, headers = said if isinstance(said, tuple) else (said, {})
        return web.Response(status=status, headers=headers, body=self.body)


@asynccontextmanager
async def receiving(*answers: int | tuple[int, dict[str, str]]) -> AsyncIterator[Receiver]:
    """A receiver; with no answers given it takes everything."""
    one = Receiver(list(answers) or [200])
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", one.answer)
    async with TestServer(app) as server:
        one.url = str(server.make_url("")).rstrip("/")
        yield one


@dataclass
class OtlpCollector:
    """What an OTLP/HTTP collector got; ``answers`` as above."""

    answers: list[int | tuple[int, dict[str, str]]] = field(default_factory=lambda: [200])
    spans: list[Span] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    requests: list[ReceivedRequest] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        # aiohttp undoes the compression; the header stays.
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        self.requests.append(ReceivedRequest(request.method, request.path, dict(request.headers), body))
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        status, headers = said if isinstance(said, tuple) else (said, {})
        if status == 200:
            self._take(request.path, body)
        return web.Response(status=status, headers={"Content-Type": "application/x-protobuf", **headers})

    def _take(self, path: str, body: bytes) -> None:
        if path.endswith("/v1/traces"):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(
                    {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
                )
                self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        else:
            for group in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.resources.append(
                    {attribute.key: attribute.value.string_value for attribute in group.resource.attributes}
                )
                for scope in group.scope_metrics:
                    self.metrics |= {metric.name: metric for metric in scope.metrics}


@asynccontextmanager
async def collecting(*answers: int | tuple[int, dict[str, str]]) -> AsyncIterator[OtlpCollector]:
    one = OtlpCollector(list(answers) or [200])
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/{tail:.*}", one.answer)
    async with TestServer(app) as server:
        one.url = str(server.make_url("")).rstrip("/")
        yield one
