"""Forms that no page of ours sends: each is told no, and none opens anything or breaks the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from tests.support.people import LOCAL, PeopleWorld, people_world

OUR_FORM = b"Content-Type: application/x-www-form-urlencoded"
Client = TestClient[Any, Any]


@pytest.fixture
async def house() -> AsyncIterator[PeopleWorld]:
    async with people_world() as one:
        yield one


async def raw(client: Client, start: str, *headers: bytes, body: bytes = b"") -> tuple[int, str]:
    """Status and whole answer to exactly these bytes; an odd ``Host`` replaces the right one."""
    host = () if any(one.startswith(b"Host:") for one in headers) else (b"Host: 127.0.0.1",)
    lines = [
        start.encode(errors="surrogateescape") + b" HTTP/1.1",
        *host,
        *headers,
        b"Content-Length: %d" % len(body),
        b"Connection: close",
    ]
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
    await writer.drain()
    text = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return int(text.split(" ", 2)[1]), text


def cookie(house: PeopleWorld) -> bytes:
    return b"Cookie: " + "; ".join(f"{one.key}={one.value}" for one in house.client.session.cookie_jar).encode()


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        (b"no-such-thing", b"token=x"),
        (b"hex", b"token=x"),
        (b"idna", b"token=\xff"),
        (b"utf-7", b"token=+2AA-"),
        (b"utf-16", b"token=x"),
        (b"unicode_escape", b"token=\\ud800"),
    ],
)
async def test_a_form_speaks_utf8(house: PeopleWorld, charset: bytes, body: bytes) -> None:
    status, text = await raw(house.client, "POST /sign-in", OUR_FORM + b"; charset=" + charset, body=body)
    assert status == 415 and "charset" in text
    await house.sign_in(LOCAL)
    status, text = await raw(
        house.client, "POST /api/v1/pause", cookie(house), OUR_FORM + b"; charset=" + charset, body=body
    )
    assert status == 415 and "charset" in text and house.told == []


@pytest.mark.parametrize("charset", [b"", b"; charset=utf-8", b'; charset="UTF-8"'])
async def test_a_form_in_utf8_signs_in(house: PeopleWorld, charset: bytes) -> None:
    status, _ = await raw(house.client, "POST /sign-in", OUR_FORM + charset, body=b"token=" + LOCAL.encode())
    assert status == 303


async def test_a_form_that_is_no_text_is_not_understood(house: PeopleWorld) -> None:
    status, text = await raw(house.client, "POST /sign-in", OUR_FORM, body=b"token=\xff")
    assert status == 422 and "not_understood" in text
    status, _ = await raw(house.client, "POST /sign-in", OUR_FORM, body=b"token=%FF%ED%A0%80")
    assert status == 401


@pytest.mark.parametrize(
    "kind",
    [
        b"multipart/form-data",
        b"multipart/form-data; boundary=x",
        b"text/plain",
    ],
)
async def test_a_sign_in_is_a_plain_form(house: PeopleWorld, kind: bytes) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="token"\r\nContent-Type: text/plain; charset=nope'
    part = head + b"\r\n\r\na\r\n--x--"
    status, text = await raw(house.client, "POST /sign-in", b"Content-Type: " + kind, body=part)
    assert status == 415 and "unsupported_media_type" in text


async def test_a_path_that_is_no_text_breaks_nothing(house: PeopleWorld) -> None:
    status, _ = await raw(house.client, "GET /\udcff?x=\udcfe", b"Accept: text/html")
    assert 300 <= status < 500
