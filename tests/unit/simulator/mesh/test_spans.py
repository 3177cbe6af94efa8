"""The simulated tracer: one client span a call, a server span an attempt, parallel calls side by side."""

from __future__ import annotations

import json
import lzma
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from observer.simulator.jaeger.wire import attributes, legacy, otlp
from observer.simulator.mesh.faults import pod_errors, sidecar_dead
from observer.simulator.mesh.spans import TRACES, MeshSpan
from observer.simulator.mesh.topology import MeshSpec, shop
from observer.simulator.scenarios.world import World

LAB = Path(__file__).parents[3] / "data" / "lab"


async def traces(
    spec: MeshSpec, *, seconds: float = 15.0, gray: float = 0.0, dead: bool = False
) -> list[list[MeshSpan]]:
    world = World(spec, seed=9)
    culprit = world.pods_of("catalog")[0]
    if gray:
        world.mesh.faults.set(pod_errors(culprit, gray, 503))
    if dead:
        world.mesh.faults.set(sidecar_dead(culprit))
    await world.advance(seconds)
    return list(world.mesh.spans.traces(world.clock.now()))


def children(trace: list[MeshSpan]) -> dict[str, list[MeshSpan]]:
    found = defaultdict(list)
    for span in trace:
        found[span.parent].append(span)
    return found


async def test_a_request_of_the_shop_has_the_spans_of_its_hops() -> None:
    found = await traces(replace(shop(), traced=1.0))
    assert len(found) > 100
    whole = [trace for trace in found if len(trace) == 12]
    assert len(whole) > 0.9 * len(found)
    for trace in whole:
        below = children(trace)
        (root,) = below[""]
        assert (root.server, root.called, root.pod.identity.service if root.pod else "") == (False, "front", "load")
        (front,) = below[root.span]
        calls = below[front.span]
        assert sorted(one.called for one in calls) == ["cart", "catalog", "pay"]
        assert max(one.start for one in calls) < min(one.end for one in calls)  # side by side
        assert all(front.start <= one.start <= one.end <= front.end for one in calls)
        for one in calls:
            (server,) = below[one.span]
            assert server.server and server.called == one.called
            assert one.start <= server.start <= server.end <= one.end


async def test_attempts_share_the_client_span() -> None:
    found = await traces(replace(shop(), traced=1.0, retries=2), gray=0.5)
    again = [(span, children(trace)[span.span]) for trace in found for span in trace if span.resends]
    assert len(again) > 5
    for span, servers in again:
        assert not span.server and span.called == "catalog"
        assert len(servers) == span.resends + 1
        assert [one.outcome.code for one in sorted(servers, key=lambda one: one.start)][: span.resends] == [
            503
        ] * span.resends


async def test_a_call_that_reached_nobody_has_no_server_span() -> None:
    found = await traces(replace(shop(), traced=1.0), dead=True)
    lost = [(span, children(trace)[span.span]) for trace in found for span in trace if span.outcome.flags == "UF"]
    assert lost
    assert all(servers == [] and span.outcome.code == 503 for span, servers in lost)


async def test_a_share_of_the_requests_is_traced() -> None:
    everything, half, nothing = [len(await traces(replace(shop(), traced=share))) for share in (1.0, 0.5, 0.0)]
    assert 0.35 * everything < half < 0.65 * everything
    assert nothing == 0


async def test_tracing_changes_nothing_else() -> None:
    plain, traced = World(replace(shop(), traced=0.0), seed=3), World(replace(shop(), traced=1.0), seed=3)
    for world in (plain, traced):
        await world.advance(10.0)
    assert plain.mesh.sidecars._total.tolist() == traced.mesh.sidecars._total.tolist()


async def test_only_the_newest_traces_are_kept() -> None:
    found = await traces(replace(shop(rate=900.0), traced=1.0, step=0.5), seconds=8.0)
    assert len(found) <= TRACES
    assert min(span.start for span in found[0]) > min(span.start for span in found[-1])


def recorded_keys(name: str) -> tuple[set[frozenset[str]], set[frozenset[str]]]:
    old = json.loads(lzma.decompress((LAB / name / "jaeger.json.xz").read_bytes()))
    new = json.loads(lzma.decompress((LAB / name / "jaeger-v3.json.xz").read_bytes()))
    tags = [span["tags"] for trace in old["front.shop"]["data"] for span in trace["spans"]]
    found = [one["attributes"] for one in _spans(new["result"])]
    return {_keys(one) for one in tags}, {_keys(one) for one in found}


def _keys(pairs: list[dict[str, Any]]) -> frozenset[str]:
    return frozenset(pair["key"] for pair in pairs)


def _spans(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [span for block in result["resourceSpans"] for scope in block["scopeSpans"] for span in scope["spans"]]


@pytest.mark.parametrize("name", ["gray-pod", "surge"])
async def test_spans_carry_the_attributes_of_the_laboratory(name: str) -> None:
    found = await traces(replace(shop(), traced=1.0), gray=0.3 if name == "gray-pod" else 0.0)
    old, new = recorded_keys(name)
    spans = [span for trace in found for span in trace]
    # Which way the recorded mesh marks failures in v3 is by status alone.
    assert {_keys(one["attributes"]) - {"error"} for one in _spans(otlp(found)["result"])} == {
        keys - {"error"} for keys in new
    }
    assert {_keys(span["tags"]) for trace in legacy(found) for span in trace["spans"]} == old
    assert all(attributes(span)["node_id"].count("~") == 3 for span in spans)
