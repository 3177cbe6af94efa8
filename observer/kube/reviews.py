"""Whose token is it? Asked of the API server, remembered for a minute."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Final

import msgspec

from observer.kube.client import KubeApi
from observer.kube.errors import KubeError, as_source_error
from observer.ports.clock import Clock

REMEMBERED: Final = 60.0
_MOST: Final = 256
_PATH: Final = "/apis/authentication.k8s.io/v1/tokenreviews"


class _User(msgspec.Struct, frozen=True):
    username: str = ""


class _Status(msgspec.Struct, frozen=True):
    authenticated: bool = False
    user: _User = _User()


class _Review(msgspec.Struct):
    status: _Status = _Status()


class KubeTokenReviews:
    """Implements ``web.authenticate.TokenReviews``. Tokens are remembered by their hash only."""

    def __init__(self, api: KubeApi, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._known: OrderedDict[bytes, tuple[float, str | None]] = OrderedDict()

    async def reviewed(self, token: str) -> str | None:
        """The user's name; None = nobody's token. Raises: SourceUnavailable."""
        key, now = hashlib.sha256(token.encode()).digest(), self._clock.monotonic()
        known = self._known.get(key)
        if known is not None and now - known[0] < REMEMBERED:
            return known[1]
        user = await self._ask(token)
        self._known[key] = (now, user)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return user

    async def _ask(self, token: str) -> str | None:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        try:
            answer = await self._api.request("POST", _PATH, body=body, content_type="application/json")
            status = msgspec.json.decode(answer.body, type=_Review).status
        except KubeError as exc:
            raise as_source_error("token review", exc) from exc
        return status.user.username if status.authenticated and status.user.username else None
