"""
Ready sets of burn rate tiers (annotation ``observer.dev/burn``).

A tier spends ``share`` of the budget of ``period`` within its long window; its factor is ``share * period / long``. The
30 day shares (2 %, 5 %, 10 %, 10 %) are those of the SRE workbook with the row that its users added.
"""

from __future__ import annotations

from typing import Final

from observer.domain.slo import BurnTier

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0


def _tiers(days: int, shares: tuple[float, float, float, float]) -> tuple[BurnTier, ...]:
    rows = (
        ("page-1h", "page", _HOUR, 5 * _MINUTE),
        ("page-6h", "page", 6 * _HOUR, 30 * _MINUTE),
        ("ticket-1d", "ticket", _DAY, 2 * _HOUR),
        ("ticket-3d", "ticket", 3 * _DAY, 6 * _HOUR),
    )
    return tuple(
        BurnTier(name, severity, round(share * days * _DAY / long, 6), long, short)
        for (name, severity, long, short), share in zip(rows, shares, strict=True)
    )


_MONTH = (0.02, 0.05, 0.1, 0.1)

BURN_SETS: Final[dict[str, tuple[BurnTier, ...]]] = {
    "sre-30d": _tiers(30, _MONTH),
    "sre-28d": _tiers(28, _MONTH),
    "sre-7d": _tiers(7, (0.08, 0.125, 0.2, 0.42)),
}
"""By the annotation's value."""
