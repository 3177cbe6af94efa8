"""Alerts as somebody else's alerting sends them. They may ask Observer to look; they never stand for evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from observer.domain.ids import ServiceRef


class AlertStatus(StrEnum):
    """Of one alert, never of its group: a group fires while any of its alerts does."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """
    One alert of one notification.

    Attributes:
        group: the sender's group key. fingerprint: of its labels, as the sender computed it.
        starts: as the sender wrote it (RFC 3339): part of its identity, so it is kept to the letter.
        labels, annotations: as sent. generator: where it came from; external: the sender's own address.
        received: Unix seconds.
    """

    group: str
    fingerprint: str
    starts: str
    status: AlertStatus
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    receiver: str = ""
    generator: str = ""
    external: str = ""
    received: float = 0.0

    @property
    def id(self) -> str:
        """Equal for every delivery of the same news: group, fingerprint, start and status, hashed."""
        return _hashed(self.group, self.fingerprint, self.starts, self.status.value)

    @property
    def spell(self) -> str:
        """Equal for the firing and the resolved news of one spell of one alert."""
        return _hashed(self.group, self.fingerprint, self.starts)

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "")


@dataclass(frozen=True, slots=True)
class PendingAlert:
    """A pending alert that is being looked into: since when (Unix seconds), and behind which service."""

    alert: Alert
    service: ServiceRef
    since: float


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
