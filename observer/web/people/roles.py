"""What a person may do, asked of the cluster's own authorizer: RBAC grants it like anything else."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final, Protocol

from observer.domain.person import Identity, Role, with_implied
from observer.ports.sources import Clock

REMEMBERED: Final = 60.0
"""Seconds: a role that is taken away is gone at the latest after so long."""
VERBS: Final = {Role.VIEWER: "get", Role.APPROVER: "approve", Role.ADMIN: "admin"}
"""On resource ``observers`` of group ``observer.dev``, in the whole cluster."""
_MOST: Final = 1024


class AccessReviews(Protocol):
    """May somebody do this? Raises ``SourceUnavailable`` when it cannot be found out."""

    async def allowed(self, identity: Identity, verb: str) -> bool: ...


class Roles:
    """Roles by identity, asked again every minute."""

    def __init__(self, reviews: AccessReviews, clock: Clock) -> None:
        self._reviews, self._clock = reviews, clock
        self._known: OrderedDict[Identity, tuple[float, frozenset[Role]]] = OrderedDict()

    async def of(self, identity: Identity) -> frozenset[Role]:
        """Raises: SourceUnavailable, SourceProtocolError: nobody may anything then."""
        now = self._clock.monotonic()
        known = self._known.get(identity)
        if known is not None and now - known[0] < REMEMBERED:
            return known[1]
        answers = await asyncio.gather(*(self._reviews.allowed(identity, verb) for verb in VERBS.values()))
        roles = with_implied(frozenset(role for role, yes in zip(VERBS, answers, strict=True) if yes))
        self._known[identity] = (now, roles)
        self._known.move_to_end(identity)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return roles
