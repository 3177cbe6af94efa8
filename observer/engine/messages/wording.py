"""Words and figures that all messages share: one style for shares, evidence, names and causes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from observer.domain.attribution import RankedCause
from observer.domain.suspect import CulpritKind, Suspect, Tier

Needs = Mapping[Tier, float]
"""The evidence score that each tier needs."""

_LINES: Final = 3
"""Lines of evidence that a cause is given with."""


def percent(rate: float) -> str:
    """A share for people: ``31 %``, ``0.2 %``, ``0.04 %``."""
    value = 100.0 * rate
    if value == 0.0:
        return "0 %"
    return f"{value:.0f} %" if value >= 10.0 else f"{value:.1f} %" if value >= 0.1 else f"{value:.2g} %"


def evidence(tier: Tier, score: float, needs: Needs) -> str:
    """``evidence 18.4 of 20.0 needed to evict``: the tier ahead, or the last one when all are reached."""
    ahead = [further for further in (Tier.ANNOTATE, Tier.DRAIN, Tier.EVICT) if further > tier and further in needs]
    goal = ahead[0] if ahead else Tier.EVICT
    return (
        f"evidence {score:.1f} of {needs[goal]:.1f} needed to {goal.name.lower()}"
        if goal in needs
        else (f"evidence {score:.1f}")
    )


def name_of(suspect: Suspect) -> str:
    """The culprit as the first word of a sentence."""
    culprit = suspect.culprit
    return culprit.name if culprit.kind is CulpritKind.POD else f"{culprit.kind.value.capitalize()} {culprit.name}"


def cause(ranked: RankedCause) -> str:
    """``pod shop/store-1 (99.9 %: 3 of 90 errors ...)`` with its strongest lines of evidence."""
    lines = "; ".join(line.text for line in ranked.lines[:_LINES])
    return f"{ranked.cause} ({100.0 * ranked.probability:.3g} %{': ' + lines if lines else ''})"
