"""One failed request that wakes somebody up."""

from __future__ import annotations

from collections.abc import Iterator

from observer.config.documents.durations import format_duration
from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject
from observer.domain import names


def _run(subject: Subject) -> Iterator[Hit]:
    for made, tier in subject.tiers():
        if made.objective.low_traffic.min_bad > 1 or tier.severity != "page":
            continue
        volume = 1 / (tier.factor * made.objective.allowed)
        if volume > 1:
            fault = made.slo.annotation_fault(
                names.SLO_MIN_BAD_EVENTS,
                f"lets a single failed request page by tier {tier.name} while there are fewer than {volume:.0f} "
                f"requests in {format_duration(tier.long)}",
                "5 is the default",
            )
            yield Hit(fault, made.slo)


CHECK = Check("burn-single-request", Severity.WARNING, "a single failed request can page", _run)
