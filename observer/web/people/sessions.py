"""Sessions of signed-in people: kept in this process, so that a sign-out or a restart ends them for good."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from observer.domain.person import Identity
from observer.ports.sources import Clock

MOST: Final = 4096
"""Sessions at once; one more ends the one that was used least lately."""


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
