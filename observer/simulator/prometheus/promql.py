"""
Evaluates the PromQL that Observer sends; everything else is refused by name.

Supported: vector selectors with all matchers and offset, ``sum|min|max|count`` by/without, ``rate``, ``increase``,
``timestamp``, arithmetic ``+ - * /`` and comparisons between vectors (one to one on all labels) and scalars, ``or``
between vectors, parentheses, and range selectors on their own in an instant query.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import promql_parser as pp

from observer.domain.counts import BoolArray, FloatArray, IntArray
from observer.domain.errors import ObserverError
from observer.simulator.prometheus.tsdb import (
    NAME,
    Match,
    Matcher,
    Matchers,
    Selection,
    SeriesSet,
    TimeSeriesMemory,
)
from observer.simulator.prometheus.windows import growth


class QueryError(ObserverError):
    """A query that the API answers with an error: ``kind`` is its errorType (``bad_data`` or ``execution``)."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """Values of series at each instant; shapes (series, instants)."""

    series: SeriesSet
    values: FloatArray
    present: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """One value an instant."""

    values: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Raw samples of a range selector: for each series its times (milliseconds) and values."""

    series: SeriesSet
    rows: list[tuple[IntArray, FloatArray]]


Value = Vector | Scalar
Operator = Callable[[FloatArray, FloatArray], npt.NDArray[np.generic]]

ARITHMETIC: Final[Mapping[str, Operator]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
COMPARISON: Final[Mapping[str, Operator]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
MATCH_OPS: Final = ((pp.MatchOp.Equal, Match.EQUAL), (pp.MatchOp.NotEqual, Match.UNEQUAL), (pp.MatchOp.Re, Match.LIKE))
GROWTH: Final = ("rate", "increase")


@lru_cache(maxsize=512)
def parse(query: str) -> pp.Expr:
    """The syntax tree; raises ``QueryError`` (bad_data) for what is no PromQL."""
    if not query.strip():
        raise QueryError("bad_data", "unknown position: parse error: no expression found in input")
    try:
        return pp.parse(query)
    except ValueError as error:
        raise QueryError("bad_data", f"parse error: {error}") from error


def selector(node: pp.VectorSelector) -> tuple[str | None, Matchers]:
    """Metric name and matchers of a vector selector node."""
    if node.matchers.or_matchers:
        raise unsupported("'or' between matchers")
    matchers = []
    name: str | None = node.name
    for matcher in node.matchers.matchers:
        op = next((ours for theirs, ours in MATCH_OPS if matcher.op == theirs), Match.UNLIKE)
        if matcher.name == NAME and op is Match.EQUAL:
            name = matcher.value
            continue
        if op in (Match.LIKE, Match.UNLIKE):
            _compiles(matcher.value)
        matchers.append(Matcher(matcher.name, op, matcher.value))
    return name, tuple(matchers)


def _compiles(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise QueryError("bad_data", f"parse error: error parsing regexp: {error}") from error


def unsupported(construct: str) -> QueryError:
    """The refusal of a construct outside the subset."""
    return QueryError("execution", f"this simulator does not evaluate {construct}")


class Evaluator:
    """Evaluates one query at one or more instants (milliseconds, ascending)."""

    def __init__(self, memory: TimeSeriesMemory, at_ms: IntArray) -> None:
        self._memory = memory
        self._at = at_ms

    def evaluate(self, node: pp.Expr) -> Value:
        """The value of a syntax tree."""
        if isinstance(node, pp.ParenExpr):
            return self.evaluate(node.expr)
        if isinstance(node, pp.NumberLiteral):
            return Scalar(np.full(self._at.size, node.val))
        if isinstance(node, pp.VectorSelector):
            selection, at = self._select(node)
            values, present, _ = selection.instant(at)
            return Vector(selection.series, values, present)
        if isinstance(node, pp.AggregateExpr):
            return self._aggregate(node)
        if isinstance(node, pp.Call):
            return self._call(node)
        if isinstance(node, pp.BinaryExpr):
            return self._binary(node)
        raise unsupported(_construct(node))

    def samples(self, node: pp.MatrixSelector) -> Samples:
        """The raw samples of a range selector at the (single) instant."""
        selection, at = self._select(node.vector_selector)
        end = int(at[0])
        start = end - _milliseconds(node.range)
        rows: list[tuple[IntArray, FloatArray]] = []
        for block, table, numbers in selection.parts:
            low, high = np.searchsorted(block.times, [start, end], side="right")
            for number in numbers:
                values = table.values[number, low:high]
                held = ~np.isnan(values)
                rows.append((block.times[low:high][held], values[held]))
        return Samples(selection.series, rows)

    def _select(self, node: pp.VectorSelector) -> tuple[Selection, IntArray]:
        if node.at is not None:
            raise unsupported("the @ modifier")
        offset = 0 if node.offset is None else _milliseconds(node.offset)
        return self._memory.select(*selector(node)), self._at - offset

    def _call(self, node: pp.Call) -> Vector:
        name = node.func.name
        if name in GROWTH:
            window = node.args[0]
            if not isinstance(window, pp.MatrixSelector):
                raise unsupported(f"{name} over {_construct(window)}")
            selection, at = self._select(window.vector_selector)
            values, present = growth(selection, at, _milliseconds(window.range), per_second=name == "rate")
            return self._unique(Vector(selection.series.without_name(), values, present))
        if name == "timestamp":
            return self._timestamp(node.args[0])
        raise unsupported(f"the function {name}()")

    def _timestamp(self, node: pp.Expr) -> Vector:
        while isinstance(node, pp.ParenExpr):
            node = node.expr
        if isinstance(node, pp.VectorSelector):
            selection, at = self._select(node)
            _, present, times = selection.instant(at)
            return self._unique(Vector(selection.series.without_name(), times, present))
        value = self.evaluate(node)
        if isinstance(value, Scalar):
            raise unsupported("timestamp() of a scalar")
        times = np.broadcast_to(self._at / 1000.0, value.values.shape).copy()
        return self._unique(Vector(value.series.without_name(), times, value.present))

    def _aggregate(self, node: pp.AggregateExpr) -> Vector:
        op = str(node.op)
        if op not in ("sum", "min", "max", "count"):
            raise unsupported(f"the aggregation {op}")
        value = self.evaluate(node.expr)
        if isinstance(value, Scalar):
            raise unsupported(f"{op} of a scalar")
        by = node.modifier is None or node.modifier.type == pp.AggModifierType.By
        names = () if node.modifier is None else tuple(sorted(set(node.modifier.labels)))
        groups, series = value.series.grouped(by, names)
        return _reduce(op, value, groups, series)

    def _binary(self, node: pp.BinaryExpr) -> Value:
        op, wants_bool = str(node.op), False
        if op not in ARITHMETIC and op not in COMPARISON and op != "or":
            raise unsupported(f"the operator {op}")
        if node.modifier is not None:
            wants_bool = node.modifier.return_bool
            if node.modifier.matching is not None:
                raise unsupported("on() and ignoring()")
        left, right = self.evaluate(node.lhs), self.evaluate(node.rhs)
        if op == "or":
            if not isinstance(left, Vector) or not isinstance(right, Vector):
                raise QueryError("bad_data", 'parse error: set operator "or" not allowed in binary scalar expression')
            return _union(left, right)
        if isinstance(left, Vector) and isinstance(right, Vector):
            left, right = self._paired(left, right)
        return self._combine(op, left, right, wants_bool)

    def _combine(self, op: str, left: Value, right: Value, wants_bool: bool) -> Value:
        """Element by element; two vectors have been brought to the same series before."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            result = (ARITHMETIC.get(op) or COMPARISON[op])(left.values, right.values)
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            return Scalar(np.asarray(result, dtype=np.float64))
        vector, present = _shape_of(left, right)
        if op in COMPARISON and not wants_bool:
            return Vector(vector.series, vector.values, present & result.astype(np.bool_))
        return self._unique(Vector(vector.series.without_name(), np.asarray(result, dtype=np.float64), present))

    def _paired(self, left: Vector, right: Vector) -> tuple[Vector, Vector]:
        """Both sides cut to the series that match on all labels but the name, in the left side's order."""
        rows = _matching_rows(right, "right")
        _matching_rows(left, "left")
        if left.series.identities() == right.series.identities():
            return left, right
        pairs = [(mine, rows[key]) for mine, key in enumerate(left.series.identities()) if key in rows]
        mine = np.array([pair[0] for pair in pairs], dtype=np.int64)
        theirs = np.array([pair[1] for pair in pairs], dtype=np.int64)
        series = SeriesSet([left.series.labels[row] for row in mine])
        return (
            Vector(series, left.values[mine], left.present[mine]),
            Vector(series, right.values[theirs], right.present[theirs]),
        )

    def _unique(self, vector: Vector) -> Vector:
        """Refuse two series with the same labels at one instant; merge those that follow each other in time."""
        groups, series = vector.series.grouped(False, ())
        if len(series) == len(vector.series):
            return vector
        held = np.zeros((len(series), self._at.size), dtype=np.int64)
        np.add.at(held, groups, vector.present)
        if (held > 1).any():
            raise QueryError("execution", "vector cannot contain metrics with the same labelset")
        values = np.zeros(held.shape)
        np.add.at(values, groups, np.where(vector.present, vector.values, 0.0))
        return Vector(series, values, held > 0)


def _shape_of(left: Value, right: Value) -> tuple[Vector, BoolArray]:
    """The vector that gives a result its labels, and where both sides are present."""
    if not isinstance(left, Vector):
        if not isinstance(right, Vector):
            raise TypeError("two scalars have no series")
        return right, right.present
    return left, left.present & right.present if isinstance(right, Vector) else left.present


def _union(left: Vector, right: Vector) -> Vector:
    """All of the left side, and of the right side what has no match there on all labels but the name, by instant."""
    held: dict[frozenset[tuple[str, str]], BoolArray] = {}
    for row, key in enumerate(left.series.identities()):
        held[key] = held[key] | left.present[row] if key in held else left.present[row]
    hidden = np.zeros(right.present.shape, dtype=np.bool_)
    for row, key in enumerate(right.series.identities()):
        if key in held:
            hidden[row] = held[key]
    return _one_row_a_series(
        [*left.series.labels, *right.series.labels],
        np.concatenate([left.values, right.values]),
        np.concatenate([left.present, right.present & ~hidden]),
    )


def _one_row_a_series(labels: list[dict[str, str]], values: FloatArray, present: BoolArray) -> Vector:
    """The same series from both sides is one series, here from the one and there from the other."""
    rows: dict[frozenset[tuple[str, str]], int] = {}
    for row, row_labels in enumerate(labels):
        first = rows.setdefault(frozenset(row_labels.items()), row)
        if first != row:
            values[first] = np.where(present[row], values[row], values[first])
            present[first] |= present[row]
    retained = list(rows.values())
    return Vector(SeriesSet([labels[row] for row in retained]), values[retained], present[retained])


def _matching_rows(vector: Vector, side: str) -> dict[frozenset[tuple[str, str]], int]:
    rows: dict[frozenset[tuple[str, str]], int] = {}
    identities = vector.series.identities()
    for row in np.flatnonzero(vector.present.any(axis=1)).tolist():
        if rows.setdefault(identities[row], row) != row:
            raise QueryError(
                "execution",
                f"found duplicate series for the match group on the {side} hand-side of the operation;"
                "many-to-many matching not allowed: matching labels must be unique on one side",
            )
    return rows


def _reduce(op: str, value: Vector, groups: IntArray, series: SeriesSet) -> Vector:
    shape = (len(series), value.values.shape[1])
    counts = np.zeros(shape)
    np.add.at(counts, groups, value.present)
    if op == "count":
        return Vector(series, counts, counts > 0)
    start, ufunc = {"sum": (0.0, np.add), "min": (np.nan, np.fmin), "max": (np.nan, np.fmax)}[op]
    result = np.full(shape, start)
    ufunc.at(result, groups, np.where(value.present, value.values, start))
    return Vector(series, result, counts > 0)


def _milliseconds(delta: timedelta) -> int:
    return round(delta.total_seconds() * 1000)


def _construct(node: pp.Expr) -> str:
    groups = {
        pp.UnaryExpr: "a unary minus",
        pp.SubqueryExpr: "a subquery",
        pp.MatrixSelector: "a range selector here",
        pp.StringLiteral: "a string literal",
    }
    return groups.get(type(node), type(node).__name__)
