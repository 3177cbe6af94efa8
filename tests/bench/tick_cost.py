"""
What a tick costs: bytes in, decision out, as a multiple of ``json.loads`` of the very same bytes in the same run.

The tick is the daemon's own: the metric source reads the bytes, ``decide`` judges, both where the loop puts them.
Every size runs in a process of its own, so that its memory is its own. All times are CPU seconds of the process: on a
shared machine the clock on the wall also counts the others' work.
"""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from observer.config.settings.sources import PrometheusSettings
from observer.domain.action import Mode
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Control, Snapshot
from observer.engine.decide import decide
from observer.engine.memory import Memory
from observer.sources.prometheus.source import PrometheusSource
from tests.bench.fleet import Fleet
from tests.bench.recorded import INTERVAL, REAL_PODS, Answer, answers, multiply, record

SIZES = (1_000, 10_000, 100_000)
LEARNING = 2
"""First ticks, in which names are learnt; what a daemon pays day by day is what follows."""
BEAT = 0.001


@dataclass(frozen=True)
class Cost:
    """
    One size.

    Attributes:
        tick, json: CPU seconds (median) of a tick and of ``json.loads`` on the same bytes.
        rss: MB at most, before ``json.loads``. megabytes: of answers a tick. queries: asked a tick.
        stall: the longest CPU seconds for which the event loop could run nothing else; ``stall_in``: ``read`` or
            ``decide``.
    """

    pods: int
    tick: float
    json: float
    rss: float
    megabytes: float
    queries: int
    stall: float
    stall_in: str

    @property
    def ratio(self) -> float:
        return self.tick / self.json


def measure(sizes: tuple[int, ...] = SIZES, *, say: Callable[[str], None] = print) -> list[Cost]:
    """One cost a size; empty when there is no Prometheus on this machine (told)."""
    if shutil.which("prometheus") is None:
        say("tick cost: NOT RUN: there is no prometheus on this machine (make programs)")
        return []
    out = []
    with tempfile.TemporaryDirectory() as scratch:
        for size in sizes:
            folder = Path(scratch) / str(size)
            if size <= REAL_PODS:
                record(folder, size)
            else:
                multiply(Path(scratch) / str(REAL_PODS), folder, size // REAL_PODS)
            out.append(_in_a_process(size, folder))
            say(row(out[-1]))
    return out


def row(cost: Cost) -> str:
    """One printed line."""
    return (
        f"tick at {cost.pods:>7} pods: {cost.tick * 1000:8.1f} ms CPU = {cost.ratio:5.2f} x json.loads of the same "
        f"{cost.megabytes:6.1f} MB, {cost.tick / cost.pods * 1e6:.1f} us a pod; {cost.queries} queries; "
        f"RSS {cost.rss:.0f} MB; the loop stood still for {cost.stall * 1000:.1f} ms at most ({cost.stall_in})"
    )


def _in_a_process(size: int, folder: Path) -> Cost:
    command = [sys.executable, "-m", "tests.bench.tick_cost", str(size), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Cost(**json.loads(done.stdout))


def cost(size: int, folder: Path) -> Cost:
    """Measure in this process."""
    bench = _Ticks(size)
    asyncio.run(bench.run(folder))
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    plain = []
    for _, *bodies in answers(folder):
        began = time.process_time()
        for body in bodies:
            json.loads(body)
        plain.append(time.process_time() - began)
    stall, stall_in = max(bench.gaps)
    return Cost(
        size, statistics.median(bench.spent[LEARNING:]), statistics.median(plain), rss, bench.bytes / 1e6,
        bench.queries, stall, stall_in,
    )  # fmt: skip


class _Canned:
    """Answers like the transport, in the order in which the source asks."""

    def __init__(self, bodies: tuple[bytes, ...]) -> None:
        self._bodies = iter(bodies)

    async def instant(self, query: str, at: float) -> bytes:
        return next(self._bodies)


class _Ticks:
    """Ticks in an event loop, with a second task that wants to run every millisecond."""

    def __init__(self, size: int) -> None:
        self._settings = replace(EngineSettings(), mode=Mode.SHADOW, tick=INTERVAL)
        self._source = PrometheusSource(PrometheusSettings())
        self._view = Fleet(size).view(0.0)
        self._memory = Memory.restore((), ())
        self._doing = ""
        self.spent: list[float] = []
        self.gaps: list[tuple[float, str]] = []
        self.bytes = self.queries = 0

    async def run(self, folder: Path) -> None:
        async with asyncio.TaskGroup() as group:
            beating = group.create_task(self._beat())
            for number, answer in enumerate(answers(folder)):
                asked = self._source.asked
                began = time.process_time()
                await self._tick(answer)
                self.spent.append(time.process_time() - began)
                self.queries, self.bytes = self._source.asked - asked, sum(len(body) for body in answer[1:])
                if number < LEARNING:
                    self.gaps.clear()
            beating.cancel()

    async def _tick(self, answer: Answer) -> None:
        at, *bodies = answer
        self._source._transport = _Canned(tuple(bodies))  # type: ignore[assignment]
        self._doing = "read"
        frame = await self._source.counters(at)
        self._doing = "decide"
        snapshot = Snapshot(at, frame, None, replace(self._view, at=at), Control(False, "", True, 1))
        self._memory, _ = await asyncio.to_thread(decide, snapshot, self._memory, self._settings)
        await asyncio.sleep(BEAT)
        self._doing = ""

    async def _beat(self) -> None:
        last = time.process_time()
        while True:
            await asyncio.sleep(BEAT)
            now = time.process_time()
            if self._doing:
                self.gaps.append((now - last, self._doing))
            last = now


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(cost(int(sys.argv[1]), Path(sys.argv[2])))))
