"""What the ladder has in hand, as far as the judges must know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from observer.domain.ids import PodRef, ServiceRef


@dataclass(frozen=True, slots=True, eq=False)
class OpenActions:
    """
    Attributes:
        drained: pods that are out of their callers' balancing now. Their evidence is frozen and kept while they have
            no traffic: silence is not health.
        label_writes: pods whose labels we changed, and when (Unix seconds). A scrape configuration that maps pod
            labels makes new series of it: where the source cannot tell, two scrapes after a write are a baseline.
        acquitted: pods that an experiment cleared, and until when.
        services: services with an open incident: always watched.
    """

    drained: frozenset[PodRef] = frozenset()
    label_writes: Mapping[PodRef, float] = field(default_factory=dict)
    cleared: Mapping[PodRef, float] = field(default_factory=dict)
    services: frozenset[ServiceRef] = frozenset()
