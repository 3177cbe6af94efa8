"""A budget window shorter than the windows that watch it."""

from __future__ import annotations

from collections.abc import Iterator

from observer.config.documents.durations import format_duration
from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject
from observer.config.openslo.words import seconds


def _run(subject: Subject) -> Iterator[Hit]:
    for made, tier in subject.tiers():
        written = made.slo.spec.time_window[0].duration
        if seconds(written) < tier.long:
            fault = made.slo.fault(
                ("spec", "timeWindow", 0, "duration"),
                f"{written} is shorter than the window of tier {tier.name}, {format_duration(tier.long)}",
                "the tier would look at failures that no budget counts any more",
            )
            yield Hit(fault, made.slo)


CHECK = Check("window-short", Severity.ERROR, "the budget's window is shorter than a tier's", _run)
