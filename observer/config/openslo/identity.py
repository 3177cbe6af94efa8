"""What makes an objective the same one, and what makes its arithmetic another."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

from observer.domain.slo import Objective

_ARITHMETIC = (
    "sli",
    "target",
    "window",
    "method",
    "scope",
    "slice_target",
    "slice_seconds",
    "no_data",
    "weight",
    "composite",
    "preset",
    "cut_ms",
    "cluster",
)


def identified(objective: Objective) -> Objective:
    """
    The objective with its ``version``: twelve hex digits of all that changes its counts or its budget.

    Texts, labels and who is told do not count; nor do the computed bounds of a calendar, which move with the clock.
    """
    values = asdict(objective)
    arithmetic = {key: values[key] for key in _ARITHMETIC}
    arithmetic["window"].pop("bounds", None)
    text = json.dumps(arithmetic, sort_keys=True, separators=(",", ":"))
    return replace(objective, version=hashlib.sha256(text.encode()).hexdigest()[:12])
