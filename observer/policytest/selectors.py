"""Which counters of a test a query of an objective selects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import promql_parser as pp


@dataclass(frozen=True, slots=True)
class Selector:
    """One metric and matchers of its labels: ``(label, pattern, wanted)``."""

    metric: str
    matchers: tuple[tuple[str, re.Pattern[str], bool], ...]

    def holds(self, metric: str, labels: Mapping[str, str]) -> bool:
        """The series is selected; a label that is not there counts as empty."""
        return metric == self.metric and all(
            bool(pattern.fullmatch(labels.get(label, ""))) is wanted for label, pattern, wanted in self.matchers
        )


def selectors(expr: str) -> tuple[Selector, ...]:
    """The selectors of an expression, several joined by ``or``; none for any other expression or no PromQL."""
    try:
        return tuple(_selectors(pp.parse(expr)))
    except (ValueError, re.error):
        return ()


def _selectors(tree: object) -> Iterator[Selector]:
    if isinstance(tree, pp.ParenExpr):
        yield from _selectors(tree.expr)
    elif isinstance(tree, pp.BinaryExpr) and str(tree.op) == "or":
        yield from _selectors(tree.lhs)
        yield from _selectors(tree.rhs)
    elif isinstance(tree, pp.VectorSelector) and tree.offset is None and tree.at is None and tree.name:
        yield Selector(tree.name, tuple(_matcher(one) for one in tree.matchers.matchers if one.name != "__name__"))
    else:
        raise ValueError("no selector")


def _matcher(one: pp.Matcher) -> tuple[str, re.Pattern[str], bool]:
    plain = one.op in (pp.MatchOp.Equal, pp.MatchOp.NotEqual)
    wanted = one.op in (pp.MatchOp.Equal, pp.MatchOp.Re)
    return one.name, re.compile(re.escape(one.value) if plain else one.value), wanted
