"""Resources: a pod that suddenly works much harder. Weak on its own, since load and retries do that too."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Final

from observer.domain.attribution import AttributionInputs, Measure
from observer.domain.ids import ServiceRef
from observer.engine.attribution.ballots import ServiceEvidence
from observer.engine.attribution.contrast import Contrast, contrast

_MOST: Final = 5.0
"""Nats that resources may add: they say who is busy, not who is at fault."""


def saturation_evidence(inputs: AttributionInputs) -> ServiceEvidence | None:
    """Who is busier than usual, by how certain that is and by how much; None when nobody is."""
    rises: dict[ServiceRef, float] = defaultdict(float)
    strongest: dict[ServiceRef, tuple[float, str, Contrast]] = {}
    for reading in inputs.readings:
        if reading.measure is not Measure.SATURATION:
            continue
        change = contrast(reading)
        if change is None or change.score <= 0.0:
            continue
        weight = change.score * math.log1p(change.excess / max(change.usual, 1e-9))
        rises[reading.service] = max(rises[reading.service], weight)
        known = strongest.get(reading.service)
        if known is None or (change.score, reading.what) > (known[0], known[1]):
            strongest[reading.service] = (change.score, reading.what, change)
    whole = sum(rises.values())
    if whole <= 0.0:
        return None
    score = min(max(one[0] for one in strongest.values()), _MOST)
    texts = {
        service: f"{what} {change.usual:.3g} -> {change.usual + change.excess:.3g}"
        for service, (_, what, change) in strongest.items()
    }
    return ServiceEvidence(
        "saturation", score, {service: weight / whole for service, weight in rises.items()}, texts=texts
    )
