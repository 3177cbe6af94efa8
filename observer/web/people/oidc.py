"""
Sign-in with an OpenID provider: authorization code with PKCE, and an ID token that is believed only whole.

The provider is asked through ``http_client``: bounded, one origin, its own authority where the settings name one.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlencode

import msgspec

from observer.config.settings.model import OidcSettings
from observer.config.settings.sources import HttpAuth
from observer.domain.errors import ConfigError, SourceProtocolError, SourceUnavailable
from observer.domain.person import Identity
from observer.http_client.client import Endpoint, HttpClient, Response, refused
from observer.ports.sources import Clock
from observer.web.webhook_auth import SecretFile

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"]
"""Signatures with a key of the provider's; never a shared secret, never none."""
LEEWAY: Final = 60
"""Seconds that the provider's clock and ours may differ."""
WAITS: Final = 600.0
"""Seconds that a started sign-in may take."""
KEEPS: Final = 3600.0
"""Seconds that the provider's description and keys are believed."""
ASK_AGAIN: Final = 10.0
"""Seconds between two looks for a key that was not there."""
_MOST: Final = 1024
_BYTES: Final = 1 << 20
_Key = dict[str, object]
"""A key (RFC 7517) as the provider spells it."""


T = TypeVar("T")


class SignInFailed(Exception):
    """The provider, the browser or the token says no; the text is for people and holds no secret."""


class NotBegunHere(SignInFailed):
    """No sign-in of ours, or none of this browser: any site can send a browser with that, so it is nobody's guess."""


class _Description(msgspec.Struct):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Keys(msgspec.Struct):
    keys: list[_Key] = []


class _Tokens(msgspec.Struct):
    id_token: str


@dataclass(frozen=True, slots=True)
class Started:
    """One sign-in under way. ``browser`` is the secret of the cookie: only who began it may end it."""

    browser: str
    nonce: str
    verifier: str
    next: str
    at: float


class Provider:
    """One OpenID provider. ``back`` is where it sends people back to."""

    def __init__(self, settings: OidcSettings, back: str, clock: Clock) -> None:
        self._settings, self._back, self._clock = settings, back, clock
        self._secret = (
            SecretFile(settings.client_secret_file, "people.oidc.client_secret_file")
            if settings.client_secret_file
            else None
        )
        self._description: tuple[float, _Description] | None = None
        self._keys: tuple[float, list[_Key]] | None = None
        self._started: OrderedDict[str, Started] = OrderedDict()
        self._lock = asyncio.Lock()

    async def begin(self, next_page: str) -> tuple[str, str]:
        """Where to send the browser, and the secret for its cookie. Raises: SourceUnavailable, SourceProtocolError."""
        description = await self._described()
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        started = Started(
            secrets.token_urlsafe(32), secrets.token_urlsafe(32), verifier, next_page, self._clock.monotonic()
        )
        self._started[state] = started
        while len(self._started) > _MOST:
            self._started.popitem(last=False)
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._back,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": started.nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in description.authorization_endpoint else "?"
        return f"{description.authorization_endpoint}{joint}{urlencode(asked)}", started.browser

    async def end(self, query: Mapping[str, str], browser: str) -> tuple[Identity, str]:
        """
        Who came back, and the page they wanted.

        Raises: SignInFailed, NotBegunHere among them; SourceUnavailable or SourceProtocolError when the provider
        cannot be asked.
        """
        started = self._started.pop(query.get("state", ""), None)
        if started is None or self._clock.monotonic() - started.at > WAITS:
            raise NotBegunHere("this sign-in was not begun here, or took too long: begin again")
        if not browser or not secrets.compare_digest(browser.encode(), started.browser.encode()):
            raise NotBegunHere("this sign-in was begun in another browser: begin again")
        if error := query.get("error"):
            raise SignInFailed(f"the provider says {error[:60]!r}")
        if query.get("iss", self._settings.issuer) != self._settings.issuer:
            raise SignInFailed("the answer comes from another provider")
        token = await self._exchange(query.get("code", ""), started.verifier)
        return self._identity(await self._claims(token, started.nonce)), started.next

    async def _exchange(self, code: str, verifier: str) -> str:
        description = await self._described()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": verifier,
            "client_id": self._settings.client_id,
        }
        headers: dict[str, str] = {}
        if self._secret is not None:
            secret = self._secret.read().decode()
            if "client_secret_basic" in description.token_endpoint_auth_methods_supported:
                pair = urlencode({self._settings.client_id: secret}).replace("=", ":", 1)
                headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
            else:
                form["client_secret"] = secret
        answer = await self._ask(description.token_endpoint, form=form, headers=headers)
        if 400 <= answer.status < 500:
            raise SignInFailed("the provider does not take the code")
        return _read(answer, _Tokens, "token endpoint").id_token

    async def _claims(self, token: str, nonce: str) -> dict[str, object]:
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError, JoseError

        try:
            try:
                decoded = jwt.decode(token, await self._key_set(), algorithms=ALGORITHMS)
            except (InvalidKeyIdError, ValueError):
                # The provider changed its keys: look once more, but not at every forged token.
                decoded = jwt.decode(token, await self._key_set(again=True), algorithms=ALGORITHMS)
            rules = jwt.JWTClaimsRegistry(
                now=int(self._clock.now()),
                leeway=LEEWAY,
                iss={"essential": True, "value": self._settings.issuer},
                aud={"essential": True, "value": self._settings.client_id},
                exp={"essential": True},
                iat={"essential": True},
                sub={"essential": True},
                nonce={"essential": True, "value": nonce},
            )
            rules.validate(decoded.claims)
        except (JoseError, ValueError) as exc:
            raise SignInFailed(f"the ID token is not good: {type(exc).__name__}") from exc
        self._check_party(decoded.claims)
        return dict(decoded.claims)

    def _check_party(self, claims: Mapping[str, object]) -> None:
        """A token for several audiences must have been made for us."""
        audience, party = claims.get("aud"), claims.get("azp")
        several = isinstance(audience, list) and len(audience) > 1
        if (several or party is not None) and party != self._settings.client_id:
            raise SignInFailed("the ID token was made for another client")

    def _identity(self, claims: Mapping[str, object]) -> Identity:
        wanted, prefix = self._settings.username_claim, self._settings.prefix
        name, groups = claims.get(wanted), claims.get(self._settings.groups_claim, [])
        if not isinstance(name, str) or not name:
            raise SignInFailed(f"the ID token has no claim {wanted}: ask for its scope, or name another username_claim")
        if wanted == "email" and claims.get("email_verified") is not True:
            raise SignInFailed("the provider has not verified the email address")
        listed = [groups] if isinstance(groups, str) else groups
        if not isinstance(listed, list) or not all(isinstance(group, str) for group in listed):
            raise SignInFailed(f"claim {self._settings.groups_claim} is no list of names")
        for claim, texts in ((wanted, [name]), (self._settings.groups_claim, listed)):
            if not all(text.isprintable() for text in texts):
                raise SignInFailed(f"claim {claim} holds characters that cannot be printed")
        return Identity(f"{prefix}{name}", tuple(f"{prefix}{group}" for group in listed))

    async def _described(self) -> _Description:
        async with self._lock:
            now = self._clock.monotonic()
            if self._description is not None and now - self._description[0] < KEEPS:
                return self._description[1]
            issuer = self._settings.issuer
            answer = await self._ask(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            described = _read(answer, _Description, "description")
            if described.issuer != issuer:
                raise SourceProtocolError(f"people.oidc: the provider calls itself {described.issuer[:200]!r}")
            if issuer.startswith("https://"):
                for address in (described.authorization_endpoint, described.token_endpoint, described.jwks_uri):
                    if not address.startswith("https://"):
                        raise SourceProtocolError("people.oidc: the provider names an address without TLS")
            self._description = now, described
            return described

    async def _key_set(self, *, again: bool = False) -> KeySet:
        from joserfc.jwk import KeySet

        uri = (await self._described()).jwks_uri
        async with self._lock:
            now = self._clock.monotonic()
            if self._keys is None or now - self._keys[0] >= (ASK_AGAIN if again else KEEPS):
                self._keys = now, _read(await self._ask(uri), _Keys, "keys").keys
            keys = self._keys[1]
        return KeySet.import_key_set({"keys": [_texts(key) for key in keys if key.get("use", "sig") == "sig"]})

    async def _ask(
        self, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        client = HttpClient(
            Endpoint(
                "people.oidc",
                url=url,
                auth=HttpAuth(ca_file=self._settings.ca_file),
                headers=headers or {},
                timeout=self._settings.timeout,
                max_bytes=_BYTES,
                follow=True,
            )
        )
        try:
            rest = "/" if url.endswith("/") else ""  # the client takes it off
            return await (client.post(rest, form) if form is not None else client.get(rest, {}))
        except ConfigError as exc:
            raise SourceUnavailable(f"people.oidc: {exc}") from exc
        finally:
            await client.close()


def _read(answer: Response, kind: type[T], what: str) -> T:
    if not answer.has_json:
        raise refused(answer.status, f"people.oidc: {what}: the provider answers {answer.status}")
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.DecodeError as exc:
        raise SourceProtocolError(f"people.oidc: {what}: {exc}") from exc


def _texts(key: _Key) -> dict[str, str | list[str]]:
    """All that a key is made of are texts and lists of texts; what else a provider adds is no part of it."""
    texts: dict[str, str | list[str]] = {name: value for name, value in key.items() if isinstance(value, str)}
    return texts | {name: [str(item) for item in value] for name, value in key.items() if isinstance(value, list)}


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
