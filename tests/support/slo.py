"""Builders of objectives and of the counters they are counted from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from observer.domain.events import Readings, Series
from observer.domain.ids import ServiceRef
from observer.domain.slo import (
    BURN_PRESETS,
    BudgetStatus,
    DataState,
    Objective,
    ObjectiveStatus,
    Query,
    RatioSli,
    RollingWindow,
)

DAY = 86_400.0
CART = ServiceRef("shop", "cart")


def objective(name: str = "cart-availability", **changes: Any) -> Objective:
    """99.9 % of the cart's requests over 30 days, four tiers."""
    made: dict[str, Any] = {
        "id": f"shop/{name}",
        "version": "1",
        "slo": name,
        "service": "cart",
        "sli": RatioSli(bad=Query('bad_total{service="cart"}'), total=Query('all_total{service="cart"}')),
        "target": 0.999,
        "window": RollingWindow(30 * DAY),
        "scope": CART,
        "tiers": BURN_PRESETS["sre-30d"],
    }
    return Objective(**{**made, **changes})


def status(objective: Objective, state: DataState = DataState.OK, **changes: Any) -> ObjectiveStatus:
    """How an objective stands that has nothing to tell."""
    return ObjectiveStatus(objective, 0.0, state, "", BudgetStatus(0.0, 0.0, 0.0, 0.0), **changes)


def readings(at: float, values: Mapping[Series, float]) -> Readings:
    """Counters of one instant."""
    return Readings(at, tuple(values), np.array(list(values.values()), dtype=np.float64))
