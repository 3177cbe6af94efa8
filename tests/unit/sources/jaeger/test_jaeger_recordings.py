"""Recordings of a real mesh: who failed by itself, and who only passed failures on."""

from __future__ import annotations

import json
import lzma
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest

from observer.domain.traces import Span, SpanSide
from observer.sources.jaeger import legacy, otlp
from observer.sources.jaeger.semantics import span_of
from observer.sources.jaeger.source import in_order

LAB = Path(__file__).parents[3] / "data" / "lab"
RECORDINGS = sorted(path.name for path in LAB.iterdir())


@cache
def spans(name: str) -> tuple[Span, ...]:
    answers = json.loads(lzma.decompress((LAB / name / "jaeger.json.xz").read_bytes()))
    bodies = [json.dumps(answer).encode() for query, answer in answers.items() if query != "services"]
    return in_order(span_of(record) for body in bodies for record in legacy.parse_traces(body))[0]


@cache
def newer(name: str) -> tuple[Span, ...]:
    body = lzma.decompress((LAB / name / "jaeger-v3.json.xz").read_bytes())
    return in_order(span_of(record) for record in otlp.parse_traces(body))[0]


def origins(name: str) -> Counter[str]:
    """Failed requests by the pod that failed them without having been failed by anybody it called."""
    below = defaultdict(list)
    for span in spans(name):
        below[span.trace, span.parent].append(span)
    found: Counter[str] = Counter()
    for span in spans(name):
        if span.side is SpanSide.SERVER and span.error:
            found[span.pod] += not any(child.error for child in below[span.trace, span.span])
    return +found


def truth(name: str) -> str:
    return str(json.loads((LAB / name / "meta.json").read_text())["truth"].get("pod", ""))


@pytest.mark.parametrize("name", ["gray-pod", "gray-pod-drained", "gray-pod-evicted"])
def test_only_the_gray_pod_fails_by_itself(name: str) -> None:
    found = origins(name)
    assert set(found) == {truth(name)}
    assert found[truth(name)] >= 50


def test_failures_of_a_dependency_begin_in_each_of_its_pods() -> None:
    found = origins("bad-dependency")
    assert len(found) == 3 and all(pod.startswith("store-v1-") for pod in found)
    assert min(found.values()) >= 15


def test_a_bad_revision_fails_in_its_own_pods_only() -> None:
    assert {pod.rsplit("-", 2)[0] for pod in origins("bad-revision")} == {"pay-v2"}


@pytest.mark.parametrize("name", ["slow-pod", "surge"])
def test_nobody_fails_where_nothing_failed(name: str) -> None:
    assert not any(span.error for span in spans(name))


def test_the_slow_pod_is_slow_and_its_siblings_are_not() -> None:
    slow = defaultdict(list)
    for span in spans("slow-pod"):
        if span.side is SpanSide.SERVER and span.service == "cart":
            slow[span.pod].append(span.seconds)
    quick = {pod: sorted(some)[len(some) // 2] for pod, some in slow.items()}
    assert len(quick) == 4
    culprit = quick.pop(truth("slow-pod"))
    assert culprit > 0.2 > 2 * max(quick.values())


@pytest.mark.parametrize("name", RECORDINGS)
def test_both_apis_tell_the_same(name: str) -> None:
    known = {(span.trace, span.span, span.side): span for span in spans(name)}
    shared = [span for span in newer(name) if (span.trace, span.span, span.side) in known]
    assert len(shared) > 200
    assert all(known[span.trace, span.span, span.side] == span for span in shared)


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_span_names_its_pod_and_its_place(name: str) -> None:
    for span in spans(name):
        assert span.namespace == "shop" and span.pod.startswith(f"{span.workload}-") and span.request
        assert span.workload.startswith(span.service)
        assert span.side is not SpanSide.INTERNAL
        assert (span.peer.endswith(".shop.svc.cluster.local")) == (span.side is SpanSide.CLIENT)
    roots = [span for span in spans(name) if not span.parent]
    assert {span.service for span in roots} == {"load"}
    assert len(roots) == len({span.trace for span in spans(name)})
