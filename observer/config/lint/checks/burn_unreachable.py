"""A factor that no burn rate can reach: the alert is silent even when everything fails."""

from __future__ import annotations

from collections.abc import Iterator

from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject, target_hit


def _run(subject: Subject) -> Iterator[Hit]:
    for made, tier in subject.tiers():
        allowed = made.objective.allowed
        if tier.factor * allowed >= 1 - 1e-9:
            yield target_hit(
                made,
                f"tier {tier.name} can never fire: with every event bad the burn rate is {1 / allowed:.4g}, "
                f"and it fires above {tier.factor:g}",
                f"a target above {1 - 1 / tier.factor:.4g}, or a smaller factor" if tier.factor > 1 else "",
            )


CHECK = Check("burn-unreachable", Severity.ERROR, "a burn rate factor can never be reached", _run)
