"""Whose token is it, and may they? Asked of the API server; tokens are remembered for a minute."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Final, TypeVar

import msgspec

from observer.domain import names
from observer.domain.errors import SourceProtocolError
from observer.domain.person import Identity
from observer.kube.client import KubeApi
from observer.kube.errors import KubeError, as_source_error
from observer.ports.sources import Clock

REMEMBERED: Final = 60.0
_MOST: Final = 256
_TOKENS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
_ACCESS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class _User(msgspec.Struct, frozen=True):
    username: str = ""
    uid: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str]] | None = None


class _Status(msgspec.Struct, frozen=True):
    authenticated: bool = False
    user: _User = _User()


class _Review(msgspec.Struct):
    status: _Status = _Status()


class _Access(msgspec.Struct, frozen=True):
    allowed: bool = False
    denied: bool = False


class _AccessReview(msgspec.Struct):
    status: _Access = _Access()


class KubeTokenReviews:
    """
    Implements ``web.authenticate.TokenReviews`` and ``web.people.door.Identities``. Tokens are remembered by their hash
    only.
    """

    def __init__(self, api: KubeApi, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._known: OrderedDict[bytes, tuple[float, Identity | None]] = OrderedDict()

    async def reviewed(self, token: str) -> str | None:
        """The user's name; None = nobody's token. Raises: SourceUnavailable, SourceProtocolError."""
        identity = await self.identified(token)
        return identity.name if identity is not None else None

    async def identified(self, token: str) -> Identity | None:
        """The user with their groups; None = nobody's token. Raises: SourceUnavailable, SourceProtocolError."""
        key, now = hashlib.sha256(token.encode()).digest(), self._clock.monotonic()
        remembered = self._known.get(key)
        if remembered is not None and now - remembered[0] < REMEMBERED:
            return remembered[1]
        user = await self._ask(token)
        self._known[key] = (now, user)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return user

    async def _ask(self, token: str) -> Identity | None:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        status = (await _asked(self._api, _TOKENS, body, _Review, "token review")).status
        if not status.authenticated or not status.user.username:
            return None
        user = status.user
        extra = tuple((key, tuple(values)) for key, values in sorted((user.extra or {}).items()))
        return Identity(user.username, tuple(user.groups or ()), user.uid, extra)


class KubeAccessReviews:
    """Implements ``web.people.roles.AccessReviews``: the verb on resource ``observers`` of our group, everywhere."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def allowed(self, identity: Identity, verb: str) -> bool:
        """Raises: SourceUnavailable, SourceProtocolError."""
        spec = {
            "user": identity.name,
            "groups": list(identity.groups),
            "uid": identity.uid,
            "extra": {key: list(values) for key, values in identity.extra},
            "resourceAttributes": {"group": names.OBSERVER, "resource": "observers", "verb": verb},
        }
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        status = (await _asked(self._api, _ACCESS, body, _AccessReview, "access review")).status
        return status.allowed and not status.denied


T = TypeVar("T")


async def _asked(api: KubeApi, path: str, body: object, kind: type[T], what: str) -> T:
    try:
        answer = await api.request("POST", path, body=body, content_type="application/json")
    except KubeError as exc:
        raise as_source_error(what, exc) from exc
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise SourceProtocolError(f"kubernetes: {what}: {exc}") from exc
