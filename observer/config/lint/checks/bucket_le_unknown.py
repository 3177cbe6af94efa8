"""A ``le`` that no sidecar exports: the query is empty, and an empty query looks like a service without failures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from observer.config.lint.check import Check, Severity
from observer.config.lint.expressions import BUCKETS_MS, Matcher, neighbours, spellings
from observer.config.lint.subject import Hit, Subject

_MESH: Final = "istio_request_duration_milliseconds_bucket"
_NUMBER: Final = re.compile(r"[0-9]+(?:(?:\.|\\\.|\[\.\])[0-9]+)?")


def bound_in(text: str) -> float | None:
    """The first number in a value or pattern: ``250([.]0)?`` speaks of 250."""
    found = _NUMBER.search(text)
    return float(re.sub(r"[\\\[\]]", "", found[0])) if found else None


def _known(matcher: Matcher) -> bool:
    if matcher.takes("+Inf"):
        return True
    if matcher.op == "=":
        try:
            return float(matcher.value) in BUCKETS_MS
        except ValueError:
            return False
    return any(matcher.takes(text) is not False for bound in BUCKETS_MS for text in spellings(bound))


def _run(subject: Subject) -> Iterator[Hit]:
    for question, selected in subject.selected():
        if selected.metric != _MESH:
            continue
        for matcher in selected.on("le"):
            if matcher.op not in {"=", "=~"} or _known(matcher):
                continue
            bound = bound_in(matcher.value)
            near = " or ".join(f"{neighbour:g}" for neighbour in neighbours(bound)) if bound is not None else ""
            yield question.hit(
                f'le{matcher.op}"{matcher.value}" is none of Envoy\'s default buckets: it selects nothing',
                f"nearest: {near}" if near else "for example 250",
            )


CHECK = Check("bucket-le-unknown", Severity.ERROR, "le is none of Envoy's default buckets", _run)
