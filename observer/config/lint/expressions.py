"""
PromQL as the checks look at it: what is selected, and what stands around each selector.

promql-parser knows types and arities but no positions, refuses backslashes in backtick strings, which servers take, and
takes ``or`` between matchers, which servers refuse; both are mended here.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import promql_parser

_STRING: Final = re.compile(r"""(?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|`(?P<raw>[^`]*)`""")


@dataclass(frozen=True, slots=True)
class Matcher:
    """``op`` is ``=``, ``!=``, ``=~`` or ``!~``."""

    label: str
    op: str
    value: str

    def takes(self, value: str) -> bool | None:
        """Whether a label of this value passes; None for a regular expression that Python does not read."""
        if self.op in {"=", "!="}:
            return (self.value == value) is (self.op == "=")
        try:
            return (re.fullmatch(self.value, value) is not None) is (self.op == "=~")
        except re.error:
            return None


@dataclass(frozen=True, slots=True)
class Selected:
    """One selector: ``around`` are the functions and aggregations from the outside in; ``ranged``: it has ``[5m]``."""

    metric: str
    matchers: tuple[Matcher, ...]
    around: tuple[str, ...]
    ranged: bool

    def on(self, *labels: str) -> tuple[Matcher, ...]:
        """Its matchers on any of these labels."""
        return tuple(matcher for matcher in self.matchers if matcher.label in labels)

    def takes(self, label: str, value: str) -> bool:
        """Whether every matcher on ``label`` lets ``value`` pass; a matcher that cannot be read does."""
        return all(matcher.takes(value) is not False for matcher in self.on(label))

    @property
    def text(self) -> str:
        """The selector as PromQL."""
        inner = ",".join(
            f"{matcher.label}{matcher.op}{json.dumps(matcher.value, ensure_ascii=False)}" for matcher in self.matchers
        )
        return f"{self.metric}{{{inner}}}"


@dataclass(frozen=True, slots=True)
class Expression:
    """``error`` is empty when it could be read; ``kind`` is then ``vector``, ``matrix``, ``scalar`` or ``string``."""

    selected: tuple[Selected, ...] = ()
    kind: str = ""
    plain: bool = False
    error: str = ""


def read(expr: str) -> Expression:
    """What a server would make of ``expr``."""
    try:
        tree = promql_parser.parse(_STRING.sub(_double_quoted, expr))
    except ValueError as exc:
        return Expression(error=str(exc).splitlines()[0])
    try:
        selected = tuple(_selectors(tree, ()))
    except _OrMatchers:
        return Expression(error='"or" between matchers is not PromQL: join two selectors with or')
    return Expression(selected, _kind(tree), isinstance(tree, promql_parser.VectorSelector))


class _OrMatchers(Exception):
    """The parser's own extension was used."""


def _double_quoted(match: re.Match[str]) -> str:
    return match["quoted"] or json.dumps(match["raw"], ensure_ascii=False)


def _selectors(node: object, around: tuple[str, ...]) -> Iterator[Selected]:
    match node:
        case promql_parser.VectorSelector():
            yield _selected(node, around, ranged=False)
        case promql_parser.MatrixSelector():
            yield _selected(node.vector_selector, around, ranged=True)
        case promql_parser.Call():
            for arg in node.args:
                yield from _selectors(arg, (*around, node.func.name))
        case promql_parser.AggregateExpr():
            yield from _selectors(node.expr, (*around, str(node.op)))
        case promql_parser.BinaryExpr():
            yield from _selectors(node.lhs, around)
            yield from _selectors(node.rhs, around)
        case promql_parser.SubqueryExpr() | promql_parser.UnaryExpr() | promql_parser.ParenExpr():
            yield from _selectors(node.expr, around)


def _selected(node: promql_parser.VectorSelector, around: tuple[str, ...], *, ranged: bool) -> Selected:
    if node.matchers.or_matchers:
        raise _OrMatchers
    matchers = [Matcher(matcher.name, _OPS[str(matcher.op)], matcher.value) for matcher in node.matchers.matchers]
    named = next((matcher.value for matcher in matchers if matcher.label == "__name__" and matcher.op == "="), "")
    rest = tuple(matcher for matcher in matchers if not (matcher.label == "__name__" and matcher.op == "="))
    return Selected(node.name or named, rest, around, ranged)


_OPS: Final = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}
_SCALARS: Final = frozenset({"scalar", "time", "pi"})


def _kind(node: object) -> str:
    match node:
        case promql_parser.NumberLiteral():
            return "scalar"
        case promql_parser.StringLiteral():
            return "string"
        case promql_parser.MatrixSelector() | promql_parser.SubqueryExpr():
            return "matrix"
        case promql_parser.Call():
            return "scalar" if node.func.name in _SCALARS else "vector"
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            return _kind(node.expr)
        case promql_parser.BinaryExpr():
            return "scalar" if {_kind(node.lhs), _kind(node.rhs)} == {"scalar"} else "vector"
    return "vector"


BUCKETS_MS: Final = (
    0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0, 30_000.0, 60_000.0,
    300_000.0, 600_000.0, 1_800_000.0, 3_600_000.0,
)  # fmt: skip
"""Upper bounds in milliseconds."""


def spellings(bound: float) -> tuple[str, ...]:
    """How servers write it: Prometheus before 3.0 keeps ``250``, later ones write ``250.0``."""
    short = f"{bound:.12g}"
    return (short,) if "." in short else (short, f"{short}.0")


def neighbours(bound: float) -> tuple[float, ...]:
    """The buckets beside ``bound``: one or two of them."""
    index = bisect_left(BUCKETS_MS, bound)
    return BUCKETS_MS[max(0, index - 1) : index + 1]
