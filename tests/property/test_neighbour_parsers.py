"""Whatever Jaeger or Kiali answer, their parsers read it or say that it is no such answer; they never break."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.sources.jaeger import legacy, otlp
from observer.sources.jaeger.semantics import span_of
from observer.sources.kiali.graph import parse_clusters, parse_graph, parse_namespace
from observer.sources.kiali.session import parse_version
from tests.support import trace_bodies
from tests.support.graph_bodies import calls, graph, http, workload

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["", "-", "0", "200", "1e400", "NaN", "12.5", "http", "grpc", "~~~", "sidecar~1~a.b~c", "http://["]
    )
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)
FRONT, CART = workload("front-v1", "front"), workload("cart-v1", "cart")
SEEDS = [
    trace_bodies.v3({**trace_bodies.SIDECAR, "http.status_code": "503", "n": 1, "b": True, "f": 0.5}, failed=True),
    trace_bodies.v1({**trace_bodies.SIDECAR, "http.status_code": "503", "n": 1, "b": True, "f": 0.5}, failed=True),
    graph([FRONT, CART], [calls(FRONT, CART, http("1.00", {"200": {"-": "90.0"}, "503": {"UF": "10.0"}}))]),
    b'{"namespaceWorkloadHealth":{"shop":{"a":{"requests":{"inbound":{"http":{"200":1.5}}},"status":{"status":"x"}}}}}',
    b'{"a":{"requests":{"inbound":{"http":{"200":1.5}}},"workloadStatus":{"replicas":1,"availableReplicas":0}}}',
]
PARSERS: list[Callable[[bytes], Any]] = [
    lambda body: [span_of(record) for record in otlp.parse_traces(body)],
    lambda body: [span_of(record) for record in legacy.parse_traces(body)],
    otlp.parse_services,
    legacy.parse_services,
    otlp.says_nothing_found,
    lambda body: parse_graph(body, 60.0),
    lambda body: parse_clusters(body, 60.0),
    lambda body: parse_namespace(body, "shop", 60.0),
    parse_version,
]


def survives(body: bytes) -> None:
    for parse in PARSERS:
        partial = ""
        try:
            parse(body)
        except SourceProtocolError:
            continue
        except SourceUnavailable as exc:
            partial = exc.reason
        assert partial in ("", "partial")


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything_is_read_or_refused(body: bytes) -> None:
    survives(body)


def test_whatever_is_nested_too_deeply_is_refused() -> None:
    for deep in (b"[" * 100_000, b'{"data":[{"spans":[{"tags":[{"value":' + b"[" * 100_000, b'{"result":' * 100_000):
        survives(deep)
        survives(b'{"elements":{},"unknown":' + deep)


@given(st.sampled_from(SEEDS), st.integers(0, 10_000), st.data())
def test_a_value_replaced_anywhere_is_read_or_refused(seed: bytes, where: int, data: st.DataObject) -> None:
    body = json.loads(seed)
    places = list(_places(body))
    holder, key = places[where % len(places)]
    holder[key] = data.draw(JSON)
    survives(json.dumps(body).encode())


@given(st.sampled_from(SEEDS), st.integers(0, 2000), st.integers(0, 255))
def test_a_byte_changed_anywhere_is_read_or_refused(seed: bytes, where: int, byte: int) -> None:
    at = where % len(seed)
    survives(seed[:at] + bytes([byte]) + seed[at + 1 :])
    survives(seed[:at])


@given(st.dictionaries(st.text(max_size=20) | st.sampled_from(sorted(trace_bodies.SIDECAR)), st.text(max_size=20)))
def test_whatever_attributes_say_a_span_has_sane_times(attributes: dict[str, str]) -> None:
    for body, parse in ((trace_bodies.v3, otlp.parse_traces), (trace_bodies.v1, legacy.parse_traces)):
        (record,) = parse(body(attributes))
        span = span_of(record)
        assert math.isfinite(span.start) and span.seconds >= 0.0 and span.resends >= 0


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)
