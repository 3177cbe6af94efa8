"""PromQL of rule generators as OpenSLO metrics: plain selectors where the query says no more, else a fixed window."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import promql_parser

from observer.exchange.conversion import Plain

FIXED: Final = "5m"
"""The window of an expression that cannot be told as a selector: what its recording rules are built from, too."""
_WINDOW: Final = re.compile(r"\{\{\s*\.window\s*\}\}")
_TEMPLATE: Final = re.compile(r"\{\{")
_RATES: Final = frozenset({"rate", "increase"})


@dataclass(frozen=True, slots=True)
class Ratio:
    """``ratioMetric`` of OpenSLO, and whether its counts are still events (else: values of a fixed window)."""

    metric: Plain
    events: bool


def metric(query: str, kind: str = "") -> Plain:
    """A metric with one query."""
    source: Plain = {"type": kind} if kind else {}
    return {"metricSource": {**source, "spec": {"query": query}}}


def foreign_template(query: str) -> bool:
    """Whether the query has template words that are not the window."""
    return _TEMPLATE.search(_WINDOW.sub("", query)) is not None


def fixed(query: str) -> str:
    """The query with its window fixed."""
    return _WINDOW.sub(FIXED, query).strip()


def error_ratio(error: str, total: str) -> Ratio:
    """
    Error and total queries with a window template.

    ``sum(rate(errors[w]))`` is the selector ``errors`` as a counter. ``sum(rate(count[w])) - sum(rate(bucket[w]))``,
    the usual form of a latency objective, is the good count ``bucket``. Anything else stays an expression.
    """
    whole, part = _selector(_parsed(total)), _parsed(error)
    if whole and (bad := _selector(part)):
        return Ratio({"counter": True, "bad": metric(bad), "total": metric(whole)}, events=True)
    if whole and isinstance(part, promql_parser.BinaryExpr) and str(part.op) == "-":
        good = _selector(_bare(part.rhs))
        if good and _selector(_bare(part.lhs)) == whole:
            return Ratio({"counter": True, "good": metric(good), "total": metric(whole)}, events=True)
    return Ratio({"counter": False, "bad": metric(fixed(error)), "total": metric(fixed(total))}, events=False)


def _parsed(query: str) -> object:
    try:
        return _bare(promql_parser.parse(fixed(query)))
    except ValueError:
        return None


def _bare(node: object) -> object:
    while isinstance(node, promql_parser.ParenExpr):
        node = node.expr
    return node


def _selector(node: object) -> str:
    """The selector inside ``sum(rate(selector[window]))`` without grouping; empty for any other form."""
    if not isinstance(node, promql_parser.AggregateExpr) or str(node.op) != "sum" or node.modifier is not None:
        return ""
    call = _bare(node.expr)
    if not isinstance(call, promql_parser.Call) or call.func.name not in _RATES:
        return ""
    ranged = call.args[0]
    if not isinstance(ranged, promql_parser.MatrixSelector):
        return ""
    inner = ranged.vector_selector
    if inner.offset is not None or inner.at is not None or ranged.range.total_seconds() != 300:
        return ""
    return str(inner.prettify()).removesuffix("{}")
