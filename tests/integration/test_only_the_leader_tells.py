"""Two replicas decide the same; the outside hears it once, from the one that leads. Each keeps its own audit trail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from observer.app.cluster_access import cluster_access, connected
from observer.app.daemon import sinks
from observer.app.notifications import notifications
from observer.config.settings.read import parse
from observer.config.settings.sources import KubernetesSettings
from observer.domain.action import ActionKind
from observer.domain.decision import Decision
from observer.runtime.dispatcher import Dispatcher
from observer.simulator.kubernetes.kubeconfig import write_kubeconfig
from observer.telemetry.tracing import IncidentTracer
from tests.support.fakes import FakeClock, FakeLease, MemoryJournal
from tests.support.receivers import AT, Receiver, acted, receiving

pytestmark = pytest.mark.integration

OUTSIDE = {"/events", "/bots", "/grafana/api/annotations", "/am/api/v2/alerts", "/apis/events.k8s.io"}


@dataclass
class Replica:
    lease: FakeLease
    dispatcher: Dispatcher
    heard: Receiver
    spans: InMemorySpanExporter
    audit: Path

    def places(self) -> set[str]:
        """Which of the outside got anything."""
        return {place for place in OUTSIDE for got in self.heard.got if got.path.startswith(place)}

    def mentions(self, decision: Decision) -> bool:
        everything = b"".join(got.body for got in self.heard.got)
        return decision.text.encode() in everything or any(
            (span.attributes or {}).get("observer.decision") == decision.id for span in self.spans.get_finished_spans()
        )


@asynccontextmanager
async def replica(folder: Path, *, leads: bool) -> AsyncIterator[Replica]:
    folder.mkdir()
    async with AsyncExitStack() as stack:
        heard = await stack.enter_async_context(receiving())
        settings = parse(
            f"""
            cluster: east
            cloudevents: {{url: '{heard.url}/events'}}
            grafana: {{url: '{heard.url}/grafana'}}
            alertmanager: {{urls: ['{heard.url}/am'], silences: true}}
            notify: [{{name: bots, url: '{heard.url}/bots', group_wait: 0s, severity: info}}]
            audit: {folder / "audit.jsonl"}
            """
        )
        kubeconfig = write_kubeconfig(folder / "kubeconfig", heard.url)
        settings = replace(settings, kubernetes=KubernetesSettings(kubeconfig=str(kubeconfig)))
        api = await stack.enter_async_context(connected(settings))
        lease, spans, clock = FakeLease(leads), InMemorySpanExporter(), FakeClock(AT)
        made = replace(cluster_access(settings, api, clock, MemoryJournal()), lease=lease)
        outside = notifications(
            settings, clock, leading=lease.held, standing=lambda: frozenset({"i1"}), dropped=lambda _: None
        )
        told = [*sinks(made, IncidentTracer(SimpleSpanProcessor(spans))), *outside.sinks]
        dispatcher = Dispatcher(told, beside=outside.tasks, dropped=lambda _: None)
        running = asyncio.ensure_future(dispatcher.run())
        yield Replica(lease, dispatcher, heard, spans, folder / "audit.jsonl")
        running.cancel()
        await asyncio.wait({running})
        await dispatcher.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.02)


def act(number: int) -> Decision:
    return acted(ActionKind.DRAIN, id=f"d{number}", text=f"Drained for the time number {number}.", severity="page")


async def both_decide(decision: Decision, *replicas: Replica) -> None:
    for one in replicas:
        one.dispatcher.publish(decision)
    for one in replicas:
        await one.dispatcher.flush(60)


async def test_the_outside_hears_the_leader_and_after_a_handover_the_next_one(tmp_path: Path) -> None:
    async with replica(tmp_path / "a", leads=True) as first, replica(tmp_path / "b", leads=False) as second:
        await both_decide(act(1), first, second)
        await until(lambda: first.places() == OUTSIDE)
        assert first.mentions(act(1)) and first.spans.get_finished_spans()
        assert second.heard.got == [] and second.spans.get_finished_spans() == ()
        assert all(act(1).text in one.audit.read_text() for one in (first, second))

        first.lease.leads, second.lease.leads = False, True
        await both_decide(act(2), first, second)
        await until(lambda: second.places() == OUTSIDE)
        assert second.mentions(act(2)) and not second.mentions(act(1))
        assert not first.mentions(act(2))
