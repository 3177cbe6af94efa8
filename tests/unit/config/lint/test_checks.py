"""The checks at their edges; the pages' examples are run by ``test_pages``."""

from __future__ import annotations

import pytest

from observer.config.lint.expressions import read
from observer.config.lint.registry import lint
from observer.config.lint.subject import Subject
from observer.config.openslo.documents import parse_documents

TOTAL = 'istio_requests_total{reporter="source"}'
DOCUMENT = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: cart, annotations: {ANNOTATIONS}}
spec:
  service: cart
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  indicator:
    metadata: {name: calls, annotations: {IGNORE}}
    spec:
      ratioMetric:
        counter: COUNTER
        ROLE: {metricSource: {spec: {query: QUERY}}}
        total: {metricSource: {spec: {query: TOTAL}}}
  objectives: [{target: TARGET}]
"""


def told(
    query: str,
    *,
    role: str = "bad",
    counter: bool = True,
    annotations: str = "",
    target: str = "0.999",
    total: str = TOTAL,
    ignore: str = "",
) -> list[str]:
    text = DOCUMENT.replace("ANNOTATIONS", annotations).replace("IGNORE", ignore).replace("ROLE", role)
    text = text.replace("COUNTER", str(counter).lower()).replace("TARGET", target)
    quoted = {"QUERY": query, "TOTAL": total}
    for word, value in quoted.items():
        text = text.replace(f"query: {word}", "query: '" + value.replace("'", "''") + "'")
    return sorted(one.check for one in lint(Subject(parse_documents(text), 0.0)))


MESH = 'istio_requests_total{reporter="source",response_code=~"5.."}'
LATENCY = 'istio_request_duration_milliseconds_bucket{reporter="destination",le'


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (MESH, []),
        ("rate(x", ["promql-syntax"]),
        ("x[5m]", ["promql-syntax"]),
        ('"text"', ["promql-syntax"]),
        ("rate(x)", ["promql-syntax"]),
        ('x{a="1" or b="2"}', ["promql-syntax"]),
        (r"x{a=~`5\d+`}", []),
        ("sum(x)", ["counter-twice"]),
        ("x + y", ["counter-twice"]),
        ("sum(rate(x[5m]))", ["counter-twice"]),
        (MESH.replace('reporter="source"', 'reporter!="source"'), ["reporter-missing"]),
        (MESH.replace('reporter="source"', 'reporter=~"source|waypoint"'), []),
        ("istio_agent_pilot_xds_total", []),
    ],
)
def test_of_counters(query: str, found: list[str]) -> None:
    assert told(query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("sum(rate(x_total[5m]))", []),
        ("x_total", ["counter-without-rate"]),
        ("sum(x_count) / 2", ["counter-without-rate"]),
        ("count(x_total)", []),
        ("absent(x_total)", []),
        ("max_over_time(x_total[5m])", []),
        ("queue_length", []),
        ("histogram_quantile(0.9, rate(x_bucket[5m]))", []),
        ("sum(rate(x_bucket[5m]))", ["bucket-le-missing"]),
        ('sum(rate(x_bucket{le!="1"}[5m]))', ["bucket-le-missing"]),
    ],
)
def test_of_expressions(query: str, found: list[str]) -> None:
    assert told(query, counter=False, total="sum(rate(y_total[5m]))") == found


@pytest.mark.parametrize(
    ("matcher", "found"),
    [
        ('=~"250([.]0)?"', []),
        (r'=~"250(\\.0)?"', []),
        ('="0.5"', []),
        ('="+Inf"', []),
        ('="250"', ["bucket-le-spelling"]),
        ('="250.0"', ["bucket-le-spelling"]),
        ('=~"250[.]0"', ["bucket-le-spelling"]),
        ('="300"', ["bucket-le-spelling", "bucket-le-unknown"]),
        ('=~"300|300[.]0"', ["bucket-le-unknown"]),
        ('="slow"', ["bucket-le-unknown"]),
        ('=~"[0-9]+"', ["bucket-le-spelling"]),
    ],
)
def test_of_buckets(matcher: str, found: list[str]) -> None:
    assert told(f"{LATENCY}{matcher}}}", role="good") == found


def test_the_nearest_buckets_are_named() -> None:
    text = DOCUMENT.replace("ANNOTATIONS", "").replace("IGNORE", "").replace("COUNTER", "true").replace("TARGET", "0.9")
    text = text.replace("ROLE", "good").replace("query: TOTAL", f"query: '{TOTAL}'")
    for value, near in (("300", "250 or 500"), ("0.1", "0.5"), ("9000000", "3.6e+06"), ("700.5", "500 or 1000")):
        document = text.replace("query: QUERY", f"query: '{LATENCY}=\"{value}\"}}'")
        hints = {one.check: one.fault.hint for one in lint(Subject(parse_documents(document), 0.0))}
        assert hints["bucket-le-unknown"] == f"nearest: {near}"


@pytest.mark.parametrize(
    ("matcher", "role", "found"),
    [
        ('response_code=~"5.."', "bad", []),
        ('response_code=~"5..|429"', "bad", []),
        ('response_code=~"[45].."', "bad", ["client-errors"]),
        ('response_code!~"2.."', "bad", ["client-errors"]),
        ('response_code=~"4..|5..",response_code!~"4.."', "bad", []),
        ('code!="200"', "bad", ["client-errors"]),
        ('code!="OK"', "bad", []),
        ('response_code!~"5.."', "good", []),
        ('response_code=~"2.."', "good", ["client-errors"]),
        ('response_code=~"2..|3..|4.."', "good", []),
        ('response_code="500"', "good", []),
    ],
)
def test_of_client_errors(matcher: str, role: str, found: list[str]) -> None:
    assert told(f'istio_requests_total{{reporter="source",{matcher}}}', role=role) == found


@pytest.mark.parametrize(
    ("target", "found"),
    [("0.93", 1), ("0.9306", 0), ("0.83", 2), ("0.5", 3), ("0", 4), ("0.999", 0)],
)
def test_of_unreachable_factors(target: str, found: int) -> None:
    assert told(MESH, annotations="observer.dev/burn: sre-30d", target=target) == ["burn-unreachable"] * found


def test_one_failure_pages_only_where_one_is_enough_and_the_volume_is_low() -> None:
    burn = "observer.dev/burn: sre-30d, observer.dev/min-bad-events: "

    assert told(MESH, annotations=f'{burn}"1"') == ["burn-single-request"] * 2
    assert told(MESH, annotations=f'{burn}"2"') == []
    assert told(MESH, annotations=f'{burn}"1"', target="0.94") == ["burn-single-request"] * 2
    assert "burn-single-request" not in told(MESH, annotations=f'{burn}"1"', target="0.8")


def test_an_owner_may_ask_to_be_left_alone() -> None:
    query = MESH.replace("5..", "[45]..")

    assert told(query, ignore="observer.dev/lint-ignore: client-errors") == []
    assert told(query, ignore='observer.dev/lint-ignore: "reporter-missing, client-errors"') == []
    assert told(query, ignore="observer.dev/lint-ignore: reporter-missing") == ["client-errors"]


def test_selectors_are_found_at_any_depth() -> None:
    found = read('label_replace(a{x="1"} - on (b) (sum(rate(c[5m:1m])) or -d), "e", "f", "g", "h") > 1')

    assert [one.metric for one in found.selected] == ["a", "c", "d"]
    assert found.selected[1].around == ("label_replace", "sum", "rate")
    assert found.selected[0].text == 'a{x="1"}'
    assert read('{__name__="a",b=~"c"}').selected[0].text == 'a{b=~"c"}'


@pytest.mark.parametrize(
    ("query", "kind"),
    [("1", "scalar"), ("time() + 1", "scalar"), ("vector(1)", "vector"), ("-(1)", "scalar"), ("x[5m:1m]", "matrix")],
)
def test_kinds(query: str, kind: str) -> None:
    assert read(query).kind == kind
