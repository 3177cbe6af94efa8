"""Who is told."""

from __future__ import annotations

from typing import Protocol

from observer.domain.decision import Decision


class Sink(Protocol):
    """A sink may fail or be slow; it never delays a decision (the runtime puts a bounded queue before it)."""

    @property
    def name(self) -> str: ...

    async def tell(self, decision: Decision) -> None: ...

    async def close(self) -> None: ...
