"""
Who is signed in, and what that is worth: sessions, roles, the local token, and a limit on failed attempts.

All of it is kept in this process, so that a sign-out or a restart ends it for good.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final, Protocol

from observer.domain.person import Identity, Role, with_implied
from observer.ports.sources import Clock

MOST: Final = 4096
"""Sessions at once; one more ends the one that was used least lately."""
REMEMBERED: Final = 60.0
"""Seconds: a role that is taken away is gone at the latest after so long."""
VERBS: Final = {Role.VIEWER: "get", Role.APPROVER: "approve", Role.ADMIN: "admin"}
"""On resource ``observers`` of group ``observer.dev``, in the whole cluster."""
MOST_ROLES: Final = 1024
WINDOW: Final = 300.0
"""Seconds that a failure counts."""
FROM_ONE: Final = 10
FROM_ALL: Final = 200
_PLACES: Final = 2048


@dataclass(slots=True)
class Session:
    """
    ``identity`` is None for the local token; ``csrf`` is what each unsafe request of the browser must repeat.

    ``ends`` and ``idle_from`` are instants of the monotonic clock; ``over`` = signed out, or pushed out by others.
    """

    identity: Identity | None
    by: str
    csrf: str
    ends: float
    idle_from: float
    over: bool = False


class Sessions:
    """
    ``lasts`` and ``idle`` are seconds: how long a session may last at all, and how long unused.

    Only hashes of the secrets are kept: who reads the memory of the process learns no cookie.
    """

    def __init__(self, clock: Clock, *, lasts: float, idle: float) -> None:
        self._clock, self._lasts, self._idle = clock, lasts, idle
        self._open: OrderedDict[bytes, Session] = OrderedDict()

    def open(self, identity: Identity | None, by: str) -> tuple[str, Session]:
        """A new session and its secret, for the cookie."""
        secret, now = secrets.token_urlsafe(32), self._clock.monotonic()
        session = Session(identity, by, secrets.token_urlsafe(32), now + self._lasts, now)
        self._open[_key(secret)] = session
        while len(self._open) > MOST:
            self._open.popitem(last=False)[1].over = True
        return secret, session

    def find(self, secret: str) -> Session | None:
        """The session of a cookie, now used; None when it is unknown or over."""
        key, now = _key(secret), self._clock.monotonic()
        session = self._open.get(key)
        if session is None:
            return None
        if not self.lives(session):
            del self._open[key]
            return None
        session.idle_from = now
        self._open.move_to_end(key)
        return session

    def lives(self, session: Session) -> bool:
        """It is not over yet; to ask is not to use it."""
        now = self._clock.monotonic()
        return not session.over and now < session.ends and now - session.idle_from < self._idle

    def close(self, secret: str) -> None:
        """Sign out; an unknown secret is no error."""
        if (session := self._open.pop(_key(secret), None)) is not None:
            session.over = True


def _key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


class AccessReviews(Protocol):
    """May somebody do this? Raises ``SourceUnavailable`` when it cannot be found out."""

    async def allowed(self, identity: Identity, verb: str) -> bool: ...


class Roles:
    """Roles by identity, asked again every minute."""

    def __init__(self, reviews: AccessReviews, clock: Clock) -> None:
        self._reviews, self._clock = reviews, clock
        self._cache: OrderedDict[Identity, tuple[float, frozenset[Role]]] = OrderedDict()

    async def of(self, identity: Identity) -> frozenset[Role]:
        """Raises: SourceUnavailable, SourceProtocolError: nobody may anything then."""
        now = self._clock.monotonic()
        cached = self._cache.get(identity)
        if cached is not None and now - cached[0] < REMEMBERED:
            return cached[1]
        answers = await asyncio.gather(*(self._reviews.allowed(identity, verb) for verb in VERBS.values()))
        roles = with_implied(frozenset(role for role, yes in zip(VERBS, answers, strict=True) if yes))
        self._cache[identity] = (now, roles)
        self._cache.move_to_end(identity)
        while len(self._cache) > MOST_ROLES:
            self._cache.popitem(last=False)
        return roles


class Throttle:
    """Counts failures by the place that they came from (see ``auth.place_at``); success forgives nothing, time does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: deque[float] = deque(maxlen=FROM_ALL)
        self._places: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, place: str) -> float:
        """Seconds until this place may try again; 0 = now."""
        now = self._clock.monotonic()
        here = self._places.get(place, deque[float]())
        waits = [0.0]
        for failures, most in ((here, FROM_ONE), (self._all, FROM_ALL)):
            if len(failures) >= most:
                waits.append(failures[0] + WINDOW - now)
        return max(waits)

    def failed(self, place: str) -> None:
        now = self._clock.monotonic()
        self._all.append(now)
        self._places.setdefault(place, deque(maxlen=FROM_ONE)).append(now)
        self._places.move_to_end(place)
        while len(self._places) > _PLACES:
            self._places.popitem(last=False)


class LocalToken:
    """Keeps only the hash of what ``made`` returned."""

    def __init__(self, token: str) -> None:
        self._hash = hashlib.sha256(token.encode()).digest()

    @classmethod
    def made(cls) -> tuple[LocalToken, str]:
        """A new one, and its text to be printed once."""
        token = secrets.token_urlsafe(24)
        return cls(token), token

    def is_it(self, token: str) -> bool:
        return hmac.compare_digest(hashlib.sha256(token.encode()).digest(), self._hash)
