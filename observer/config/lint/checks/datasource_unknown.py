"""A ``metricSourceRef`` that leads nowhere."""

from __future__ import annotations

from collections.abc import Iterator

from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject
from observer.config.openslo.indicators import unknown_source


def _run(subject: Subject) -> Iterator[Hit]:
    for sli in subject.assembled.indicators:
        for fault in unknown_source(sli, subject.documents):
            yield Hit(fault)


CHECK = Check("datasource-unknown", Severity.ERROR, "a metricSourceRef names no DataSource", _run)
