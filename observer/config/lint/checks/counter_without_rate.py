"""A counter whose value is taken as it is: it only ever grows, so the ratio is that of the process's whole life."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject

_COUNTERS: Final = ("_total", "_bucket", "_count", "_sum")
_PRESENCE: Final = frozenset({"absent", "count", "group", "timestamp", "resets", "changes"})


def _run(subject: Subject) -> Iterator[Hit]:
    for question, selected in subject.selected():
        grows = selected.metric.endswith(_COUNTERS) and not selected.ranged
        if question.counter or not grows or _PRESENCE & set(selected.around):
            continue
        if question.role == "threshold" and selected.metric.endswith("_bucket"):
            continue  # threshold-histogram says more
        yield question.hit(
            f"takes the counter {selected.metric} as it is",
            "write counter: true beside a plain selector, or rate(...[5m])",
        )


CHECK = Check("counter-without-rate", Severity.ERROR, "a counter is used without rate or increase", _run)
