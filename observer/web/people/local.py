"""The token for whoever sits at the machine: made at each start, printed once, good on the loopback interface only."""

from __future__ import annotations

import hashlib
import hmac
import secrets


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
