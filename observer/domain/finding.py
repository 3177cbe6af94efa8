"""What ``doctor`` found out about one source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One line of a check-up.

    Attributes:
        name: a few fixed words (``prometheus reachable``).
        ok: True = good, False = Observer cannot judge or act rightly like this, None = could not be found out.
        detail: the figures, for people.
        remedy: what to do about it; empty when there is nothing to do.
    """

    name: str
    ok: bool | None
    detail: str
    remedy: str = ""
