"""
The webhook over a real SQLite journal in a process of its own: how soon an alert is on disk, how many a second, what a
``kill -9`` loses, and what overload costs. The yardstick is the same server answering without keeping anything.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import aiohttp
import numpy as np

from observer.web.routes import ALERTS as PATH
from tests.bench.webhook_server import VOID
from tests.support.alerts import BEARER, TOKEN, notification, wire_alert

A_MINUTE: Final = 1000
"""Alerts a minute of the steady stream, one to a notification."""
STEADY_SECONDS: Final = 30.0
SENDERS: Final = 32
"""Connections that send again as soon as they are answered."""
SUSTAINED_SECONDS: Final = 15.0
CROWD: Final = 3000
"""Notifications at once: more than may wait."""


@dataclass(frozen=True)
class Intake:
    """
    Milliseconds are of one notification with one alert, sent and answered over loopback.

    Attributes:
        void_p99: the yardstick's. kept_p50, kept_p99: durable accepts at ``A_MINUTE`` a minute.
        sustained: durable alerts a second over ``SUSTAINED_SECONDS``, closed by a kill -9.
        acknowledged, lost: what was answered 202 in that time, and what of it the journal did not hold after the kill.
        crowd: answers of ``CROWD`` at once by status. grown_mb: growth of the server's resident memory by it.
        crowd_lost: acknowledged there and not in the journal.
    """

    void_p99: float
    kept_p50: float
    kept_p99: float
    sustained: float
    acknowledged: int
    lost: int
    crowd: dict[str, int]
    crowd_lost: int
    grown_mb: float


def measure(
    *, steady_seconds: float = STEADY_SECONDS, sustained_seconds: float = SUSTAINED_SECONDS, crowd: int = CROWD
) -> Intake:
    """About a minute and a half with the defaults."""
    return asyncio.run(_measure(steady_seconds, sustained_seconds, crowd))


def rows(found: Intake) -> Sequence[str]:
    """Printed lines."""
    return (
        (
            f"webhook, {A_MINUTE} alerts a minute: on disk in {found.kept_p50:.1f} ms, p99 {found.kept_p99:.1f} ms "
            f"(bar 50), {found.kept_p99 / found.void_p99:.1f} x the p99 of the same server that keeps nothing"
        ),
        (
            f"webhook, as fast as it takes them: {found.sustained:.0f} alerts a second (bar 500), {found.acknowledged} "
            f"acknowledged before a kill -9, {found.lost} of them lost (bar 0)"
        ),
        (
            f"webhook, {sum(found.crowd.values())} at once: answers {found.crowd}, {found.crowd_lost} acknowledged "
            f"and lost, memory grew by {found.grown_mb:.0f} MB"
        ),
    )


async def _measure(steady_seconds: float, sustained_seconds: float, many: int) -> Intake:
    numbers = count()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with _server(folder) as server:
            void = await _steady(lambda: server.send(VOID, next(numbers)), steady_seconds)
            retained = await _steady(lambda: server.send(PATH, next(numbers)), steady_seconds)
            sustained, acknowledged = await _sustained(server, numbers, sustained_seconds)
            await server.kill()
        lost = acknowledged - _journaled(folder)
        async with _server(folder) as server:
            before = server.resident_mb()
            crowd, taken = await _crowd(server, numbers, many)
            grown = server.resident_mb() - before
        return Intake(
            void_p99=_ms(void, 99),
            kept_p50=_ms(retained, 50),
            kept_p99=_ms(retained, 99),
            sustained=sustained,
            acknowledged=len(acknowledged),
            lost=len(lost),
            crowd=crowd,
            crowd_lost=len(taken - _journaled(folder)),
            grown_mb=grown,
        )


@dataclass
class _Server:
    process: asyncio.subprocess.Process
    session: aiohttp.ClientSession
    address: str

    async def send(self, path: str, number: int) -> int:
        """Status of one notification with one alert; 0 when the server died over it."""
        body = notification(wire_alert(fingerprint=f"{number:016x}"))
        try:
            async with self.session.post(self.address + path, json=body, headers=BEARER) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, OSError):
            return 0

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    def resident_mb(self) -> float:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 1e6


@asynccontextmanager
async def _server(folder: Path) -> AsyncIterator[_Server]:
    (folder / "token").write_text(TOKEN)
    (folder / "address").unlink(missing_ok=True)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.bench.webhook_server", str(folder))
    try:
        while not (folder / "address").exists():
            if process.returncode is not None:
                raise RuntimeError(f"the server ended with {process.returncode}")
            await asyncio.sleep(0.05)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            server = _Server(process, session, (folder / "address").read_text())
            yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _steady(send: Callable[[], Awaitable[int]], seconds: float) -> list[float]:
    """Seconds of each, sent at its moment whether or not the last was answered."""
    took: list[float] = []

    async def one(at: float) -> None:
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        begun = time.perf_counter()
        if await send() != 202:
            raise RuntimeError("not accepted under a light load")
        took.append(time.perf_counter() - begun)

    start = time.perf_counter() + 0.5
    async with asyncio.TaskGroup() as group:
        for i in range(int(seconds * A_MINUTE / 60)):
            group.create_task(one(start + i * 60 / A_MINUTE))
    return took


async def _sustained(server: _Server, numbers: count[int], seconds: float) -> tuple[float, set[str]]:
    """Durable alerts a second, and the fingerprints that were acknowledged; the server is killed while all send."""
    acknowledged: set[str] = set()
    begun = time.perf_counter()

    async def sender() -> None:
        while server.process.returncode is None:
            number = next(numbers)
            status = await server.send(PATH, number)
            if status == 202:
                acknowledged.add(f"{number:016x}")
            elif status == 0:
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(SENDERS):
            group.create_task(sender())
        await asyncio.sleep(seconds)
        rate = len(acknowledged) / (time.perf_counter() - begun)
        await server.kill()
    return rate, acknowledged


async def _crowd(server: _Server, numbers: count[int], many: int) -> tuple[dict[str, int], set[str]]:
    sent = [next(numbers) for _ in range(many)]
    answers = await asyncio.gather(*(server.send(PATH, number) for number in sent))
    taken = {f"{number:016x}" for number, status in zip(sent, answers, strict=True) if status == 202}
    return {str(status): times for status, times in sorted(Counter(answers).items())}, taken


def _journaled(folder: Path) -> set[str]:
    """Fingerprints in the journal, read by another program's eyes."""
    with sqlite3.connect(folder / "journal.db") as connection:
        return {str(row[0]) for row in connection.execute("select json_extract(body, '$.fingerprint') from alerts")}


def _ms(seconds: Sequence[float], percentile: float) -> float:
    return float(np.percentile(seconds, percentile)) * 1000
