"""
``observer demo --day``: a day of the simulated mesh with many incidents, recorded by the real daemon.

Time is the simulator's and moves by hand: quiet hours pass in big steps that nobody looks at, and around each incident
the daemon ticks as it would. The same seed makes the same faults; what is decided depends on when answers come, too.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from observer import actions
from observer.app.cluster_access import connected
from observer.app.daemon import build
from observer.cli.output import EXIT_FINDINGS
from observer.domain.action import ActionKind, Mode
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import RecordingError
from observer.domain.outcome import Result
from observer.simulator.clock import SimClock

if TYPE_CHECKING:
    from observer.config.settings.model import Settings
    from observer.runtime.tick import Loop
    from observer.simulator.mesh.faults import Fault
    from observer.simulator.scenarios.world import World

HOUR: Final = 3600.0
NAMESPACE: Final = "shop"
TICK: Final = 5.0
HISTORY: Final = 900.0
RATE: Final = 60.0
"""Requests a second at the front."""
BEFORE: Final = 120.0
"""Seconds that are watched before a fault begins: detectors need a minute to warm up."""
AFTER: Final = 60.0
"""Seconds that are watched after the last incident of a fault was closed."""
LONGEST: Final = 540.0
COARSE: Final = 60.0
PATIENCE: Final = 120.0
"""Real seconds that one tick may take on a busy machine."""
SECONDS_TO_HEAR: Final = 5.0
"""Real seconds in which what was decided is told."""
TURNS: Final = 100
"""Looks of 5 ms before the simulator's clock moves on by ``STEP`` seconds a look."""
STEP: Final = 0.25

FIXED: Final = "fixed"
BY_ITSELF: Final = "ended_by_itself"

Make = Callable[["World", float], "Fault"]
Ask = Callable[["Fault"], "ExpectedOutcome"]


@dataclass(frozen=True, slots=True)
class ExpectedOutcome:
    """
    ``named`` is the culprit in words (``pod shop/cart-1``); nobody but that pod may be touched, and nobody at all when
    it is no pod.

    ``endings``: how its incident may end; empty = a common cause that is named, without an incident of its own.
    """

    named: str
    endings: tuple[str, ...] = ()


class DecisionCollector:
    """A sink that keeps what is decided from one scene to the next."""

    name = "day"

    def __init__(self) -> None:
        self._received: list[Decision] = []

    async def publish(self, decision: Decision) -> None:
        self._received.append(decision)

    async def close(self) -> None:
        """Nothing to close."""

    def taken(self) -> Sequence[Decision]:
        """What was heard since this was asked before."""
        received, self._received = self._received, []
        return received


def missed(demand: ExpectedOutcome, received: Iterable[Decision]) -> list[str]:
    """What was wrong with the decisions of one scene, in sentences; empty = all that its fault demands came."""
    received = list(received)
    acted = [it for it in received if actions.harmful(it.action_kind) and _applied(it)]
    touched = [it for it in acted if f"pod {it.pod}" != demand.named]
    faults = [f"{it.pod} was touched ({it.action_kind})" for it in touched]
    ends = {it.subject: it.reason for it in received if it.kind == "closed"}
    # A suspicion of somebody else that fades is no harm: the first errors on a node may as well be the node's.
    others = {subject: how for subject, how in ends.items() if subject != demand.named and how != BY_ITSELF}
    faults += [f"{subject} was suspected, too: {how}" for subject, how in others.items()]
    if not demand.endings:
        named = demand.named in {str(it.figures.get("blamed")) for it in received}
        return faults if named else [*faults, f"{demand.named} was never named as the cause"]
    ending = ends.get(demand.named, "no end")
    if ending not in demand.endings:
        faults.append(f"{demand.named}: {ending} instead of {' or '.join(demand.endings)}")
    evicted = any(it.action_kind is ActionKind.EVICT and _applied(it) for it in received)
    proven = any(it.kind == "verified" and it.reason == FIXED and it.subject == demand.named for it in received)
    if ending == FIXED and not (evicted and proven):
        faults.append(f"{demand.named}: called fixed, but {'not verified' if evicted else 'never replaced'}")
    return faults


def _applied(decision: Decision) -> bool:
    done = decision.outcome is not None and decision.outcome.result is Result.APPLIED
    return decision.verdict is Verdict.ACT and done


def the_pod(*endings: str) -> Ask:
    """The pod that the fault hits is named and nobody else is touched."""

    def ask(fault: Fault) -> ExpectedOutcome:
        (pod,) = fault.where.pods
        return ExpectedOutcome(f"pod {NAMESPACE}/{pod}", endings or (FIXED,))

    return ask


def no_pod(named: str, *endings: str) -> Ask:
    """No pod is at fault: ``named`` is, and no pod is touched."""
    return lambda _: ExpectedOutcome(named, endings)


@dataclass(frozen=True, slots=True)
class Scene:
    """
    At ``at`` seconds of the day a fault begins; ``text`` is what the narrator says, ``ask`` what the fault demands.
    """

    at: float
    text: str
    make: Make
    ask: Ask = field(default_factory=the_pod)


def scenes() -> tuple[Scene, ...]:
    """The day: gray pods of every kind, and faults that no pod causes."""
    from observer.simulator.mesh import faults

    def errors(service: str, rate: float, lasts: float = faults.FOR_EVER) -> Make:
        return lambda world, at: faults.pod_errors(world.pods_of(service)[0], rate, since=at, until=at + lasts)

    def slow(service: str, seconds: float) -> Make:
        return lambda world, at: faults.pod_slow(world.pods_of(service)[-1], seconds, since=at)

    def revision(rate: float) -> Make:
        return lambda _, at: faults.revision_bad("pay", "v2", rate, since=at, until=at + 240.0)

    def dependency(rate: float) -> Make:
        return lambda _, at: faults.dependency_bad("store", rate, since=at, until=at + 180.0)

    def burst(rate: float) -> Make:
        return lambda _, at: faults.burst(rate, at, at + 30.0, service="cart")

    return (
        Scene(0.7 * HOUR, "a pod of catalog fails 30 % of its requests", errors("catalog", 0.3)),
        Scene(2.2 * HOUR, "a pod of cart is slow", slow("cart", 0.8)),
        Scene(4.0 * HOUR, "a burst of errors hits all of cart", burst(0.3), no_pod("workload shop/cart")),
        Scene(6.1 * HOUR, "version 2 of pay is bad", revision(0.2), no_pod("revision shop/pay-v2", BY_ITSELF)),
        Scene(8.3 * HOUR, "store fails, and with it whoever calls it", dependency(0.25), no_pod("workload shop/store")),
        Scene(
            9.9 * HOUR,
            "a pod of catalog fails for half a minute",
            errors("catalog", 0.4, 30.0),
            the_pod(FIXED, BY_ITSELF),
        ),
        Scene(11.6 * HOUR, "a pod of front fails 8 % of its requests", errors("front", 0.08)),
        Scene(13.5 * HOUR, "a pod of store fails 60 % of its requests", errors("store", 0.6)),
        Scene(15.8 * HOUR, "a pod of catalog is slow", slow("catalog", 1.2)),
        Scene(18.2 * HOUR, "a pod of cart fails 20 % of its requests", errors("cart", 0.2)),
        Scene(20.6 * HOUR, "a pod of pay fails half of its requests", errors("pay", 0.5)),
        Scene(23.9 * HOUR, "a pod of cart begins to fail as the day ends", errors("cart", 0.3)),
    )


async def run_day(file: Path, seed: int) -> int:
    """
    Write the recording; exit code 0 when every scene ended as its fault demands, else 1.

    Raises: RecordingError when the file exists or cannot be written.
    """
    from observer.simulator.mesh.topology import shop
    from observer.simulator.scenarios.world import World
    from observer.telemetry.logging import configure_logging

    await asyncio.to_thread(_writable, file)
    configure_logging("error")
    with tempfile.TemporaryDirectory(prefix="observer-day-") as name:
        folder = Path(name)
        async with World(shop(rate=RATE), seed=seed, clock=SimClock(), history=HISTORY) as world:
            wrong = await _recorded(world, await _settings(world, folder))
        await asyncio.to_thread(_retained, folder / "flight", file)
    return EXIT_FINDINGS if wrong else 0


async def _recorded(world: World, settings: Settings) -> int:
    """Play every scene; returns how many did not end as they must."""
    from observer.runtime.supervise import supervise

    stop, began, collector, wrong = asyncio.Event(), world.clock.now(), DecisionCollector(), 0
    async with connected(settings) as api, asyncio.TaskGroup() as group:
        await api.open()
        plan = await build(settings, api, clock=world.clock, extra_sinks=[collector])
        daemon = group.create_task(supervise(plan, stop))
        loop = plan.loop
        await _until(lambda: loop.memory.ticks > 0, world)
        for scene in scenes():
            demand = await _play(world, loop, began, scene)
            await plan.dispatcher.flush(SECONDS_TO_HEAR)
            faults = missed(demand, collector.taken())
            wrong += bool(faults)
            for fault in faults:
                _say(scene.at, f"  NOT AS IT MUST BE: {fault}")
        stop.set()
        await _until(daemon.done, world)
    return wrong


async def _play(world: World, loop: Loop, began: float, scene: Scene) -> ExpectedOutcome:
    """One scene to its end; returns what it demands."""
    world.skip(max(0.0, began + scene.at - BEFORE - world.clock.now()), COARSE)
    at = began + scene.at
    _say(scene.at, scene.text)
    before, quiet = set(loop.memory.incidents), 0.0
    fault = scene.make(world, at)
    world.inject(fault)
    while world.clock.now() < at + LONGEST and quiet < AFTER:
        await _tick(world, loop)
        over = world.clock.now() > at + AFTER and not loop.memory.open_incidents()
        quiet = quiet + TICK if over else 0.0
    for key, incident in loop.memory.incidents.items():
        if key not in before:
            _say(incident.opened - began, f"  {incident.culprit}: {incident.closing or incident.phase.value}")
    return scene.ask(fault)


async def _tick(world: World, loop: Loop) -> None:
    """One tick of simulated time, and however long the daemon needs for it in real time."""
    before = loop.memory.ticks
    await world.advance(TICK)
    await _until(lambda: loop.memory.ticks > before, world)


async def _until(true: Callable[[], bool], world: World) -> None:
    """
    Real time passes until it is. When that takes long, somebody waits for the simulator's clock, so it passes, too.

    Raises: TimeoutError.
    """
    waited = 0
    async with asyncio.timeout(PATIENCE):
        while not true():
            waited += 1
            if waited > TURNS:
                await world.advance(STEP)
            await asyncio.sleep(0.005)


async def _settings(world: World, folder: Path) -> Settings:
    from observer.config.settings.model import EvidenceSettings, LeaseSettings, RecordingSettings
    from observer.config.settings.read import default
    from observer.config.settings.sources import KubernetesSettings, PrometheusSettings
    from observer.simulator.kubernetes.kubeconfig import write_kubeconfig

    prometheus, kubernetes = await world.serve()
    base = default()
    return replace(
        base,
        engine=replace(base.engine, mode=Mode.ENFORCE, tick=TICK),
        prometheus=PrometheusSettings(url=prometheus, history_seconds=HISTORY, timeout=60.0),
        kubernetes=KubernetesSettings(kubeconfig=str(write_kubeconfig(folder / "kubeconfig", kubernetes))),
        lease=LeaseSettings(enabled=False),
        evidence=EvidenceSettings(path=str(folder / "evidence"), logs=False),
        recording=RecordingSettings(path=str(folder / "flight"), max_bytes=1 << 34, keep=2),
        journal=f"sqlite+aiosqlite:///{folder / 'journal.db'}",
        audit=str(folder / "audit.jsonl"),
        listen="127.0.0.1:0",
        log_level="error",
    )


def _writable(file: Path) -> None:
    """Raises: RecordingError; a day is long, and whoever waits for it must not be told at its end."""
    if file.exists():
        raise RecordingError(f"{file}: exists already", step="name another file, or remove this one")
    if not file.parent.is_dir():
        raise RecordingError(
            f"{file}: {file.parent} is no folder that is there", step="make the folder, or name another"
        )


def _retained(folder: Path, file: Path) -> None:
    (recorded,) = sorted(folder.glob("*.rec"))
    try:
        shutil.move(recorded, file)
    except OSError as exc:
        raise RecordingError(f"{file}: cannot be written: {exc.strerror}") from exc


def _say(at: float, text: str) -> None:
    sys.stdout.write(f"{int(at // 3600):02}:{int(at % 3600 // 60):02}  {text}\n")
    sys.stdout.flush()
