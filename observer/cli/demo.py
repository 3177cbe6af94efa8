"""``observer demo``: the real daemon against a simulated mesh, told as a story. Nothing outside loopback is touched."""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from observer.app.cluster_access import connected
from observer.app.daemon import build
from observer.cli.application import Json, app
from observer.domain.action import Mode
from observer.domain.decision import Decision, Verdict
from observer.runtime.clock import SystemClock
from observer.simulator.clock import SimClock
from observer.sinks.story import offset, story_line

if TYPE_CHECKING:
    from observer.config.settings.model import Settings
    from observer.simulator.scenarios.world import World


ERROR_RATE = 0.3
CALM_SECONDS = 6.0
LIMIT_SECONDS = 150.0
HISTORY_SECONDS = 600.0


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep mesh and Observer running until Ctrl-C.")] = False,
    day: Annotated[
        Path | None, typer.Option("--day", help="Record a day with many incidents into this file instead.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated mesh.")] = 7,
    json: Json = False,
) -> None:
    """Run the whole story on a simulated mesh: a gray pod is found, drained, proven, evicted, replaced, verified."""
    if day is not None:
        from observer.cli.demo_day import run_day

        raise SystemExit(asyncio.run(run_day(day, seed)))
    raise SystemExit(asyncio.run(run_demo(keep=keep, seed=seed, json=json)))


class Ending:
    """A sink that prints every decision and notices when the story of ``pod`` is told to its end."""

    name = "ending"

    def __init__(self, *, json: bool) -> None:
        self._json = json
        self._clock = SystemClock()
        self._start = self._clock.now()
        self.done = asyncio.Event()
        self.pod = ""
        self.verdict = ""
        self.touched: set[str] = set()

    async def publish(self, decision: Decision) -> None:
        if self._json:
            self.say(msgspec.json.encode(decision).decode())
        else:
            self.say(story_line(decision, self._start, brief=True))
        if decision.verdict is Verdict.ACT and decision.pod is not None:
            self.touched.add(decision.pod.name)
        if decision.kind == "verified" and self.pod in decision.subject:
            self.verdict = decision.reason
        if decision.kind == "closed" and self.pod in decision.subject:
            self.done.set()

    def scene(self, text: str) -> None:
        """A line of the narrator, not of Observer."""
        if not self._json:
            self.say(f"{offset(self._clock.now() - self._start)}  {'(mesh)':<15}  {text}")

    def say(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    async def close(self) -> None:
        """Nothing to close."""


async def run_demo(*, keep: bool, seed: int, json: bool) -> int:
    """Exit code 0 when the gray pod was replaced and the replacement verified as fixed."""
    from observer.simulator.scenarios.world import World
    from observer.telemetry.logging import configure_logging

    configure_logging("error")
    ending = Ending(json=json)
    with tempfile.TemporaryDirectory(prefix="observer-demo-") as folder:
        world = World(seed=seed, clock=SimClock(speed=1.0), history=HISTORY_SECONDS)
        async with world:
            settings = await _settings(world, Path(folder))
            return await _story(world, settings, ending, keep=keep)


async def _story(world: World, settings: Settings, ending: Ending, *, keep: bool) -> int:
    from observer.runtime.supervise import stop_on_signals, supervise

    stop = asyncio.Event()
    stop_on_signals(stop)
    async with connected(settings) as api:
        plan = await build(settings, api, extra_sinks=[ending])
        async with asyncio.TaskGroup() as group:
            daemon = group.create_task(supervise(plan, stop))
            narrator = group.create_task(_direct(world, settings, ending, stop, keep=keep))
            await asyncio.wait({daemon, narrator}, return_when=asyncio.FIRST_COMPLETED)
            stop.set()
            await asyncio.wait({daemon})
            narrator.cancel()
    if ending.verdict == "fixed" and ending.touched == {ending.pod}:
        ending.scene("the end: one gray pod replaced, no other pod touched")
        return 0
    touched = ", ".join(sorted(ending.touched)) or "no pod"
    ending.scene(f"the story did not end well: {ending.verdict or 'no verdict'}; touched {touched}")
    return 1


async def _direct(world: World, settings: Settings, ending: Ending, stop: asyncio.Event, *, keep: bool) -> None:
    from observer.simulator.mesh.faults import pod_errors

    spec = world.spec
    pods = sum(workload.replicas for workload in spec.workloads)
    ending.scene(
        f"{len(spec.services)} services, {pods} pods with sidecars on {len(spec.nodes)} nodes; "
        f"Observer judges them every {settings.engine.tick:g} s, mode {settings.engine.mode.value}"
    )
    await _pause(CALM_SECONDS, stop)
    ending.pod = world.pods_of("catalog")[0]
    world.mesh.faults.set(pod_errors(ending.pod, ERROR_RATE, since=world.clock.now()))
    ending.scene(f"pod shop/{ending.pod} starts to fail {ERROR_RATE:.0%} of its requests; its probes stay green")
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await ending.done.wait()
    except TimeoutError:
        ending.scene(f"no end after {LIMIT_SECONDS:g} s")
        return
    if keep:
        ending.scene(f"kept running: Prometheus {settings.prometheus.url}, Kubernetes {settings.kubernetes.kubeconfig}")
        ending.scene(f"the page: http://{settings.listen}/ (Ctrl-C ends it)")
        await stop.wait()


async def _pause(seconds: float, stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def _settings(world: World, folder: Path) -> Settings:
    from observer.config.settings.model import EvidenceSettings, LeaseSettings
    from observer.config.settings.read import default
    from observer.config.settings.sources import KubernetesSettings, PrometheusSettings
    from observer.simulator.kubernetes.kubeconfig import write_kubeconfig

    prometheus, kubernetes = await world.serve()
    base = default()
    return replace(
        base,
        engine=replace(base.engine, mode=Mode.ENFORCE, tick=1.0),
        prometheus=PrometheusSettings(url=prometheus, history_seconds=HISTORY_SECONDS),
        kubernetes=KubernetesSettings(kubeconfig=str(write_kubeconfig(folder / "kubeconfig", kubernetes))),
        lease=LeaseSettings(identity="observer-demo"),
        evidence=EvidenceSettings(path=str(folder / "evidence")),
        journal=f"sqlite+aiosqlite:///{folder / 'journal.db'}",
        audit=str(folder / "audit.jsonl"),
        listen=f"127.0.0.1:{_free_port()}",
        log_level="error",
    )


def _free_port() -> int:
    """Known before the daemon starts, so that the story can name the page's address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
