"""The stream tells everybody of each tick, lets a browser go on where it was, and never waits for a slow one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from observer.web import stream as streams
from observer.web.routes import STREAM as PATH
from observer.web.server import People, make_app
from observer.web.stream import QUEUE, RETAINED, Stream
from tests.support.page_world import TOKEN, PageWorld


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[PageWorld]:
    found = await PageWorld.open(tmp_path, sick=1)
    yield found
    await found.close()


@asynccontextmanager
async def listening(
    world: PageWorld, heartbeat: float = 60.0, lasts: float = 60.0, people: People | None = None
) -> AsyncIterator[tuple[Stream, TestClient[Any, Any], list]]:
    counted: list[tuple[int, bool]] = []
    stream = Stream(
        world.cache, lambda clients, *, dropped: counted.append((clients, dropped)), heartbeat=heartbeat, lasts=lasts
    )
    app = make_app(world.loop_status, bytes, queries=world.queries, stream=stream, people=people)
    async with TestClient(TestServer(app)) as client:
        yield stream, client, counted


async def event(answer: ClientResponse) -> dict[str, str]:
    """The next event; comments are told as ``comment``."""
    found: dict[str, str] = {}
    async for raw in answer.content:
        line = raw.decode().rstrip("\n")
        if not line and found.keys() - {"retry"}:
            return found
        key, _, value = line.partition(": ")
        found[key or "comment"] = value
    raise AssertionError("the stream ended")


async def test_a_newcomer_hears_how_things_stand_then_each_tick_and_decision(world: PageWorld) -> None:
    await world.ticks(24)
    async with listening(world) as (_, client, counted), client.get(PATH) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        first = await event(answer)
        assert (first["event"], first["retry"], '"tick":24' in first["data"]) == ("tick", "3000", True)
        await world.until("suspected")
        seen = [await event(answer)]
        while seen[-1]["event"] != "decision":
            seen.append(await event(answer))
        assert '"kind":"suspected"' in seen[-1]["data"] and "catalog-00-0" in seen[-1]["data"]
        assert (await event(answer))["event"] == "tick"
        assert counted[0] == (1, False)


async def test_a_browser_that_lost_the_connection_goes_on_where_it_was(world: PageWorld) -> None:
    await world.tick()
    async with listening(world) as (_, client, _):
        async with client.get(PATH) as answer:
            await event(answer)
            await world.tick()
            last = (await event(answer))["id"]
        await world.ticks(2)
        async with client.get(PATH, headers={"Last-Event-ID": last}) as answer:
            missed = [await event(answer), await event(answer)]
        assert ['"tick":3' in missed[0]["data"], '"tick":4' in missed[1]["data"]] == [True, True]


@pytest.mark.parametrize("last", ["another-life-7", "nonsense", "-"])
async def test_who_remembers_another_life_is_told_to_read_again(world: PageWorld, last: str) -> None:
    await world.tick()
    async with listening(world) as (_, client, _), client.get(PATH, headers={"Last-Event-ID": last}) as answer:
        assert (await event(answer))["event"] == "reset"


async def test_a_number_that_nobody_counts_to_is_no_number(world: PageWorld) -> None:
    await world.tick()
    async with listening(world) as (stream, client, _):
        last = f"{stream._born}-{'9' * 6000}"
        async with client.get(PATH, headers={"Last-Event-ID": last}) as answer:
            assert (await event(answer))["event"] == "reset"


async def test_what_was_missed_too_long_ago_is_not_kept(world: PageWorld) -> None:
    await world.tick()
    async with listening(world) as (stream, client, _):
        assert world.cache.state is not None
        for _ in range(RETAINED + 10):
            stream.publish(world.cache.state)
        async with client.get(PATH, headers={"Last-Event-ID": f"{stream._born}-3"}) as answer:
            assert (await event(answer))["event"] == "reset"


async def test_a_slow_listener_is_cut_off_and_counted_and_the_others_hear_on(world: PageWorld) -> None:
    await world.tick()
    assert world.cache.state is not None
    async with listening(world) as (stream, client, counted), client.get(PATH) as slow:
        await event(slow)
        for _ in range(QUEUE + 1):  # nobody reads in between: the queue is full before the handler gets a turn
            stream.publish(world.cache.state)
        assert (stream.listeners().clients, stream.listeners().dropped) == (0, 1)
        assert (0, True) in counted
        async with client.get(PATH) as other:
            await event(other)
            stream.publish(world.cache.state)
            assert (await event(other))["event"] == "tick"


async def test_silence_is_filled_with_beats(world: PageWorld) -> None:
    await world.tick()
    async with listening(world, heartbeat=0.01) as (_, client, _), client.get(PATH) as answer:
        await event(answer)
        assert "comment" in await event(answer)


async def test_many_decisions_of_one_tick_are_one_word(world: PageWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST_SENT", 0)
    await world.until("suspected")
    async with listening(world) as (stream, client, _), client.get(PATH) as answer:
        await event(answer)
        assert world.cache.state is not None
        stream.publish(world.cache.state)
        assert [(await event(answer))["event"], (await event(answer))["event"]] == ["reset", "tick"]


async def test_more_than_so_many_are_sent_to_the_pages(world: PageWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST", 1)
    await world.tick()
    async with listening(world) as (_, client, _), client.get(PATH) as first:
        await event(first)
        async with client.get(PATH) as second:
            assert (second.status, second.headers["Retry-After"]) == (503, "30")


async def test_the_end_of_the_daemon_ends_every_listener(world: PageWorld) -> None:
    await world.tick()
    async with listening(world) as (_, client, _):
        answer = await client.get(PATH)
        await event(answer)
        async with asyncio.timeout(20):
            await client.server.close()
            rest = await answer.content.read()
        assert b"event:" not in rest


async def test_a_stream_ends_so_that_whoever_reads_is_asked_again(world: PageWorld) -> None:
    await world.tick()
    async with listening(world, lasts=0.05) as (stream, client, _), client.get(PATH) as answer:
        last = (await event(answer)).get("id", "")
        async with asyncio.timeout(20):
            await answer.read()  # it ends in order: a browser comes back by itself
        assert (stream.listeners().clients, stream.listeners().dropped) == (0, 0)
        async with client.get(PATH, headers={"Last-Event-ID": last} if last else {}) as again:
            assert again.status == 200


async def test_beats_do_not_make_a_stream_last_longer(world: PageWorld) -> None:
    async with listening(world, heartbeat=0.01, lasts=0.1) as (_, client, _), client.get(PATH) as answer:
        async with asyncio.timeout(20):
            assert b": beat" in await answer.read()


def test_no_stream_lasts_longer_than_five_minutes() -> None:
    assert streams.LASTS_SECONDS <= 300.0


@pytest.mark.parametrize("end", ["signed out", "idle", "old", "pushed out"])
async def test_the_end_of_a_session_ends_its_stream(
    world: PageWorld, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = world.people()
    sessions = people.auth.sessions
    await world.tick()
    async with listening(world, people=people) as (stream, client, _):
        secret, session = sessions.open(None, "local token")
        bearer = client.get(PATH, headers={"Authorization": f"Bearer {TOKEN}"})
        cookie = {"Cookie": f"{people.auth.cookie}={secret}"}
        async with client.get(PATH, headers=cookie) as answer, bearer as program:
            await event(answer), await event(program)
            match end:
                case "signed out":
                    sessions.close(secret)
                case "idle":
                    session.idle_from = float("-inf")
                case "old":
                    session.ends = float("-inf")
                case "pushed out":
                    monkeypatch.setattr("observer.web.people.sessions.MOST", 1)
                    sessions.open(None, "another")
            assert world.cache.state is not None
            stream.publish(world.cache.state)
            async with asyncio.timeout(20):
                assert await answer.read() == b"", "nothing is told after its end"
            assert (await event(program))["event"] == "tick"
        assert sessions.find(secret) is None
