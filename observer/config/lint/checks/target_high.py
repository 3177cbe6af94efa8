"""A target so near to 100 % that its budget is smaller than one request of an ordinary service."""

from __future__ import annotations

from collections.abc import Iterator

from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject, target_hit


def _run(subject: Subject) -> Iterator[Hit]:
    for made in subject.assembled.made:
        if made.objective.target > 0.99999:
            yield target_hit(
                made,
                f"allows one failure in {1 / made.objective.allowed:,.0f} requests: in effect 100 %",
                "0.999 or 0.9999",
            )


CHECK = Check("target-high", Severity.WARNING, "a target leaves no budget worth the name", _run)
