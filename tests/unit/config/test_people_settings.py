"""Who has to sign in: what cannot be safe does not start, and says where it stands in the file."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import pytest

from observer.config.settings.consistency import exposed, host_of, is_loopback
from observer.config.settings.model import OidcSettings, PeopleSettings
from observer.config.settings.read import default, parse
from observer.domain.errors import ConfigError

OIDC = "{issuer: https://sign-in.example.com, client_id: observer}"


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(textwrap.dedent(text))
    return str(caught.value)


@pytest.mark.parametrize("listen", ["0.0.0.0:8090", "[::]:8090", "10.0.0.5:8090", "observer.example.com:8090"])
def test_a_listener_that_others_reach_needs_a_way_to_sign_in(listen: str) -> None:
    said = refused(f'mode: shadow\nlisten: "{listen}"\n')
    assert said.startswith("observer.yaml:2:9 listen:") and "people.kubernetes" in said
    for people in ("{kubernetes: true}", f"{{url: https://observer.example.com, oidc: {OIDC}}}"):
        assert parse(f'listen: "{listen}"\npeople: {people}\n').listen == listen


@pytest.mark.parametrize(
    ("listen", "host", "loopback"),
    [
        ("127.0.0.1:1", "127.0.0.1", True),
        ("127.8.0.1:1", "127.8.0.1", True),
        ("localhost:1", "localhost", True),
        ("[::1]:1", "::1", True),
        (":8090", "127.0.0.1", True),
        ("0.0.0.0:1", "0.0.0.0", False),
        ("localhost.example.com:1", "localhost.example.com", False),
    ],
)
def test_loopback_is_told_from_the_rest(listen: str, host: str, loopback: bool) -> None:
    assert (host_of(listen), is_loopback(host_of(listen))) == (host, loopback)
    assert bool(exposed(replace(default(), listen=listen))) is not loopback


@pytest.mark.parametrize(
    ("people", "place", "words"),
    [
        (f"{{oidc: {OIDC}}}", "people.url", "is needed for oidc"),
        ("{url: https://o.example, oidc: {issuer: https://s.example}}", "people.oidc.issuer", "needs client_id"),
        ("{url: https://o.example, oidc: {issuer: http://s.example, client_id: o}}", "people.oidc.issuer", "https"),
        ("{oidc: {issuer: 'https://s.example/?a=b', client_id: o}}", "people.oidc.issuer", "must not carry a query"),
        ("{oidc: {issuer: https://s.example, client_id: o, scopes: [email]}}", "people.oidc.scopes", "openid"),
        ("{oidc: {issuer: https://s.example, client_id: o, prefix: 'system:'}}", "people.oidc.prefix", "system:"),
        ("{oidc: {prefix: ''}}", "people.oidc.prefix", ""),
        ("{url: https://o.example/observer}", "people.url", "scheme and host only"),
        ("{session: 1h, idle: 2h}", "people.idle", "not be longer than session"),
        ("{oidc: {client_secret_file: /no/such/file}}", "people.oidc.client_secret_file", "no such file"),
    ],
)
def test_what_disagrees_is_named_with_its_place(people: str, place: str, words: str) -> None:
    said = refused(f"people: {people}\n")
    assert f" {place}:" in said and words.lower() in said.lower()


def test_a_provider_on_this_machine_may_do_without_tls() -> None:
    settings = parse("people: {url: 'http://127.0.0.1:8090', oidc: {issuer: 'http://127.0.0.1:9/x', client_id: o}}")
    assert settings.people.oidc == OidcSettings(issuer="http://127.0.0.1:9/x", client_id="o")


def test_people_do_not_change_what_is_decided() -> None:
    changed = parse("people: {kubernetes: true}\n")
    assert changed.people == PeopleSettings(kubernetes=True)
    assert changed.engine.identity == default().engine.identity
