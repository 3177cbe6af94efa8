"""What a metric server has, for those who check queries before they are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class QueryCost:
    """
    What one evaluation took: samples read and seconds on the server, None where the server does not tell.
    """

    samples: int | None = None
    seconds: float | None = None


class SeriesCatalogue(Protocol):
    """
    Asked as of one instant, so that all answers fit together. Selectors are PromQL vector selectors.

    Raises: SourceUnavailable, SourceProtocolError.
    """

    async def count(self, selector: str) -> int:
        """How many series it selects now."""

    async def values(self, selector: str, label: str) -> tuple[str, ...]:
        """The values of ``label`` among them, sorted; a series without the label counts as ``""``."""

    async def cost(self, expr: str) -> QueryCost:
        """What an evaluation of ``expr`` takes."""

    async def close(self) -> None:
        """Let go of connections."""
