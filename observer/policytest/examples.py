"""Series that an objective's queries select, made up from the queries."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from observer.domain.errors import ConfigError
from observer.domain.events import BAD, TOTAL
from observer.domain.slo import Comparison, Objective, Preset, ThresholdSli
from observer.policytest.notation import Selector, selectors
from observer.policytest.objectives import counted, queries_of

_WORDS: Final = ("200", "503", "500", "404", "0", "1", "a", "GET", "POST", "")
_MOST: Final = 20_000


@dataclass(frozen=True, slots=True)
class Example:
    """
    One series and what it grows by for so many good and bad events; ``query``: it is the answer of an expression.

    ``points``: its value is one event a look, ``good`` or ``bad`` as a whole.
    """

    series: str
    good: float
    bad: float
    query: bool = False

    def grown(self, good: float, bad: float) -> float:
        return self.good * good + self.bad * bad


def of_preset(preset: Preset, pods: str, cut_ms: float) -> tuple[Example, ...]:
    """Series of the pods that ``pods`` (a matcher of label pod) names."""
    if preset is Preset.ISTIO_LATENCY:
        metric = "istio_request_duration_milliseconds_bucket"
        return (
            Example(f'istio_requests_total{{{pods},response_code="200"}}', 1, 1),
            Example(f'{metric}{{{pods},le="{cut_ms:g}"}}', 1, 0),
            Example(f'{metric}{{{pods},le="+Inf"}}', 1, 1),
        )
    if preset is Preset.ISTIO_GRPC_AVAILABILITY:
        start = f'istio_requests_total{{{pods},request_protocol="grpc",response_code="200",grpc_response_status='
        return Example(f'{start}"0"}}', 1, 0), Example(f'{start}"14"}}', 0, 1)
    start = f"istio_requests_total{{{pods},response_code="
    return Example(f'{start}"200"}}', 1, 0), Example(f'{start}"503"}}', 0, 1)


def of_queries(objective: Objective) -> tuple[Example, ...]:
    """
    Series of an objective whose queries a person wrote.

    Raises: ConfigError where none can be made up.
    """
    queries = {column: query.expr for column, query in queries_of(objective)}
    if not counted(objective):
        return _answers(objective, queries)
    part = next(column for column in queries if column != TOTAL)
    own, all_of = selectors(queries[part]), selectors(queries[TOTAL])
    if not own or not all_of:
        raise _refused(objective, queries[part if not own else TOTAL])
    bad = part == BAD
    narrow = _found(own, lambda m, labels: _any(all_of, m, labels)) or _found(own, lambda *_: True)
    if narrow is None:
        raise _refused(objective, queries[part])
    inside = _any(all_of, *narrow)
    rest = _found((*all_of, *own), lambda m, labels: _any(all_of, m, labels) and not _any(own, m, labels))
    if rest is None:
        raise _refused(objective, queries[TOTAL])
    first = Example(_spelled(*narrow), float(not bad), float(bad))
    if inside:
        return first, Example(_spelled(*rest), float(bad), float(not bad))
    return first, Example(_spelled(*rest), 1.0, 1.0)


def _answers(objective: Objective, queries: dict[int, str]) -> tuple[Example, ...]:
    sli = objective.sli
    if isinstance(sli, ThresholdSli):
        over = {Comparison.LTE: 1.0, Comparison.LT: 1.0, Comparison.GTE: -1.0, Comparison.GT: -1.0}[sli.op]
        margin = max(abs(sli.value), 1.0) / 2.0
        return (Example(queries[TOTAL], sli.value - over * margin, sli.value + over * margin, query=True),)
    if sli.raw is not None:
        return (Example(queries[TOTAL], float(sli.raw_is_success), float(not sli.raw_is_success), query=True),)
    part = next(column for column in queries if column != TOTAL)
    bad = part == BAD
    return (
        Example(queries[TOTAL], 100.0, 100.0, query=True),
        Example(queries[part], 0.0 if bad else 100.0, 100.0 if bad else 0.0, query=True),
    )


def _found(among: Iterable[Selector], fits: Callable[[str, dict[str, str]], bool]) -> tuple[str, dict[str, str]] | None:
    """The first series that one of the selectors selects and that fits."""
    among = tuple(among)
    labels = sorted({label for selector in among for label, _, _ in selector.matchers})
    values = {label: _values(label, among) for label in labels}
    for selector in among:
        for chosen in itertools.islice(itertools.product(*(values[label] for label in labels)), _MOST):
            series = {label: value for label, value in zip(labels, chosen, strict=True) if value}
            if selector.matches(selector.metric, series) and fits(selector.metric, series):
                return selector.metric, series
    return None


def _values(label: str, among: Iterable[Selector]) -> list[str]:
    """What the label may be, the likeliest first: values that a matcher spells out, then everyday ones."""
    spelled: list[str] = []
    for selector in among:
        for name, pattern, _ in selector.matchers:
            if name == label:
                spelled += [word for piece in re.split(r"[|()]", pattern.pattern) if (word := _literal(piece))]
    fitting = [
        w for w in spelled if any(n == label and p.fullmatch(w) for selector in among for n, p, _ in selector.matchers)
    ]
    return list(dict.fromkeys([*fitting, *_WORDS]))


def _literal(piece: str) -> str:
    """The text that a part of a pattern spells out; empty where it is a pattern itself."""
    return "" if re.search(r"[.+*?\[\]{}^$]", re.sub(r"\\.", "", piece)) else re.sub(r"\\(.)", r"\1", piece)


def _any(among: Iterable[Selector], metric: str, labels: dict[str, str]) -> bool:
    return any(selector.matches(metric, labels) for selector in among)


def _spelled(metric: str, labels: dict[str, str]) -> str:
    written = {key: value.replace("\\", "\\\\").replace('"', '\\"') for key, value in labels.items()}
    listed = ",".join(f'{key}="{value}"' for key, value in written.items())
    return f"{metric}{{{listed}}}" if listed else metric


def _refused(objective: Objective, expr: str) -> ConfigError:
    return ConfigError(f"objective {objective.id}: no series can be made up for {expr}; write its tests by hand")
