"""Meshes and servers beside Prometheus: no sidecars at all, traces under one name, refusals, a closed namespace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from observer.config.settings.model import Settings
from observer.config.settings.sources import JaegerSettings, KialiSettings, KubernetesSettings, PrometheusSettings
from observer.domain.ids import ServiceRef
from observer.simulator.kubernetes import objects as kube_objects
from observer.sources.jaeger.probe import probe as ask_jaeger
from observer.sources.kiali.probe import probe as ask_kiali
from observer.sources.kubernetes.probe import probe as ask_kubernetes
from observer.sources.prometheus.probe import probe as ask_prometheus
from tests.cases.rows import case, wrong
from tests.support.alerts import StoppedClock
from tests.support.kube_sim import QuickClock, connected, simulated_kube
from tests.support.query_servers import serving

NOW = 1_700_000_000.0
CART = ServiceRef("shop", "cart")


@wrong("T15", "a remedy that misleads")
async def test_doctor_names_an_ambient_mesh(tmp_path: Path) -> None:
    objects = kube_objects.shop_objects([("cart", "v1", 2)])
    for thing in objects:
        labels = thing["metadata"].get("labels") or {}
        if thing["kind"] == "Namespace" and labels.pop(kube_objects.INJECTION_LABEL, None):
            labels["istio.io/dataplane-mode"] = "ambient"

    async with simulated_kube(objects, speed=100.0) as kube, connected(tmp_path, kube.url) as api:
        seen = await ask_kubernetes(api, KubernetesSettings(), clock=QuickClock())
        said = " ".join(f"{finding.detail} {finding.remedy}" for finding in seen.findings)

    assert "ambient" in said


@wrong("T16", "a remedy that misleads")
async def test_doctor_names_what_traces_are_called_where_pods_have_no_app_label() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"services": ["istio-proxy.shop"], "data": ["istio-proxy.shop"]})

    async with serving(answer) as server:
        settings = JaegerSettings(url=str(server.make_url("")).rstrip("/"))
        findings = await ask_jaeger(settings, services=frozenset({CART}), clock=StoppedClock(NOW))
    matched = next(finding for finding in findings if finding.name == "jaeger services matched")

    assert matched.ok is False
    assert "istio-proxy.shop" in matched.detail or "tracingServiceName" in matched.remedy


REJECTED = "the request has been rejected because the tenant exceeded the request rate limit"
CHUNKS = "the query exceeded the maximum number of chunks"
SAMPLES = "query processing would load too many samples into memory in query execution"


def failed(kind: str, text: str) -> dict[str, str]:
    return {"status": "error", "errorType": kind, "error": text}


@pytest.mark.parametrize(
    ("status", "body", "reason", "misfit"),
    [
        case(
            403,
            {"message": "Missing Authentication Token"},
            "Missing Authentication Token",
            "-",
            row="T17",
            kind="a remedy that misleads",
            name="not signed",
        ),
        case(
            404,
            {"message": "Workspace not found"},
            "Workspace not found",
            "-",
            row="T17",
            kind="a remedy that misleads",
            name="wrong workspace",
        ),
        case(
            429,
            failed("too_many_requests", REJECTED),
            "rate limit",
            "network policy",
            row="T17",
            kind="a remedy that misleads",
            name="too many requests",
        ),
        case(
            422,
            failed("execution", CHUNKS),
            "chunks",
            "flavor",
            row="T17",
            kind="a remedy that misleads",
            name="limit on chunks",
        ),
        case(
            422,
            failed("execution", SAMPLES),
            "too many samples",
            "flavor",
            row="T17",
            kind="a remedy that misleads",
            name="limit on samples",
        ),
        case(401, "no org id", "no org id", "-", name="no tenant"),
    ],
)
async def test_a_refusal_of_the_store_keeps_its_words(
    status: int, body: dict[str, str] | str, reason: str, misfit: str
) -> None:
    async def answer(_: web.Request) -> web.Response:
        if isinstance(body, str):
            return web.Response(status=status, text=body)
        return web.json_response(body, status=status)

    async with serving(answer) as server:
        settings = PrometheusSettings(url=str(server.make_url("/prometheus")))
        findings = await ask_prometheus(
            replace(Settings(), prometheus=settings), pods=frozenset({("shop", "cart-1")}), at=NOW
        )
    said = next(f"{finding.detail} -> {finding.remedy}" for finding in findings if finding.ok is not True)

    assert reason in said
    assert misfit == "-" or misfit not in said


@wrong("T18", "one refusal takes all")
async def test_a_namespace_that_kiali_may_not_show_does_not_take_the_graph_of_the_others() -> None:
    async def answer(request: web.Request) -> web.Response:
        path = request.path.removeprefix("/kiali/api/")
        if "closed" in request.query.get("namespaces", "").split(","):
            return web.json_response({"error": "Requested namespace [closed] is not accessible."}, status=403)
        graph = {"timestamp": int(NOW), "duration": 60, "graphType": "workload", "elements": {"nodes": [], "edges": []}}
        bodies: dict[str, object] = {
            "auth/info": {"strategy": "anonymous"},
            "status": {"status": {"Kiali version": "v2.4.0"}},
            "clusters/health": {"workloadHealth": {}},
            "namespaces/graph": graph,
        }
        return web.json_response(bodies[path])

    async with serving(answer) as server:
        settings = KialiSettings(url=str(server.make_url("/kiali")))
        services = frozenset({CART, ServiceRef("closed", "x")})
        findings = await ask_kiali(settings, services=services, clock=StoppedClock(NOW))
    said = [f"{finding.detail} {finding.remedy}" for finding in findings]

    assert any("closed" in text for text in said)
    assert all(finding.ok is not False for finding in findings if finding.name == "kiali reachable")
