"""A recording on the page: what was decided is there to be read, and nothing can be written."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest

from observer.app.recorded import show_recording
from observer.cli import demo_day as day
from observer.cli.demo_day import Scene, run_day
from observer.cli.page import run_page
from observer.domain.errors import ConfigError, RecordingError
from observer.engine.memory import Memory
from observer.recording.events import Began
from observer.recording.files import RecordingWriter
from observer.simulator.mesh.faults import pod_errors
from tests.support.ports import free_port

pytestmark = pytest.mark.integration


@pytest.fixture
def short_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """One scene of the day, half an hour after it began."""
    scene = Scene(1800.0, "a pod fails", lambda world, at: pod_errors(world.pods_of("catalog")[0], 0.5, since=at))
    monkeypatch.setattr(day, "scenes", lambda: (scene,))


@pytest.mark.usefixtures("short_day")
async def test_a_recorded_day_is_read_and_nothing_can_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, listen = tmp_path / "day.rec", f"127.0.0.1:{free_port()}"
    assert await run_day(file, seed=7) == 0
    said = capsys.readouterr().out
    assert "00:30  a pod fails" in said and ": fixed" in said and "NOT AS IT MUST BE" not in said
    stop, started = asyncio.Event(), asyncio.Event()
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        group.create_task(show_recording(file, listen, stop, started=started))
        await started.wait()
        incidents = (await answered(session, f"http://{listen}/api/v1/incidents"))[1]["incidents"]
        assert incidents and all(one["namespace"] == "shop" for one in incidents)
        decisions = (await answered(session, f"http://{listen}/api/v1/decisions"))[1]["decisions"]
        assert {"suspected", "drain"} <= {one["kind"] for one in decisions}
        assert (await answered(session, f"http://{listen}/api/v1/overview"))[0] == 200
        async with session.post(f"http://{listen}/api/v1/pause", json={}) as answer:
            assert answer.status == 401
        stop.set()
    with pytest.raises(RecordingError, match="exists already"):
        await run_day(file, seed=7)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match=r"listen 127\.0\.0\.1:\d+: address already in use"):
            await run_page(file, f"127.0.0.1:{taken.getsockname()[1]}")
    assert "shows the recording" not in capsys.readouterr().out


async def answered(session: aiohttp.ClientSession, url: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """The listener opens right after everything was read."""
    async with asyncio.timeout(30):
        while True:
            try:
                async with session.get(url) as answer:
                    return answer.status, await answer.json()
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)


async def test_what_cannot_be_shown_is_said(tmp_path: Path) -> None:
    file = tmp_path / "empty.rec"
    with RecordingWriter(file, version="0", at=0.0) as writer:
        writer.write(Began(0.0, Memory()))
    with pytest.raises(RecordingError, match="holds no tick"):
        await show_recording(file, "127.0.0.1:0", asyncio.Event())
    with pytest.raises(ConfigError, match="asks nobody who they are"):
        await show_recording(file, "0.0.0.0:8090", asyncio.Event())
    with pytest.raises(RecordingError, match="cannot be read"):
        await show_recording(tmp_path / "none.rec", "127.0.0.1:0", asyncio.Event())
