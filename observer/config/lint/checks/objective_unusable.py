"""References that lead nowhere, and what Observer cannot evaluate."""

from __future__ import annotations

from collections.abc import Iterator

from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject


def _run(subject: Subject) -> Iterator[Hit]:
    return (Hit(fault) for fault in subject.assembled.faults)


CHECK = Check("objective-unusable", Severity.ERROR, "an SLO cannot be turned into objectives", _run)
