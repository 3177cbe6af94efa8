"""How many evictions a second the client carries through the executor, one after the other, as the loop does."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from observer.actuators.evict import EvictActuator
from observer.domain.action import Action, ActionKind
from observer.domain.decision import Decision, Verdict
from observer.domain.ids import PodRef, Target
from observer.domain.kinds import Kind
from observer.domain.outcome import Result
from observer.journal.store import SqlJournal
from observer.runtime.evidence import EvidenceStore
from observer.runtime.execute import Executor
from observer.simulator.kubernetes import objects
from tests.support.fakes import FakeClock, FakeCluster, FakeLease, FakeSwitch
from tests.support.kube_sim import SimulatedKube, connected, simulated_kube, until

PODS = 100
NODES = 4


@dataclass(frozen=True)
class Evictions:
    """``wall`` and ``cpu`` seconds for ``applied`` of ``asked``; the API server's own work is part of both."""

    asked: int
    applied: int
    wall: float
    cpu: float


def measure(pods: int = PODS) -> Evictions:
    """Evict every pod of one Deployment; budgets are the engine's, so here there are none."""
    return asyncio.run(_measure(pods))


def row(found: Evictions) -> str:
    """One printed line."""
    return (
        f"evictions: {found.applied} of {found.asked} applied, {found.applied / found.wall:.0f} a second "
        f"({found.applied / found.cpu:.0f} a CPU second of client and simulated API server together)"
    )


async def _measure(pods: int) -> Evictions:
    nodes = [objects.node(f"n{i}", index=i) for i in range(1, NODES + 1)]
    shop = objects.deployment("shop", "cart-v1", {"app": "cart", "version": "v1"}, pods)
    async with simulated_kube([objects.namespace("shop"), *nodes, shop]) as kube:
        await until(lambda: len(_pods(kube)) == pods, within=120.0)
        victims = _pods(kube)
        async with _executor(kube.url) as executor:
            wall, cpu = time.perf_counter(), time.process_time()
            applied = 0
            for pod in victims:
                outcome, _ = await executor.carry_out(_decision(pod), None)
                applied += outcome.result is Result.APPLIED
            return Evictions(pods, applied, time.perf_counter() - wall, time.process_time() - cpu)


def _pods(kube: SimulatedKube) -> list[PodRef]:
    metas = [pod["metadata"] for pod in kube.store.list("pods", "shop")]
    return [PodRef("shop", meta["name"], meta["uid"]) for meta in metas if "deletionTimestamp" not in meta]


def _decision(pod: PodRef) -> Decision:
    action = Action(ActionKind.EVICT, pod.uid, Target.of(pod))
    return Decision(
        pod.uid,
        FakeClock().at,
        Kind.EVICT,
        Verdict.ACT,
        str(pod),
        "bench",
        "",
        pod.uid,
        action_kind=ActionKind.EVICT,
        action=action,
    )


@asynccontextmanager
async def _executor(url: str) -> AsyncIterator[Executor]:
    """With a journal on disk, and evidence kept."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, cluster = Path(scratch), FakeCluster()
        journal = await SqlJournal.open(f"sqlite+aiosqlite:///{folder / 'journal.db'}")
        async with connected(folder, url) as api:
            yield Executor(
                actuators={ActionKind.EVICT: EvictActuator(api)},
                cluster=cluster,
                journal=journal,
                lease=FakeLease(),
                switch=FakeSwitch(),
                evidence=EvidenceStore(cluster, folder / "kept", logs=False, lines=0, max_bytes=0, redact=()),
                clock=FakeClock(),
                fresh_for=10.0,
            )
        await journal.close()
