"""
Series as promtool's tests write them: ``metric{label="value"}`` and values such as ``0+5x10 _ _x3 stale 7``.

``a+bxn`` and ``a-bxn`` are ``a`` and ``n`` more samples that grow by ``b``; ``axn`` is ``a`` and ``n`` more of it;
``_`` is no sample and ``_xn`` are ``n`` of them; ``stale`` ends the series until its next sample.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import promql_parser as pp

from observer.domain.counts import FloatArray

STALE: Final = math.inf
"""Stands in the array of samples where the series ended."""
MOST: Final = 200_000
_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_WORD: Final = re.compile(
    rf"(?P<gap>_)(?:x(?P<gaps>[0-9]+))?|(?P<stale>stale)"
    rf"|(?P<first>-?{_NUMBER})(?P<step>[+-]{_NUMBER})?(?:x(?P<more>[0-9]+))?",
    re.ASCII,
)


def samples(text: str) -> FloatArray:
    """Shape (T,): one value an interval, NaN = no sample, ``STALE`` = the series ended. Raises: ValueError."""
    found: list[FloatArray] = []
    count = 0
    for word in text.split():
        match = _WORD.fullmatch(word)
        if match is None:
            raise ValueError(f'"{word[:40]}" is no sample')
        if match["step"] is not None and match["more"] is None:
            raise ValueError(f'"{word[:40]}" does not say how often it grows')
        times = int(match["gaps"] or match["more"] or 0)
        count += times + 1
        if count > MOST:
            raise ValueError(f"more than {MOST} samples")
        found.append(_expanded(match, times))
    if not found:
        raise ValueError("holds no sample")
    return np.concatenate(found)


def _expanded(match: re.Match[str], times: int) -> FloatArray:
    if match["gap"]:
        return np.full(max(times, 1) if match["gaps"] else 1, np.nan)
    if match["stale"]:
        return np.array([STALE])
    first, step = float(match["first"]), float(match["step"] or 0.0)
    grown: FloatArray = first + step * np.arange(times + 1, dtype=np.float64)
    return grown


def series_name(text: str) -> tuple[str, dict[str, str], str]:
    """
    Metric, labels and the regular expression of label ``pod``, empty where it is given as it is.

    Raises: ValueError for anything but one metric with labels of one value each.
    """
    try:
        tree = pp.parse(text)
    except ValueError as exc:
        raise ValueError(f"is no series: {str(exc).splitlines()[0]}") from exc
    if not isinstance(tree, pp.VectorSelector) or tree.name is None or tree.offset is not None or tree.at is not None:
        raise ValueError("must be one metric with its labels")
    labels, pods = {}, ""
    for one in tree.matchers.matchers:
        if one.op == pp.MatchOp.Equal:
            labels[one.name] = one.value
        elif one.op == pp.MatchOp.Re and one.name == "pod":
            pods = one.value
            re.compile(pods)
        else:
            raise ValueError(f"{one.name} must be given by =; only pod may be a pattern, pod=~")
    labels.pop("__name__", None)
    return tree.name, labels, pods


@dataclass(frozen=True, slots=True)
class Selector:
    """One metric and matchers of its labels: ``(label, pattern, wanted)``."""

    metric: str
    matchers: tuple[tuple[str, re.Pattern[str], bool], ...]

    def matches(self, metric: str, labels: Mapping[str, str]) -> bool:
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
        yield Selector(
            tree.name, tuple(_matcher(matcher) for matcher in tree.matchers.matchers if matcher.name != "__name__")
        )
    else:
        raise ValueError("no selector")


def _matcher(matcher: pp.Matcher) -> tuple[str, re.Pattern[str], bool]:
    plain = matcher.op in (pp.MatchOp.Equal, pp.MatchOp.NotEqual)
    wanted = matcher.op in (pp.MatchOp.Equal, pp.MatchOp.Re)
    return matcher.name, re.compile(re.escape(matcher.value) if plain else matcher.value), wanted
