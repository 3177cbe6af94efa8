"""Who asks is known before anything runs; what a cookie proves counts only with intent; what nobody can tell is no."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from observer.web.people import sessions as throttle
from observer.web.people.auth import CSRF_HEADER
from observer.web.people.sessions import Sessions
from observer.web.people.sign_in import inside
from tests.support.alerts import StoppedClock
from tests.support.people import LOCAL, PeopleWorld, people_world

ME = "/api/v1/me"


@pytest.fixture
async def house() -> AsyncIterator[PeopleWorld]:
    async with people_world() as one:
        yield one


@pytest.mark.parametrize(
    ("token", "name", "by", "roles"),
    [
        ("vera.of.cluster", "vera", "TokenReview", ["viewer"]),
        ("arno.of.cluster", "arno", "TokenReview", ["approver", "viewer"]),
        ("ada.of.cluster", "ada", "TokenReview", ["admin", "approver", "viewer"]),
        (LOCAL, "local", "local token", ["admin", "approver", "viewer"]),
    ],
)
async def test_a_token_says_who_asks_and_the_cluster_what_they_may(
    house: PeopleWorld, token: str, name: str, by: str, roles: list[str]
) -> None:
    status, me, _ = await house.ask("GET", ME, token)
    assert status == 200
    assert me == {"name": name, "by": by, "roles": roles, "csrf": "", "session": False}


@pytest.mark.parametrize("token", ["", "wrong", "wrong.of.cluster", LOCAL[:-1]])
async def test_nobody_unknown_comes_in(house: PeopleWorld, token: str) -> None:
    status, body, headers = await house.ask("GET", ME, token)
    assert (status, body["reason"], headers["WWW-Authenticate"]) == (401, "unauthorized", "Bearer")
    assert headers["Content-Type"].startswith("application/problem+json")


async def test_somebody_without_a_role_may_not_even_read(house: PeopleWorld) -> None:
    status, body, _ = await house.ask("GET", ME, "nemo.of.cluster")
    assert (status, body["detail"]) == (403, "nemo is no viewer")


async def test_who_cannot_be_checked_is_nobody(house: PeopleWorld) -> None:
    house.cluster.broken = True
    status, body, headers = await house.ask("GET", ME, "ada.of.cluster")
    assert (status, body["reason"], headers["Retry-After"]) == (503, "cannot_tell", "5")
    assert (await house.ask("GET", ME, LOCAL))[0] == 200  # the local token asks nobody


async def test_probes_ask_nobody_and_unknown_paths_everybody(house: PeopleWorld) -> None:
    assert (await house.ask("GET", "/healthz"))[0] == 200
    assert (await house.ask("GET", "/api/v1/no-such-thing"))[0] == 401
    status, body, _ = await house.ask("GET", "/api/v1/no-such-thing", LOCAL)
    assert (status, body["reason"]) == (404, "not_found")
    status, body, headers = await house.ask("DELETE", ME, LOCAL)
    assert (status, body["reason"], headers["Allow"]) == (405, "method_not_allowed", "GET")


async def test_a_role_that_is_taken_away_is_gone_within_a_minute(house: PeopleWorld) -> None:
    await house.ask("GET", ME, "arno.of.cluster")
    house.cluster.grants.clear()
    assert (await house.ask("GET", ME, "arno.of.cluster"))[0] == 200
    house.clock.at += 61.0
    assert (await house.ask("GET", ME, "arno.of.cluster"))[0] == 403


async def test_the_roles_of_a_session_are_asked_again_too(house: PeopleWorld) -> None:
    await house.sign_in("arno.of.cluster")
    house.cluster.grants["arno"] = {"get"}
    house.clock.at += 61.0
    assert (await house.ask("GET", ME))[1]["roles"] == ["viewer"]


async def test_a_browser_is_sent_to_the_sign_in_and_back(house: PeopleWorld) -> None:
    html = {"Accept": "text/html"}
    status, _, headers = await house.ask("GET", "/?all=1", headers=html)
    assert (status, headers["Location"]) == (303, "/sign-in?next=/?all%3D1")
    status, page, headers = await house.ask("GET", headers["Location"])
    assert status == 200 and 'value="/?all=1"' in page
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"] and "<script" not in page
    form = {"token": LOCAL, "next": "/?all=1"}
    status, _, headers = await house.ask("POST", "/sign-in", data=form, headers=house.own_origin())
    assert (status, headers["Location"]) == (303, "/?all=1")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Secure" not in cookie
    name, csrf = str((await house.ask("GET", "/"))[1]).split("|")
    assert name == "local" and len(csrf) > 30


async def test_over_tls_the_cookie_is_pinned_to_host_and_tls() -> None:
    async with people_world(secure=True) as house:
        _, _, headers = await house.ask("POST", "/sign-in", data={"token": LOCAL}, headers=house.own_origin())
        assert headers["Set-Cookie"].startswith("__Host-observer=")
        assert "Secure" in headers["Set-Cookie"] and "Domain" not in headers["Set-Cookie"]


async def test_signing_in_from_another_site_or_with_rubbish_opens_nothing(house: PeopleWorld) -> None:
    status, body, _ = await house.ask("POST", "/sign-in", data={"token": LOCAL}, headers={"Origin": "http://evil"})
    assert (status, "other_origin" in str(body)) == (403, True)
    status, page, headers = await house.ask("POST", "/sign-in", data={"token": "x"}, headers=house.own_origin())
    assert status == 401 and "not known" in page and "Set-Cookie" not in headers
    status, page, headers = await house.ask(
        "POST", "/sign-in", data={"token": "nemo.of.cluster"}, headers=house.own_origin()
    )
    assert status == 403 and "Set-Cookie" not in headers


async def test_a_session_ends_when_signed_out_idle_or_old(house: PeopleWorld) -> None:
    csrf = await house.sign_in(LOCAL)
    assert (await house.ask("POST", "/sign-out", data={"csrf": "wrong"}, headers=house.own_origin()))[0] == 403
    status, _, headers = await house.ask("POST", "/sign-out", data={"csrf": csrf}, headers=house.own_origin())
    assert (status, headers["Location"]) == (303, "/sign-in")
    assert (await house.ask("GET", ME))[0] == 401

    await house.sign_in(LOCAL)
    house.clock.at += 3599.0
    assert (await house.ask("GET", ME))[0] == 200
    house.clock.at += 3600.0
    assert (await house.ask("GET", ME))[0] == 401

    await house.sign_in(LOCAL)
    for _ in range(8):
        house.clock.at += 3000.0
        assert (await house.ask("GET", ME))[0] == 200
    for _ in range(2):
        house.clock.at += 3000.0
        last, _, _ = await house.ask("GET", ME)
    assert last == 401


async def test_the_cookie_of_an_ended_session_is_worth_nothing(house: PeopleWorld) -> None:
    csrf = await house.sign_in(LOCAL)
    stolen = {one.key: one.value for one in house.client.session.cookie_jar}
    await house.ask("POST", "/sign-out", data={"csrf": csrf}, headers=house.own_origin())
    assert (await house.ask("GET", ME, cookies=stolen))[0] == 401


@pytest.mark.parametrize(
    ("headers", "body", "status", "reason"),
    [
        ({}, {"json": {}}, 403, "csrf"),
        ({CSRF_HEADER: "guess"}, {"json": {}}, 403, "csrf"),
        ({CSRF_HEADER: "ü"}, {"json": {}}, 403, "csrf"),
        ({"Origin": "http://evil.example"}, {"json": {}}, 403, "other_origin"),
        ({"Origin": "null"}, {"json": {}}, 403, "other_origin"),
        ({"Sec-Fetch-Site": "cross-site"}, {"json": {}}, 403, "other_origin"),
        ({}, {"data": b"{}", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media_type"),
    ],
)
async def test_a_cookie_alone_changes_nothing(
    house: PeopleWorld, headers: dict[str, str], body: dict[str, Any], status: int, reason: str
) -> None:
    await house.sign_in(LOCAL)
    given = {"headers": headers} | body
    found, problem, _ = await house.ask("POST", "/api/v1/pause", **given)
    assert (found, problem["reason"]) == (status, reason)
    assert house.told == []


@pytest.mark.parametrize(
    "header", [b"Authorization: Bearer \xff\xfe", b"Cookie: observer=\xff", b"Origin: \xff", b"Host: [", b"Host: \xff"]
)
@pytest.mark.parametrize("path", [b"/api/v1/me", b"/sign-in?next=//["])
async def test_what_no_standard_lets_be_written_is_refused(house: PeopleWorld, header: bytes, path: bytes) -> None:
    """Never a fault of ours, and never let in."""
    first, second = header.split(b": ", 1)
    host = b"" if first == b"Host" else b"Host: 127.0.0.1\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", house.client.port)
    writer.write(b"GET " + path + b" HTTP/1.1\r\n" + host + first + b": " + second + b"\r\n\r\n")
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert line.split()[1] == b"400", line


async def test_an_origin_that_is_none_is_another(house: PeopleWorld) -> None:
    await house.sign_in(LOCAL)
    status, problem, _ = await house.ask("POST", "/api/v1/pause", headers={"Origin": "http://["}, json={})
    assert (status, problem["reason"]) == (403, "other_origin")
    assert inside("//[") == "/"


async def test_guessing_is_slow_and_ends_nobody_elses_session(house: PeopleWorld) -> None:
    await house.sign_in(LOCAL)
    for _ in range(throttle.FROM_ONE):
        assert (await house.ask("GET", ME, "guess"))[0] == 401
    status, body, headers = await house.ask("GET", ME, LOCAL)  # the right one has to wait, too
    assert (status, body["reason"]) == (429, "too_many_failures")
    assert 0 < int(headers["Retry-After"]) <= throttle.WINDOW
    assert (await house.ask("GET", ME))[0] == 200
    house.clock.at += throttle.WINDOW
    assert (await house.ask("GET", ME, LOCAL))[0] == 200


async def test_behind_one_proxy_a_program_with_an_old_token_keeps_no_person_out(house: PeopleWorld) -> None:
    for number in range(2 * throttle.FROM_ONE):  # whatever it says about where it comes from counts nothing
        headers = {"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}"}
        status, _, _ = await house.ask("GET", ME, "old", headers=headers)
        assert status == (401 if number < throttle.FROM_ONE else 429)
    await house.sign_in(LOCAL)
    form: dict[str, Any] = {"data": {"token": "guess"}, "headers": house.own_origin()}
    for _ in range(throttle.FROM_ONE):
        assert (await house.ask("POST", "/sign-in", **form))[0] == 401
    assert (await house.ask("POST", "/sign-in", **form))[0] == 429, "the form has a count of its own"


async def test_who_is_in_goes_on_from_a_locked_address(house: PeopleWorld) -> None:
    csrf = await house.sign_in(LOCAL)
    wrong: dict[str, Any] = {"data": {"token": "guess"}, "headers": house.own_origin()}
    for _ in range(throttle.FROM_ONE):
        await house.ask("POST", "/sign-in", **wrong)
        await house.ask("GET", ME, "guess")
    assert (await house.ask("POST", "/sign-in", **wrong))[0] == (await house.ask("GET", ME, "guess"))[0] == 429
    own = house.own_origin() | {CSRF_HEADER: csrf}
    assert (await house.ask("GET", ME))[0] == 200
    switch = (await house.ask("GET", "/api/v1/switch"))[1]
    status, now, _ = await house.ask("POST", "/api/v1/pause", headers=own, json={"plan": switch["pause_plan"]})
    assert (status, now["paused"]) == (200, True)
    status, now, _ = await house.ask("POST", "/api/v1/resume", headers=own, json={"plan": now["resume_plan"]})
    assert (status, now["paused"]) == (200, False)


def test_failures_from_everywhere_count_together_and_places_are_bounded() -> None:
    clock = StoppedClock()
    counts = throttle.Throttle(clock)
    for number in range(throttle.FROM_ALL):
        counts.failed(f"10.0.{number // 256}.{number % 256}")
    assert counts.wait("192.0.2.1") == throttle.WINDOW
    for number in range(5000):
        counts.failed(str(number))
    assert len(counts._places) <= 2048


def test_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("observer.web.people.sessions.MOST", 3)
    sessions = Sessions(StoppedClock(), lasts=100.0, idle=100.0)
    secrets = [sessions.open(None, "x")[0] for _ in range(3)]
    assert sessions.find(secrets[0]) is not None
    sessions.open(None, "x")
    assert [sessions.find(one) is not None for one in secrets] == [True, False, True]
    assert all(one not in str(sessions._open) for one in secrets)


async def test_without_a_way_to_sign_in_loopback_may_read_and_nothing_more() -> None:
    async with people_world(kubernetes=False) as house:
        status, me, _ = await house.ask("GET", ME)
        assert (status, me["by"], me["roles"]) == (200, "nobody asked", ["viewer"])
        status, body, _ = await house.ask("POST", "/api/v1/pause", json={})
        assert (status, body["reason"]) == (401, "unauthorized")


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1:80", 200), ("localhost", 200), ("evil.example:8090", 421)])
async def test_a_foreign_name_that_leads_to_loopback_is_refused(host: str, status: int) -> None:
    async with people_world(kubernetes=False, hosts=frozenset({"localhost", "127.0.0.1"})) as house:
        assert (await house.ask("GET", ME, headers={"Host": host}))[0] == status


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("/incidents/1?x=2", "/incidents/1?x=2"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
    ],
)
def test_nobody_is_led_elsewhere_after_signing_in(wanted: str, found: str) -> None:
    assert inside(wanted) == found


async def test_what_was_wanted_is_text_on_the_page(house: PeopleWorld) -> None:
    _, page, _ = await house.ask("GET", "/sign-in", params={"next": '/"><script>alert(1)</script>'})
    assert "<script" not in page
