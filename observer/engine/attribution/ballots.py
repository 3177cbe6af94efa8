"""What one kind of evidence has to say: so many nats, shared out among causes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from observer.domain.attribution import Cause, EvidenceLine
from observer.domain.ids import ServiceRef


@dataclass(frozen=True, slots=True)
class ServiceEvidence:
    """
    Attributes:
        word: the kind of evidence, as in ``EvidenceLine``.
        nats: how certain it is that anything is wrong at all, as far as this kind can see.
        services, others: the part of the trouble, 0..1, that stays with each service, and with edges and strangers.
            What is missing from 1 is explained by nobody and speaks for UNKNOWN.
        texts: what a person should read about each service.
        inherited: the part of each service's own trouble, 0..1, that its callees account for.
        onset: when the trouble began, Unix seconds; None when this kind cannot tell.
    """

    word: str
    score: float
    services: Mapping[ServiceRef, float]
    others: Mapping[Cause, float] = field(default_factory=dict)
    texts: Mapping[ServiceRef, str] = field(default_factory=dict)
    inherited: Mapping[ServiceRef, float] = field(default_factory=dict)
    onset: float | None = None

    @property
    def unexplained(self) -> float:
        """The part that nobody accounts for, 0..1."""
        return max(1.0 - sum(self.services.values()) - sum(self.others.values()), 0.0)


@dataclass(frozen=True, slots=True)
class MemberEvidence:
    """
    Within one service: evidence for one member over all pods being alike, in nats (negative: against).

    ``cause`` is a pod, revision, node or zone.
    """

    service: ServiceRef
    cause: Cause
    line: EvidenceLine
