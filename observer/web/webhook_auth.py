"""
Who is calling? Ways for machines to prove it; at least one must be set up where something may be started from outside.

Secrets stand in files, are read again when they change, and are compared in constant time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from aiohttp import web

from observer.domain.errors import ConfigError, SourceProtocolError, SourceUnavailable
from observer.ports.sources import Clock

SIGNATURE: Final = "X-Observer-Signature"
"""``sha256=`` and the hex HMAC-SHA256 of ``TIMESTAMP.BODY``."""
TIMESTAMP: Final = "X-Observer-Timestamp"
"""Unix seconds; a signature is good for five minutes around it."""
_SIGNATURE_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who it is, and how that was proven."""

    name: str
    by: str


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request with its body, read and bounded already."""

    request: web.Request
    body: bytes

    @property
    def bearer(self) -> str:
        """The token of ``Authorization: Bearer``, empty without one."""
        kind, _, value = self.authorization.partition(" ")
        return value.strip() if kind.lower() == "bearer" else ""

    @property
    def authorization(self) -> str:
        value = self.request.headers.get("Authorization", "")
        return value if value.isascii() else ""


class Authenticator(Protocol):
    """One way; None = this way does not prove anything. Raises ``SourceUnavailable`` when it cannot be found out."""

    async def caller(self, received: ReceivedRequest) -> Caller | None: ...


class SecretFile:
    """A secret in a file, stripped; empty or unreadable is an error, never an open door. Raises: ConfigError."""

    def __init__(self, path: str, field: str) -> None:
        self._path, self._field = Path(path), field
        self._stamp: tuple[int, int] | None = None
        self._secret = b""
        self.read()

    def read(self) -> bytes:
        """The secret as it is now; while the file cannot be read, the last one that could."""
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if stamp != self._stamp:
                self._secret, self._stamp = self._path.read_bytes().strip(), stamp
        except OSError as exc:
            if self._stamp is None:
                raise ConfigError(f"{self._field}: {exc.strerror}: {self._path}") from exc
        if not self._secret:
            raise ConfigError(f"{self._field}: {self._path} is empty: write the secret into it")
        return self._secret


class BearerToken:
    """``Authorization: Bearer TOKEN`` with the token of a file."""

    def __init__(self, secret: SecretFile) -> None:
        self._secret = secret

    async def caller(self, received: ReceivedRequest) -> Caller | None:
        token = received.bearer
        if token and hmac.compare_digest(token.encode(), self._secret.read()):
            return Caller("bearer", "bearer token")
        return None


class Basic:
    """``Authorization: Basic`` with one name and the password of a file."""

    def __init__(self, username: str, secret: SecretFile) -> None:
        self._username, self._secret = username, secret

    async def caller(self, received: ReceivedRequest) -> Caller | None:
        kind, _, value = received.authorization.partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            given = base64.b64decode(value.strip(), validate=True)
        except (binascii.Error, ValueError):
            return None
        wanted = self._username.encode() + b":" + self._secret.read()
        return Caller(self._username, "basic") if hmac.compare_digest(given, wanted) else None


class Signed:
    """An HMAC over timestamp and body; for senders that can sign (Alertmanager cannot)."""

    def __init__(self, secret: SecretFile, clock: Clock) -> None:
        self._secret, self._clock = secret, clock

    async def caller(self, received: ReceivedRequest) -> Caller | None:
        headers = received.request.headers
        given, when = headers.get(SIGNATURE, ""), headers.get(TIMESTAMP, "")
        if not given or not given.isascii() or not when.isascii() or not when.isdigit():
            return None
        wanted = (
            "sha256=" + hmac.new(self._secret.read(), when.encode() + b"." + received.body, hashlib.sha256).hexdigest()
        )
        fresh = abs(self._clock.now() - float(when)) <= _SIGNATURE_SECONDS
        matches = hmac.compare_digest(given.encode(), wanted.encode())
        return Caller("hmac", "signature") if matches and fresh else None


class ClientCertificate:
    """A certificate that the listener's own authority signed; the TLS handshake has checked it."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    async def caller(self, received: ReceivedRequest) -> Caller | None:
        transport = received.request.transport
        certificate = transport.get_extra_info("peercert") if transport is not None else None
        if not certificate:
            return None
        subject = {key: value for part in certificate.get("subject", ()) for key, value in part}
        names = {subject.get("commonName", ""), *(value for _, value in certificate.get("subjectAltName", ()))}
        if self._names and not names & self._names:
            return None
        return Caller(min(names & self._names) if self._names else subject.get("commonName", "certificate"), "mTLS")


class TokenReviews(Protocol):
    """Asks the API server whose token it is; None = nobody's."""

    async def reviewed(self, token: str) -> str | None: ...


class ServiceAccountToken:
    """A Kubernetes token, asked of the API server; only the listed accounts may call."""

    def __init__(self, reviews: TokenReviews, accounts: Sequence[str]) -> None:
        self._reviews, self._accounts = reviews, frozenset(accounts)

    async def caller(self, received: ReceivedRequest) -> Caller | None:
        token = received.bearer
        if not token or token.count(".") != 2:
            return None  # no JWT: not worth a question to the API server
        user = await self._reviews.reviewed(token)
        return Caller(user, "TokenReview") if user is not None and user in self._accounts else None


async def authenticated(ways: Sequence[Authenticator], received: ReceivedRequest) -> Caller:
    """
    The first way that proves who it is.

    Raises: ``HTTPUnauthorized``; ``HTTPServiceUnavailable`` when no way proved it and one could not be asked.
    """
    unreachable = False
    for way in ways:
        try:
            if (caller := await way.caller(received)) is not None:
                return caller
        except (SourceUnavailable, SourceProtocolError, ConfigError):
            unreachable = True
    if unreachable:
        raise web.HTTPServiceUnavailable(text="who you are cannot be checked now; try again\n")
    raise web.HTTPUnauthorized(text="credentials are missing or wrong\n", headers={"WWW-Authenticate": "Bearer"})
