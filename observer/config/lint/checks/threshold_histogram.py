"""A histogram compared as if it were a gauge."""

from __future__ import annotations

from collections.abc import Iterator

from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject


def _run(subject: Subject) -> Iterator[Hit]:
    for question, selected in subject.selected():
        if question.role != "threshold" or not selected.metric.endswith("_bucket"):
            continue
        what = "a quantile of a histogram" if "histogram_quantile" in selected.around else "buckets of a histogram"
        yield question.hit(
            f"compares {what}: a slow minute of ten requests weighs as much as one of ten thousand",
            "a ratioMetric: good = the bucket at the bound, total = the metric that ends in _count",
        )


CHECK = Check("threshold-histogram", Severity.ERROR, "a histogram is used as a threshold metric", _run)
