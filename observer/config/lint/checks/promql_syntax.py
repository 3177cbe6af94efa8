"""A query that the server would refuse."""

from __future__ import annotations

from collections.abc import Iterator

from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject


def _run(subject: Subject) -> Iterator[Hit]:
    for question in subject.queries:
        if question.read.error:
            yield question.hit(f"is no PromQL: {question.read.error}")
        elif question.read.kind in {"matrix", "string"}:
            hint = "leave the range out: a counter's increase is taken by Observer" if question.counter else ""
            yield question.hit(f"gives a {question.read.kind}, and an instant value is needed", hint)


CHECK = Check("promql-syntax", Severity.ERROR, "a query is no PromQL or has the wrong type", _run)
