"""Sign-in with an OpenID provider: what it says is believed whole or not at all."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from observer.config.settings.model import OidcSettings
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.web.people import sessions as throttle
from observer.web.people.oidc import ASK_AGAIN, LEEWAY, WAITS, Provider, SignInFailed
from tests.support.alerts import StoppedClock
from tests.support.people import GRANTS, LOCAL, Issuer, PeopleWorld, issuing, people_world

BACK = "http://observer.example/sign-in/oidc/back"


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
async def issuer(clock: StoppedClock) -> AsyncIterator[Issuer]:
    async with issuing(clock) as one:
        yield one


def settings(issuer: Issuer, **changes: Any) -> OidcSettings:
    return OidcSettings(**({"issuer": issuer.url, "client_id": "observer"} | changes))


async def signed_in(provider: Provider, issuer: Issuer, **bent: str) -> tuple[str, tuple[str, ...]]:
    """Name and groups of who came through the whole dance."""
    where, browser = await provider.begin("/incidents")
    came_back = issuer.authorize(where) | bent
    identity, wanted = await provider.end(came_back, browser)
    assert wanted == "/incidents"
    return identity.name, identity.groups


async def test_the_whole_dance(issuer: Issuer, clock: StoppedClock) -> None:
    provider = Provider(settings(issuer), BACK, clock)
    assert await signed_in(provider, issuer) == ("oidc:olga", ("oidc:staff",))
    asked, (exchange,) = issuer.asked, issuer.exchanges
    assert (asked["response_type"], asked["redirect_uri"], asked["scope"]) == ("code", BACK, "openid")
    digest = hashlib.sha256(exchange["code_verifier"].encode()).digest()
    assert asked["code_challenge_method"] == "S256"
    assert asked["code_challenge"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert "client_secret" not in exchange and not issuer.authorization


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_the_clients_secret_goes_the_way_that_the_provider_takes(
    issuer: Issuer, clock: StoppedClock, tmp_path: Path, method: str
) -> None:
    (tmp_path / "secret").write_text("s:e/c t\n")
    issuer.methods = [method]
    provider = Provider(settings(issuer, client_secret_file=str(tmp_path / "secret")), BACK, clock)
    await signed_in(provider, issuer)
    if method == "client_secret_post":
        assert issuer.exchanges[0]["client_secret"] == "s:e/c t"
    else:
        kind, _, pair = issuer.authorization.partition(" ")
        assert (kind, base64.b64decode(pair)) == ("Basic", b"observer:s%3Ae%2Fc+t")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "somebody-else"},
        {"aud": ["observer", "other"]},
        {"aud": ["observer", "other"], "azp": "other"},
        {"azp": "other"},
        {"iss": "https://evil.example"},
        {"nonce": "another"},
        {"sub": ""},
        {"groups": "staff;admin", "sub": 7},
        {"groups": [["staff"]]},
        {"groups": {"staff": True}},
    ],
)
async def test_a_token_that_was_not_made_for_this_is_refused(
    issuer: Issuer, clock: StoppedClock, claims: dict[str, Any]
) -> None:
    issuer.claims = claims
    with pytest.raises(SignInFailed):
        await signed_in(Provider(settings(issuer), BACK, clock), issuer)


@pytest.mark.parametrize("missing", ["iss", "aud", "exp", "iat", "sub", "nonce"])
async def test_a_token_that_leaves_something_out_is_refused(issuer: Issuer, clock: StoppedClock, missing: str) -> None:
    issuer.drop = {missing}
    with pytest.raises(SignInFailed):
        await signed_in(Provider(settings(issuer), BACK, clock), issuer)


@pytest.mark.parametrize(
    ("claim", "offset", "good"),
    [
        ("exp", -LEEWAY + 1, True),
        ("exp", -LEEWAY - 2, False),
        ("iat", LEEWAY - 1, True),
        ("iat", LEEWAY + 2, False),
        ("nbf", LEEWAY - 1, True),
        ("nbf", LEEWAY + 2, False),
    ],
)
async def test_clocks_may_differ_by_a_minute_and_no_more(
    issuer: Issuer, clock: StoppedClock, claim: str, offset: int, good: bool
) -> None:
    issuer.claims = {claim: int(clock.now()) + offset}
    provider = Provider(settings(issuer), BACK, clock)
    if good:
        assert (await signed_in(provider, issuer))[0] == "oidc:olga"
    else:
        with pytest.raises(SignInFailed):
            await signed_in(provider, issuer)


async def test_several_audiences_are_fine_when_it_was_made_for_us(issuer: Issuer, clock: StoppedClock) -> None:
    issuer.claims = {"aud": ["observer", "other"], "azp": "observer"}
    assert (await signed_in(Provider(settings(issuer), BACK, clock), issuer))[0] == "oidc:olga"


async def test_a_stranger_cannot_sign(issuer: Issuer, clock: StoppedClock) -> None:
    stranger = RSAKey.generate_key(2048, {"kid": issuer.keys[0].kid})
    issuer.signed_by = stranger
    with pytest.raises(SignInFailed):
        await signed_in(Provider(settings(issuer), BACK, clock), issuer)


@pytest.mark.parametrize(
    ("algorithm", "key"), [("ES256", ECKey.generate_key("P-256")), ("Ed25519", OKPKey.generate_key("Ed25519"))]
)
async def test_other_signatures_of_the_providers_keys_are_fine(
    issuer: Issuer, clock: StoppedClock, algorithm: str, key: Any
) -> None:
    key.ensure_kid()
    issuer.algorithm, issuer.signed_by, issuer.keys = algorithm, key, [*issuer.keys, key]
    assert (await signed_in(Provider(settings(issuer), BACK, clock), issuer))[0] == "oidc:olga"


async def test_a_shared_secret_signs_nothing(issuer: Issuer, clock: StoppedClock) -> None:
    issuer.algorithm, issuer.signed_by = "HS256", OctKey.import_key("s" * 40)
    with pytest.raises(SignInFailed):
        await signed_in(Provider(settings(issuer), BACK, clock), issuer)


async def test_new_keys_are_found_but_not_looked_for_at_every_forged_token(issuer: Issuer, clock: StoppedClock) -> None:
    provider = Provider(settings(issuer), BACK, clock)
    await signed_in(provider, issuer)
    clock.at += ASK_AGAIN
    issuer.rotate()
    assert (await signed_in(provider, issuer))[0] == "oidc:olga"
    assert issuer.key_reads == 2
    issuer.signed_by = RSAKey.generate_key(2048, {"kid": "unheard-of"})
    for _ in range(3):
        with pytest.raises(SignInFailed):
            await signed_in(provider, issuer)
    assert issuer.key_reads == 2


@pytest.mark.parametrize(
    "bent",
    [{"state": "guess"}, {"error": "access_denied"}, {"iss": "https://evil.example"}, {"code": "stolen"}],
)
async def test_an_answer_that_does_not_fit_is_refused(
    issuer: Issuer, clock: StoppedClock, bent: dict[str, str]
) -> None:
    with pytest.raises(SignInFailed):
        await signed_in(Provider(settings(issuer), BACK, clock), issuer, **bent)


async def test_a_sign_in_is_used_once_in_the_browser_that_began_it_and_soon(
    issuer: Issuer, clock: StoppedClock
) -> None:
    provider = Provider(settings(issuer), BACK, clock)
    where, browser = await provider.begin("/")
    with pytest.raises(SignInFailed, match="another browser"):
        await provider.end(issuer.authorize(where), "stolen")
    with pytest.raises(SignInFailed, match="not begun here"):
        await provider.end(issuer.authorize(where), browser)
    where, browser = await provider.begin("/")
    clock.at += WAITS + 1.0
    with pytest.raises(SignInFailed, match="too long"):
        await provider.end(issuer.authorize(where), browser)


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"email": "olga@example.com", "email_verified": True}, "oidc:olga@example.com"),
        ({"email": "olga@example.com", "email_verified": False}, None),
        ({"email": "olga@example.com"}, None),
        ({}, None),
    ],
)
async def test_an_address_counts_when_the_provider_verified_it(
    issuer: Issuer, clock: StoppedClock, claims: dict[str, Any], name: str | None
) -> None:
    issuer.claims = claims
    provider = Provider(settings(issuer, username_claim="email"), BACK, clock)
    if name is None:
        with pytest.raises(SignInFailed):
            await signed_in(provider, issuer)
    else:
        assert (await signed_in(provider, issuer))[0] == name


async def test_nobody_is_named_like_the_clusters_own(issuer: Issuer, clock: StoppedClock) -> None:
    issuer.claims = {"sub": "system:admin", "groups": ["system:masters"]}
    found = await signed_in(Provider(settings(issuer), BACK, clock), issuer)
    assert found == ("oidc:system:admin", ("oidc:system:masters",))


async def test_a_provider_that_is_another_or_ill_is_not_believed(issuer: Issuer, clock: StoppedClock) -> None:
    issuer.calls_itself = "https://evil.example"
    with pytest.raises(SourceProtocolError, match=r"evil\.example"):
        await Provider(settings(issuer), BACK, clock).begin("/")
    issuer.calls_itself, issuer.broken = "", True
    with pytest.raises(SourceUnavailable):
        await Provider(settings(issuer), BACK, clock).begin("/")
    gone = replace(settings(issuer), issuer="http://127.0.0.1:1")
    with pytest.raises(SourceUnavailable):
        await Provider(gone, BACK, clock).begin("/")


async def through(house: PeopleWorld, issuer: Issuer) -> tuple[int, str, dict[str, str]]:
    status, _, headers = await house.ask("GET", "/sign-in/oidc?next=/incidents")
    assert status == 303 and "SameSite=Lax" in headers["Set-Cookie"] and "HttpOnly" in headers["Set-Cookie"]
    status, page, headers = await house.ask("GET", "/sign-in/oidc/back", params=issuer.authorize(headers["Location"]))
    return status, str(page), dict(headers)


async def test_a_browser_comes_in_through_the_provider(issuer: Issuer) -> None:
    async with people_world(oidc=settings(issuer), place="http://127.0.0.1") as house:
        assert "Sign in with your organisation" in (await house.ask("GET", "/sign-in"))[1]
        status, page, _ = await through(house, issuer)
        assert status == 200 and 'content="0;url=/incidents"' in page
        _, me, _ = await house.ask("GET", "/api/v1/me")
        assert (me["name"], me["by"], me["roles"]) == ("oidc:olga", "oidc", sorted(["approver", "viewer"]))


async def test_somebody_without_a_role_and_a_broken_provider_open_no_session(issuer: Issuer) -> None:
    async with people_world(oidc=settings(issuer), place="http://127.0.0.1") as house:
        house.cluster.grants = {key: value for key, value in GRANTS.items() if key != "oidc:olga"}
        status, page, headers = await through(house, issuer)
        assert status == 403 and "grant get on observers.observer.dev" in page
        assert "observer-session" not in headers.get("Set-Cookie", "")
        issuer.claims = {"aud": "other"}
        status, page, _ = await through(house, issuer)
        assert status == 401 and "Sign-in failed" in page
        issuer.broken = True
        house.clock.at += 3601.0
        status, page, _ = await house.ask("GET", "/sign-in/oidc")
        assert status == 503 and "does not answer" in page


async def test_without_a_provider_there_is_no_such_page() -> None:
    async with people_world() as house:
        assert (await house.ask("GET", "/sign-in/oidc"))[0] == 404
        assert (await house.ask("GET", "/sign-in/oidc/back"))[0] == 404


async def test_another_site_locks_no_address_out(issuer: Issuer) -> None:
    async with people_world(oidc=settings(issuer), place="http://127.0.0.1") as house:
        for number in range(2 * throttle.FROM_ONE):
            path = "/sign-in/oidc/back" if number % 2 else f"/sign-in/oidc/back?state=x{number}"
            status, page, headers = await house.ask("GET", path)
            assert status == 401 and "not begun here" in page and "observer-session" not in str(headers)
        for _ in range(throttle.FROM_ONE):  # begun by the other site itself, and ended in a browser that it sends
            _, _, headers = await house.ask("GET", "/sign-in/oidc")
            house.client.session.cookie_jar.clear()
            status, page, _ = await house.ask("GET", "/sign-in/oidc/back", params=issuer.authorize(headers["Location"]))
            assert status == 401 and "another browser" in page
        assert (await through(house, issuer))[0] == 200
        assert (await house.ask("GET", "/api/v1/me", LOCAL))[0] == 200


async def test_what_the_provider_or_its_token_refuses_counts(issuer: Issuer) -> None:
    issuer.claims = {"aud": "other"}
    async with people_world(oidc=settings(issuer), place="http://127.0.0.1") as house:
        for _ in range(throttle.FROM_ONE):
            assert (await through(house, issuer))[0] == 401
        assert (await through(house, issuer))[0] == 429
        assert (await house.ask("GET", "/api/v1/me", LOCAL))[0] == 200, "another way in has its own count"


async def test_tokens_that_are_guessed_keep_nobody_from_the_provider(issuer: Issuer) -> None:
    async with people_world(oidc=settings(issuer), place="http://127.0.0.1") as house:
        for _ in range(throttle.FROM_ONE + 1):
            await house.ask("GET", "/api/v1/me", "guess")
            await house.ask("POST", "/sign-in", data={"token": "guess"}, headers=house.own_origin())
        assert (await house.ask("GET", "/api/v1/me", LOCAL))[0] == 429
        assert (await through(house, issuer))[0] == 200


@pytest.mark.parametrize(
    "odd", ["a\nb", "a\tb", "a\x00", "\x7f", "a\x85b", "\x9b31m", "a\u2028b", "a\u202eb", "a\u200bb"]
)
@pytest.mark.parametrize("claim", ["sub", "groups", "group"])
async def test_a_name_that_cannot_be_printed_is_refused(
    issuer: Issuer, clock: StoppedClock, claim: str, odd: str
) -> None:
    sets: dict[str, Any] = {"sub": odd, "groups": ["staff", odd], "group": odd}
    issuer.claims = {"groups" if claim == "group" else claim: sets[claim]}
    with pytest.raises(SignInFailed, match="cannot be printed") as refused:
        await signed_in(Provider(settings(issuer), BACK, clock), issuer)
    assert str(refused.value).isprintable()


async def test_names_of_every_script_are_names(issuer: Issuer, clock: StoppedClock) -> None:
    issuer.claims = {"sub": "Ólga Ščípková 王", "groups": ["équipe 1"]}
    found = await signed_in(Provider(settings(issuer), BACK, clock), issuer)
    assert found == ("oidc:Ólga Ščípková 王", ("oidc:équipe 1",))
