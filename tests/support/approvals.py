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
        return [one for one in self.words if one.until > now]

    async def withdraw(self, plan: str, who: str, at: float) -> bool:
        self._there()
        found = [one for one in self.words if one.plan == plan and one.until > at]
        self.words = [one for one in self.words if one not in found]
        return bool(found)

    async def prune(self, before: float) -> int:
        self._there()
        return 0

    def _there(self) -> None:
        if self.broken:
            raise JournalUnavailable("disk is full")
