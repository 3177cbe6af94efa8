"""``counter: true`` beside an expression: Observer takes increases itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject

_RATES: Final = frozenset({"rate", "increase", "irate", "delta", "idelta"})


def _run(subject: Subject) -> Iterator[Hit]:
    for question in subject.queries:
        if not question.counter or question.read.error or question.read.plain:
            continue
        if question.read.kind not in {"vector", "scalar"}:
            continue
        if any(_RATES & set(selector.around) for selector in question.read.selected):
            message = "takes a rate, and counter: true takes the increase of it again"
        else:
            message = "is an expression, and counter: true takes the increase of its result: resets are hidden in it"
        yield question.hit(message, "write the selector alone, or counter: false")


CHECK = Check("counter-twice", Severity.ERROR, "counter: true with something else than a selector", _run)
