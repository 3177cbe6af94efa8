from __future__ import annotations

import pytest

from observer.exchange.queries import error_ratio, fixed, foreign_template, metric

TOTAL = 'sum(rate(requests_total{job="a"}[{{.window}}]))'
COUNT = "sum(rate(d_count[{{.window}}]))"
BUCKET = 'sum(rate(d_bucket{le="0.25"}[{{ .window }}]))'


@pytest.mark.parametrize(
    ("error", "total", "metrics"),
    [
        (
            'sum(rate(requests_total{job="a",code=~"5\\\\d+"}[{{.window}}]))',
            TOTAL,
            {"bad": 'requests_total{code=~"5\\\\d+",job="a"}', "total": 'requests_total{job="a"}'},
        ),
        (
            f"({COUNT} - ({BUCKET}))",
            f"({COUNT})",
            {"good": 'd_bucket{le="0.25"}', "total": "d_count"},
        ),
    ],
)
def test_sums_of_rates_are_counters(error: str, total: str, metrics: dict[str, str]) -> None:
    found = error_ratio(error, total)

    assert found.events
    assert found.metric == {"counter": True, **{role: metric(query) for role, query in metrics.items()}}


@pytest.mark.parametrize(
    "error",
    [
        "sum by (pod) (rate(e[{{.window}}]))",
        "sum(rate(e[{{.window}}] offset 1m))",
        "sum(rate(e[1h]))",
        "sum(rate(e[{{.window}}])) * 2",
        "max(rate(e[{{.window}}]))",
        "sum(delta(e[{{.window}}]))",
        "sum(rate(e[{{.window}}:1m]))",
        "sum(rate(other[{{.window}}])) - sum(rate(e[{{.window}}]))",
        "sum(rate(e[{{.window}}])) or vector(0)",
        "not promql (",
    ],
)
def test_anything_else_stays_an_expression(error: str) -> None:
    found = error_ratio(error, TOTAL)

    assert not found.events
    assert found.metric == {"counter": False, "bad": metric(fixed(error)), "total": metric(fixed(TOTAL))}
    assert "{{" not in str(found.metric)


def test_other_templates_are_seen() -> None:
    assert foreign_template("a{{.labels}}[{{.window}}]")
    assert not foreign_template("a[{{.window}}] + b[{{ .window }}]")
