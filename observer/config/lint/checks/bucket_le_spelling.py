"""``le="250"`` finds nothing on Prometheus 3, which writes ``250.0``; the other way round on Prometheus 2."""

from __future__ import annotations

from collections.abc import Iterator

from observer.config.lint.check import Check, Severity
from observer.config.lint.checks.bucket_le_unknown import bound_in
from observer.config.lint.expressions import spellings
from observer.config.lint.subject import Hit, Subject


def _run(subject: Subject) -> Iterator[Hit]:
    for question, selected in subject.selected():
        if not selected.metric.endswith("_bucket"):
            continue
        for matcher in selected.on("le"):
            bound = bound_in(matcher.value)
            if matcher.op not in {"=", "=~"} or bound is None or matcher.takes("+Inf"):
                continue
            both = spellings(bound)
            if {matcher.takes(text) for text in both} == {True, False}:
                yield question.hit(
                    f'le{matcher.op}"{matcher.value}" knows one spelling of the bucket: servers write '
                    f"{both[0]} (Prometheus 2) or {both[1]} (Prometheus 3)",
                    f'le=~"{both[0]}([.]0)?"',
                )


CHECK = Check("bucket-le-spelling", Severity.WARNING, "le is written for one version of Prometheus only", _run)
