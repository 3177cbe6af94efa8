"""The ``observer.dev/*`` annotations: the only place where OpenSLO lets a tool extend its documents."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from observer.config.documents.declarations import Disagreement
from observer.domain import names
from observer.domain.slo import BurnTier, NoData, Preset

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0


def _tiers(days: int, shares: tuple[float, float, float, float]) -> tuple[BurnTier, ...]:
    rows = (
        ("page-1h", "page", _HOUR, 5 * _MINUTE),
        ("page-6h", "page", 6 * _HOUR, 30 * _MINUTE),
        ("ticket-1d", "ticket", _DAY, 2 * _HOUR),
        ("ticket-3d", "ticket", 3 * _DAY, 6 * _HOUR),
    )
    return tuple(
        BurnTier(name, severity, round(share * days * _DAY / long, 6), long, short)
        for (name, severity, long, short), share in zip(rows, shares, strict=True)
    )


_MONTH = (0.02, 0.05, 0.1, 0.1)

BURN_SETS: Final[dict[str, tuple[BurnTier, ...]]] = {
    "sre-30d": _tiers(30, _MONTH),
    "sre-28d": _tiers(28, _MONTH),
    "sre-7d": _tiers(7, (0.08, 0.125, 0.2, 0.42)),
}
"""By the annotation's value."""


_SCOPE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_IDS: Final = re.compile(r"[a-z0-9-]+(\s*,\s*[a-z0-9-]+)*")


def _word(*allowed: str) -> Callable[[str], tuple[str, str]]:
    def fault(value: str) -> tuple[str, str]:
        if value in allowed:
            return "", ""
        near = difflib.get_close_matches(value, allowed, n=1)
        return f'must be one of {", ".join(allowed)}, got "{value[:40]}"', f"did you mean {near[0]}?" if near else ""

    return fault


def _number(low: float, high: float, *, above: bool = False) -> Callable[[str], tuple[str, str]]:
    def fault(value: str) -> tuple[str, str]:
        try:
            number = float(value)
        except ValueError:
            return f'must be a number in quotes, got "{value[:40]}"', ""
        if not (low < number if above else low <= number) or not number <= high:
            return f"must be {'above' if above else 'from'} {low:g}, at most {high:g}, got {value}", ""
        return "", ""

    return fault


def _text(pattern: re.Pattern[str], wanted: str) -> Callable[[str], tuple[str, str]]:
    def fault(value: str) -> tuple[str, str]:
        return ("", "") if pattern.fullmatch(value) else (f'must be {wanted}, got "{value[:60]}"', "")

    return fault


def _confidence(value: str) -> tuple[str, str]:
    message, hint = _number(0.5, 0.9999)(value)
    return (message, hint or "for example 0.95") if message else ("", "")


_IGNORE = _text(_IDS, "ids of checks divided by commas")
_ALLOWED: Final[Mapping[str, Mapping[str, Callable[[str], tuple[str, str]]]]] = {
    "SLO": {
        names.SLO_PRESET: _word(*(preset.value for preset in Preset)),
        names.SLO_NO_DATA: _word(*(word.value for word in NoData)),
        names.SLO_MIN_BAD_EVENTS: _number(0, 1e6, above=True),
        names.SLO_CONFIDENCE: _confidence,
        names.SLO_BURN: _word(*BURN_SETS),
        names.SLO_CUT_MS: _number(0, 3_600_000, above=True),
        names.SLO_SCOPE: _text(_SCOPE, "NAMESPACE/SERVICE"),
        names.SLO_EACH: _word("service"),
        names.SLO_CLUSTER: _text(re.compile(r"\S{1,63}"), "a cluster's name without spaces"),
        names.LINT_IGNORE: _IGNORE,
    },
    "SLI": {names.LINT_IGNORE: _IGNORE},
    "AlertPolicy": {
        names.SLO_ALL_OF: _text(re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"), "the name of an AlertPolicy"),
        names.LINT_IGNORE: _IGNORE,
    },
}


def judged(kind: str, annotations: Mapping[str, str]) -> Iterator[Disagreement]:
    """What is wrong with the annotations of a document of this ``kind``; ``field`` is the annotation's key."""
    allowed = _ALLOWED.get(kind, {})
    for key, value in annotations.items():
        if not key.startswith(f"{names.OBSERVER}/"):
            continue
        if key not in allowed:
            home = next((other for other, keys in _ALLOWED.items() if key in keys), "")
            near = difflib.get_close_matches(key, allowed, n=1)
            meant = f"did you mean {near[0]}?" if near else ""
            yield Disagreement(key, f"is no annotation of kind {kind}", f"it belongs on kind {home}" if home else meant)
            continue
        message, hint = allowed[key](value)
        if message:
            yield Disagreement(key, message, hint)
    if kind == "SLO":
        yield from _together(annotations)


def _together(annotations: Mapping[str, str]) -> Iterator[Disagreement]:
    preset = annotations.get(names.SLO_PRESET, "")
    if names.SLO_SCOPE in annotations and names.SLO_EACH in annotations:
        yield Disagreement(names.SLO_SCOPE, f"cannot stand beside {names.SLO_EACH}", "keep one of them")
    if preset and not {names.SLO_SCOPE, names.SLO_EACH} & set(annotations):
        hint = f"add {names.SLO_SCOPE}: NAMESPACE/SERVICE, or {names.SLO_EACH}: service"
        yield Disagreement(names.SLO_PRESET, "does not say which service it is for", hint)
    if preset == Preset.ISTIO_LATENCY.value and names.SLO_CUT_MS not in annotations:
        yield Disagreement(names.SLO_PRESET, f"needs {names.SLO_CUT_MS} beside it", 'for example "250"')
    if names.SLO_CUT_MS in annotations and preset != Preset.ISTIO_LATENCY.value:
        yield Disagreement(names.SLO_CUT_MS, f"is read with {names.SLO_PRESET}: {Preset.ISTIO_LATENCY.value} only")
