"""A book of approvals in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from observer.domain.approval import Approval
from observer.domain.errors import JournalUnavailable


@dataclass
class MemoryApprovals:
    """Implements ``ports.stores.ApprovalStore``; ``broken`` makes every call fail."""

    words: list[Approval] = field(default_factory=list)
    broken: bool = False

    async def give(self, approval: Approval) -> None:
        self._there()
        if approval not in self.words:
            self.words.append(approval)

    async def standing(self, now: float) -> Sequence[Approval]:
        self._there()
        return sorted((word for word in self.words if word.until > now), key=lambda word: word.given)

    async def withdraw(self, plan: str, who: str, at: float) -> bool:
        self._there()
        found = [word for word in self.words if word.plan == plan and word.until > at]
        self.words = [word for word in self.words if word not in found]
        return bool(found)

    async def prune(self, before: float) -> int:
        self._there()
        old = [word for word in self.words if word.given < before]
        self.words = [word for word in self.words if word not in old]
        return len(old)

    def _there(self) -> None:
        if self.broken:
            raise JournalUnavailable("disk is full")
