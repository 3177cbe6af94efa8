"""A histogram's buckets without ``le``: each request is counted once in every bucket above it."""

from __future__ import annotations

from collections.abc import Iterator

from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject


def _run(subject: Subject) -> Iterator[Hit]:
    for question, selected in subject.selected():
        if not selected.metric.endswith("_bucket") or "histogram_quantile" in selected.around:
            continue
        if question.role == "threshold":
            continue  # threshold-histogram says more
        if not any(matcher.op in {"=", "=~"} for matcher in selected.on("le")):
            hint = 'le=~"250([.]0)?" for example; the number of all requests is the metric that ends in _count'
            yield question.hit(f"selects {selected.metric} without le: every bucket is added up", hint)


CHECK = Check("bucket-le-missing", Severity.ERROR, "a histogram bucket is selected without le", _run)
