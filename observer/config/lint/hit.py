"""One place that a check does not like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from observer.config.documents.faults import Fault
from observer.config.openslo.documents import Placed


@dataclass(frozen=True, slots=True)
class Hit:
    """One place that a check does not like; ``owner`` may carry ``observer.dev/lint-ignore``."""

    fault: Fault
    owner: Placed[Any] | None = None
