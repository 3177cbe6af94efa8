"""The whole daemon with everybody told: a gray pod's story arrives everywhere, and no secret arrives anywhere."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import structlog
from jsonschema import Draft202012Validator

from observer.app.cluster_access import connected
from observer.app.daemon import build
from observer.app.notifications import examine_notifications
from observer.config.settings.model import EvidenceSettings, Settings
from observer.config.settings.read import parse
from observer.config.settings.sources import KubernetesSettings, PrometheusSettings
from observer.domain import names
from observer.exchange.event_schema import schema
from observer.runtime.clock import SystemClock
from observer.runtime.supervise import supervise
from observer.simulator.clock import SimClock
from observer.simulator.kubernetes.kubeconfig import write_kubeconfig
from observer.simulator.mesh.faults import pod_errors
from observer.simulator.scenarios.world import World
from observer.telemetry.logging import configure_logging
from observer.telemetry.trace_ids import trace_id_of
from tests.support.fakes import FakeClock
from tests.support.receivers import OtlpCollector, Receiver, collecting, receiving

pytestmark = pytest.mark.integration

SECRETS = {name: f"S3CRET-{name}-token" for name in ("events", "slack", "alerts", "otlp", "bots")}


@dataclass
class Town:
    """Everybody who is told."""

    settings: Settings
    events: Receiver
    slack: Receiver
    bots: Receiver
    alerts: Receiver
    collector: OtlpCollector


@pytest.fixture
def log() -> Iterator[io.BytesIO]:
    held, handlers = io.BytesIO(), list(logging.getLogger().handlers)
    configure_logging("debug", held)
    yield held
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers


@asynccontextmanager
async def town(folder: Path, world: World, alerts: int = 200) -> AsyncIterator[Town]:
    prometheus, kubernetes = await world.serve()
    for name, secret in SECRETS.items():
        (folder / name).write_text(secret)
    async with AsyncExitStack() as stack:
        events = await stack.enter_async_context(receiving(202))
        slack = await stack.enter_async_context(receiving(404))  # it refuses everything
        bots = await stack.enter_async_context(receiving())
        am = await stack.enter_async_context(receiving(alerts))
        collector = await stack.enter_async_context(collecting())
        (folder / "slack").write_text(f"{slack.url}/services/{SECRETS['slack']}")
        settings = parse(
            f"""
            mode: enforce
            tick: 1s
            cluster: east
            cloudevents: {{url: '{events.url}', auth: {{bearer_file: {folder / "events"}}}}}
            alertmanager:
              {{urls: ['{am.url}'], silences: true, auth: {{username: o, password_file: {folder / "alerts"}}}}}
            notify:
              - {{name: slack, kind: slack, url_file: {folder / "slack"}, group_wait: 0s, severity: info}}
              - {{name: bots, url: '{bots.url}', group_wait: 0s, severity: info, group_interval: 0s,
                  auth: {{bearer_file: {folder / "bots"}}}}}
            otlp_endpoint: {collector.url}
            otlp: {{auth: {{bearer_file: {folder / "otlp"}}}}}
            links: {{page: 'https://o.example/i/{{incident}}'}}
            lease: {{identity: observer-test}}
            journal: 'sqlite+aiosqlite:///{folder / "journal.db"}'
            audit: {folder / "audit.jsonl"}
            listen: 127.0.0.1:0
            """
        )
        settings = replace(
            settings,
            prometheus=PrometheusSettings(url=prometheus, history_seconds=60.0, timeout=60.0),
            kubernetes=KubernetesSettings(kubeconfig=str(write_kubeconfig(folder / "kubeconfig", kubernetes))),
            evidence=EvidenceSettings(path=str(folder / "evidence")),
        )
        yield Town(settings, events, slack, bots, am, collector)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(200):
        while not true():
            await asyncio.sleep(0.1)


def kinds(receiver: Receiver) -> list[str]:
    return [got.json["data"]["kind"] for got in receiver.got]


async def test_the_story_of_a_gray_pod_arrives_everywhere(tmp_path: Path, log: io.BytesIO) -> None:
    async with World(seed=7, clock=SimClock(speed=1.0), history=60.0) as world, town(tmp_path, world) as people:
        stop = asyncio.Event()
        async with connected(people.settings) as api, asyncio.TaskGroup() as group:
            group.create_task(supervise(await build(people.settings, api), stop))
            await asyncio.sleep(3.0)
            bad = world.pods_of("catalog")[0]
            world.mesh.faults.set(pod_errors(bad, 0.6, since=world.clock.now()))
            await until(lambda: "drain" in kinds(people.events))
            stop.set()

    event_schema = Draft202012Validator(schema())
    assert [error for got in people.events.got for error in event_schema.iter_errors(got.json)] == []
    about = [got.json["data"] for got in people.events.got if got.json["data"].get("incident")]
    (incident,) = {one["incident"] for one in about}
    assert about[0]["kind"] == "suspected" and about[0]["pod"]["name"] == bad
    assert about[0]["links"] == {"page": f"https://o.example/i/{incident}"}
    assert {got.headers["Authorization"] for got in people.events.got} == {f"Bearer {SECRETS['events']}"}

    told = [one["kind"] for got in people.bots.got for one in got.json["decisions"] if one.get("incident")]
    assert told[:1] == ["suspected"] and "drain" in told
    assert people.slack.got, "who refuses is still asked, and kept nobody"

    ours = [one for one in people.collector.spans if int.from_bytes(one.trace_id, "big") == trace_id_of(incident)]
    assert {"incident", "suspected", "sense", "judge", "drain", "act", "tell"} <= {one.name for one in ours}
    linked = {link.trace_id for one in ours for link in one.links}
    assert linked and linked <= {one.trace_id for one in people.collector.spans if one.name == "tick"}
    dropped = people.collector.metrics[names.SINK_DROPPED_TOTAL].sum.data_points
    assert {one.attributes[0].value.string_value for one in dropped if one.as_int} == {"notify_slack"}

    retained = b"".join(
        path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name not in SECRETS
    )
    heard = b"".join(
        got.body for one in (people.events, people.slack, people.bots, people.alerts) for got in one.got
    ) + b"".join(got.body for got in people.collector.requests)
    assert b"drain" in retained and b"decided" in log.getvalue() and b"notify_slack" in log.getvalue()
    for secret in SECRETS.values():
        assert secret.encode() not in retained + heard + log.getvalue()


async def test_doctor_asks_each_of_them_and_writes_to_nobody(tmp_path: Path) -> None:
    async with World(seed=5, clock=SimClock(speed=1.0), history=60.0) as world, town(tmp_path, world) as people:
        found = {one.name: one for one in await examine_notifications(people.settings, SystemClock())}
        assert {name: one.ok for name, one in found.items()} == {
            "cloudevents reachable": True,
            "alertmanager reachable": True,
            "notify.slack reachable": None,  # 404 to OPTIONS may mean anything
            "notify.bots reachable": True,
            "otlp traces reachable": True,
            "otlp metrics reachable": True,
        }
        for receiver in (people.events, people.slack, people.bots):
            assert {(got.method, got.body) for got in receiver.got} == {("OPTIONS", b"")}
        assert [(got.method, got.path) for got in people.alerts.got] == [("GET", "/api/v2/status")]
        assert people.events.got[0].headers["WebHook-Request-Origin"] == "observer"
        assert people.collector.spans == [] and people.collector.metrics == {}


@pytest.mark.parametrize(
    ("answer", "ok", "says"),
    [(405, True, ""), (401, False, "cloudevents.auth"), (410, False, "another address"), (503, False, "its path")],
)
async def test_doctor_reads_answers(answer: int, ok: bool, says: str) -> None:
    async with receiving(answer) as receiver:
        settings = parse(f"cloudevents: {{url: '{receiver.url}', timeout: 20s}}")
        (found,) = await examine_notifications(settings, FakeClock())
    assert found.ok is ok and says in found.remedy


async def test_doctor_names_who_is_down_and_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [name for name in sys.modules if name.startswith("opentelemetry.exporter.otlp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    settings = parse("otlp_endpoint: http://127.0.0.1:1\notlp: {metrics: true, traces: false}")
    installed, reachable = await examine_notifications(settings, FakeClock())
    assert installed.ok is False and installed.remedy == "pip install 'observer[otlp]'"
    assert reachable.ok is False and reachable.detail.startswith("unreachable: http://127.0.0.1:1")
