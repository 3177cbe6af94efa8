"""A real Alertmanager is told: pages that stand and end, silences of a replaced pod's own alerts and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from observer.app.notifications import alertmanagers, links_of, silence_own_alerts
from observer.config.settings.notifications import AlertmanagerSettings
from observer.config.settings.read import parse
from observer.domain import names
from observer.domain.action import ActionKind, Mode
from observer.domain.errors import ConfigError, SourceUnavailable
from observer.domain.outcome import Result
from observer.engine.remediation.silences import silence_matchers
from observer.http_client import delivery
from observer.http_client.client import Endpoint
from observer.kube.times import unix
from observer.runtime.clock import SystemClock
from observer.sinks.alertmanager.api import Alertmanagers
from observer.sinks.alertmanager.sink import AlertmanagerSink, Policy
from tests.support.alertmanager import PROGRAM, Alertmanager
from tests.support.fakes import FakeClock
from tests.support.receivers import POD, Receiver, acted, receiving, told

pytestmark = pytest.mark.integration
REAL = pytest.mark.needs(PROGRAM)

OWN = {"alertname": "PodErrors", "namespace": "shop", "pod": "cart-1"}
OTHERS: list[dict[str, str]] = [
    {"alertname": "PodErrors", "namespace": "shop", "pod": "cart-2"},
    {"alertname": "PodErrors", "namespace": "pay", "pod": "cart-1"},
    {"alertname": "CartErrors", "namespace": "shop", "workload": "cart"},
    {"alertname": names.BURN_ALERT, "namespace": "shop", "pod": "cart-1", names.SLO_ID: "shop/cart"},
    {"alertname": "ErrorBudgetBurn", "namespace": "shop", "pod": "cart-1", "slo": "cart-requests"},
    {"alertname": "ObserverBlind", "namespace": "shop", "pod": "cart-1"},
    {"alertname": names.PAGE_ALERT, "namespace": "shop", "pod": "cart-1", names.ALERT_INCIDENT: "i9"},
]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Alertmanager]:
    one = Alertmanager(tmp_path, {"url": "http://127.0.0.1:1/nobody"})
    await one.start()
    yield one
    await one.stop()


@dataclass
class Leader:
    """What the sink asks of the loop."""

    leads: bool = True
    knows: bool = True
    open: set[str] = field(default_factory=lambda: {"i1"})


def api(*urls: str, patience: float = 10.0, clock: Any = None) -> Alertmanagers:
    endpoints = [Endpoint("alertmanager", url=url, timeout=20.0) for url in urls]
    return Alertmanagers(
        [delivery.Receiver(one, clock or SystemClock(), Random(1), patience=patience) for one in endpoints]
    )


def sink(server: Alertmanager | Receiver, leader: Leader, clock: Any = None, **policy: Any) -> AlertmanagerSink:
    links = links_of(
        parse("cluster: east\nlinks: {runbook: 'https://run.example/{kind}', page: 'https://o/{incident}'}")
    )
    clock = clock or SystemClock()
    return AlertmanagerSink(
        api(server.url, clock=clock), Policy(**{"cluster": "east", **policy}), clock, links=links,
        leading=lambda: leader.leads, standing=lambda: frozenset(leader.open) if leader.knows else None,
    )  # fmt: skip


async def get(server: Alertmanager, path: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/api/v2{path}") as answer:
        assert answer.status == 200
        return await answer.json()


async def pages(server: Alertmanager) -> list[Mapping[str, Any]]:
    return [one for one in await get(server, "/alerts") if one["labels"]["alertname"] == names.PAGE_ALERT]


async def silent(server: Alertmanager) -> list[Mapping[str, str]]:
    return [one["labels"] for one in await get(server, "/alerts") if one["status"]["silencedBy"]]


async def silences(server: Alertmanager, state: str = "active") -> list[Mapping[str, Any]]:
    return [one for one in await get(server, "/silences") if one["status"]["state"] == state]


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not await true():
            await asyncio.sleep(0.02)


def now(**changes: Any) -> dict[str, Any]:
    return {"at": SystemClock().now(), **changes}


@REAL
async def test_a_page_stands_until_its_incident_ends(server: Alertmanager) -> None:
    leader = Leader()
    one = sink(server, leader, labels={"team": "shop", "severity": "page"})
    await one.publish(told(**now()))
    await one.flush()
    assert await pages(server) == []
    await one.publish(told("page", severity="page", text="approve the eviction", **now()))
    await one.flush()
    (page,) = await pages(server)
    assert page["labels"] == {
        "alertname": "ObserverPage", "namespace": "shop", "workload": "cart", "service": "cart", "cluster": "east",
        "observer_incident": "i1", "team": "shop", "severity": "page",
    }  # fmt: skip
    assert page["annotations"]["summary"] == "approve the eviction"
    assert page["annotations"]["runbook_url"] == "https://run.example/page"
    assert page["annotations"]["page"] == page["generatorURL"] == "https://o/i1"
    await one.publish(told("page", severity="page", text="a second word", **now()))
    await one.flush()
    (again,) = await pages(server)
    assert again["fingerprint"] == page["fingerprint"] and again["startsAt"] == page["startsAt"]
    assert again["annotations"]["summary"] == "a second word"
    await one.publish(told("closed", severity="info", **now()))
    await one.flush()
    assert await pages(server) == []
    await one.close()


@REAL
async def test_the_next_observer_takes_a_page_over_and_ends_it(server: Alertmanager) -> None:
    first = sink(server, Leader())
    await first.publish(told("page", severity="page", **now()))
    await first.flush()
    await first.close()
    (before,) = await pages(server)

    leader = Leader(leads=False)
    second = sink(server, leader)
    await second.flush()
    leader.leads = True
    await second.flush()
    (page,) = await pages(server)
    assert page["startsAt"] == before["startsAt"] and page["endsAt"] > before["endsAt"]
    leader.open.clear()
    await second.flush()
    assert await pages(server) == []
    await second.close()


@REAL
async def test_another_clusters_pages_are_not_ours(server: Alertmanager) -> None:
    west = sink(server, Leader(), cluster="west")
    await west.publish(told("page", severity="page", **now()))
    await west.flush()
    east = sink(server, Leader(open=set()))
    await east.flush()
    assert len(await pages(server)) == 1
    await west.close()
    await east.close()


@REAL
async def test_only_the_replaced_pods_own_alerts_fall_silent_and_only_until_the_verdict(server: Alertmanager) -> None:
    await server.send(OWN, *OTHERS)
    leader = Leader()
    one = sink(server, leader, silences=True, pages=False)
    await one.publish(acted(**now()))
    await one.flush()
    await until(lambda: silent(server))
    assert await silent(server) == [OWN]
    (silence,) = await silences(server)
    assert silence["createdBy"] == "observer" and "i1" in silence["comment"]
    assert silence["endsAt"] > silence["startsAt"]
    await one.publish(told("verified", reason="fixed", **now()))
    await one.flush()
    assert await silences(server) == []
    assert len(await silences(server, "expired")) == 1
    await until(lambda: _none(silent, server))
    await one.close()


async def _none(ask: Callable[[Alertmanager], Any], server: Alertmanager) -> bool:
    return not await ask(server)


@REAL
async def test_the_way_out_ends_silences_and_so_does_who_finds_one_left_behind(server: Alertmanager) -> None:
    one = sink(server, Leader(), silences=True)
    await one.publish(acted(**now()))
    await one.flush()
    assert len(await silences(server)) == 1
    await one.close()
    assert await silences(server) == []

    left = sink(server, Leader(), silences=True)
    await left.publish(acted(**now()))
    await left.flush()
    await left._api.close()  # it dies without a word
    finder = sink(server, Leader(), silences=True)
    await finder.flush()
    assert len(await silences(server)) == 1, "its incident is open: it stays"
    await finder.publish(told("verified", **now()))
    await finder.flush()
    assert await silences(server) == []
    await finder.close()


@REAL
async def test_who_leads_no_more_neither_ends_nor_makes_a_silence(server: Alertmanager) -> None:
    was, follows = Leader(), Leader()
    one, other = sink(server, was, silences=True), sink(server, follows, silences=True)
    await one.publish(acted(**now()))
    await one.flush()
    was.leads = False
    await one.flush()
    await one.publish(told("verified", **now()))
    await one.close()
    assert len(await silences(server)) == 1, "the next leader looks after it"

    await other.publish(acted(**now(incident="i2")))
    follows.leads = False
    await other.flush()
    follows.leads = True
    await other.flush()
    assert [one["comment"] for one in await silences(server) if "i2" in one["comment"]] == []
    await other.close()


@REAL
async def test_one_whose_incident_is_over_is_ended_when_it_is_found(server: Alertmanager) -> None:
    left = sink(server, Leader(), silences=True)
    await left.publish(acted(**now()))
    await left.flush()
    wests = sink(server, Leader(), silences=True, cluster="west")
    await wests.publish(acted(incident="w1", **now()))
    await wests.flush()
    person = api(server.url)
    await person.silence(silence_matchers(POD), at=now()["at"], seconds=60.0, by="observer", comment="a person's word")
    finder = sink(server, Leader(open=set()), silences=True)
    await finder.flush()
    still = sorted(one["comment"] for one in await silences(server))
    assert len(still) == 2 and "w1" in still[0] and still[1] == "a person's word"
    for one in (left, wests, finder):
        await one.close()
    await person.close()


@REAL
async def test_a_person_may_ask_for_it_and_gets_five_minutes_at_most(server: Alertmanager) -> None:
    await server.send(OWN, *OTHERS)
    settings = parse(f"alertmanager: {{urls: ['{server.url}'], timeout: 20s}}")
    found = await silence_own_alerts(settings, POD, 3600.0, by="ada", comment="looking into it")
    assert found.names == ("PodErrors",)
    assert found.left == ("ErrorBudgetBurn", "ObserverBlind", names.BURN_ALERT, names.PAGE_ALERT)
    (silence,) = await silences(server)
    assert (silence["createdBy"], silence["comment"], silence["id"]) == ("ada", "looking into it", found.id)
    began, ended = (unix(silence[key]) for key in ("startsAt", "endsAt"))
    assert 299.0 <= ended - began <= 300.001
    with pytest.raises(ValueError, match="silence"):
        await silence_own_alerts(settings, POD, 0.0, by="ada", comment="")
    with pytest.raises(ConfigError, match=r"alertmanager\.urls"):
        await silence_own_alerts(parse(""), POD, 60.0, by="ada", comment="")


@REAL
async def test_a_silence_of_one_cluster_leaves_the_other_clusters_pod_alone(server: Alertmanager) -> None:
    west = OWN | {"alertname": "OfWest", "cluster": "we.st"}
    east, longer = (
        west | {"alertname": "OfEast", "cluster": "east"},
        west | {"alertname": "OfWeXst", "cluster": "weXst"},
    )
    await server.send(OWN, west, east, longer)
    settings = parse(f"{{cluster: we.st, alertmanager: {{urls: ['{server.url}'], timeout: 20s}}}}")
    found = await silence_own_alerts(settings, POD, 60.0, by="ada", comment="looking into it")
    assert (found.names, found.left) == (("OfWest", "PodErrors"), ("OfEast", "OfWeXst"))
    assert sorted(one["alertname"] for one in await silent(server)) == ["OfWest", "PodErrors"]


@REAL
async def test_a_silence_that_has_ended_may_be_ended_again(server: Alertmanager) -> None:
    one = api(server.url)
    made = await one.silence(silence_matchers(POD), at=now()["at"], seconds=60.0, by="observer", comment="c")
    await one.end(made)
    await one.end(made)
    await one.end("00000000-0000-0000-0000-000000000000")
    assert await silences(server) == []
    await one.close()


@REAL
async def test_a_replica_that_is_down_is_passed_over(server: Alertmanager) -> None:
    one = api("http://127.0.0.1:1", server.url, patience=0.0)
    await one.post([{"labels": {"alertname": "X"}}])
    assert [alert.labels for alert in await one.alerts()] == [{"alertname": "X"}]
    await one.close()


async def test_what_fails_is_tried_again_and_pages_are_not_lost() -> None:
    clock = FakeClock()
    async with receiving(500) as receiver:
        one = sink(receiver, Leader(), clock)
        one._led = True
        await one.publish(told("page", severity="page", at=clock.at))
        await one.flush()
        receiver.answers, before = [200], len(receiver.got)
        await one.flush()
        assert len(receiver.got) == before + 1 > 1
        (alert,) = receiver.got[-1].json
        await one.close()
    assert alert["labels"]["observer_incident"] == "i1"


async def test_a_page_goes_out_where_nothing_may_be_read() -> None:
    clock = FakeClock()
    async with receiving(403, 200, 403, 200) as receiver:
        one = sink(receiver, Leader(), clock)
        await one.publish(told("page", severity="page", at=clock.at))
        await one.flush()
        await one.flush()
        await one.close()
    assert [got.method for got in receiver.got] == ["GET", "POST", "GET", "POST"]


async def test_a_new_leader_ends_nothing_before_it_knows_what_is_open() -> None:
    leader = Leader(knows=False, open=set())
    async with receiving() as receiver:
        one = sink(receiver, leader, FakeClock())
        await one.publish(told("page", severity="page"))
        await one.flush()
        assert receiver.got == []
        leader.knows, leader.open = True, {"i1"}
        await one.flush()
        (alert,) = receiver.got[-1].json
        await one.close()
    assert unix(alert["endsAt"]) > FakeClock().now()


async def test_a_follower_tells_nothing() -> None:
    async with receiving() as receiver:
        one = sink(receiver, Leader(leads=False), FakeClock())
        await one.publish(told("page", severity="page"))
        await one.flush()
        await one.close()
    assert receiver.got == []


async def test_a_page_without_an_incident_ends_after_an_hour() -> None:
    clock = FakeClock()
    alone = {"incident": "", "pod": None, "workload": None, "service": None, "subject": "workload shop/cart"}
    async with receiving() as receiver:
        one = sink(receiver, Leader(open=set()), clock)
        one._led = True
        await one.publish(told("frozen", severity="page", at=clock.at, **alone))
        await one.flush()
        clock.at += 3599.0
        await one.flush()
        clock.at += 1.0
        await one.flush()
        await one.flush()
        await one.close()
    sent = [got.json[0] for got in receiver.got]
    ends = [unix(alert["endsAt"]) for alert in sent]
    assert len(sent) == 3 and all(alert["labels"] == sent[0]["labels"] for alert in sent)
    assert ends == [1_000_240.0, 1_003_839.0, 1_003_600.0]


async def test_an_incident_that_ends_with_a_page_keeps_it() -> None:
    clock, leader = FakeClock(), Leader()
    async with receiving() as receiver:
        one = sink(receiver, leader, clock)
        one._led = True
        leader.open.clear()
        await one.publish(told("closed", severity="page", reason="worse", at=clock.at))
        await one.flush()
        await one.close()
    assert unix(receiver.got[-1].json[0]["endsAt"]) > clock.at


@pytest.mark.parametrize(
    "decision",
    [
        acted(result=Result.DEFERRED),
        acted(result=Result.UNKNOWN),
        acted(ActionKind.DRAIN),
        acted(mode=Mode.DRY_RUN),
        told(),
    ],
)
async def test_only_a_pod_that_was_really_evicted_is_silenced(decision: Any) -> None:
    async with receiving() as receiver:
        one = sink(receiver, Leader(), FakeClock(), silences=True, pages=False)
        one._led = True
        await one.publish(decision)
        await one.flush()
        await one.close()
    assert receiver.got == []


async def test_what_cannot_be_looked_at_is_not_silenced() -> None:
    clock = FakeClock()
    async with receiving(500) as receiver:
        one = sink(receiver, Leader(), clock, silences=True, pages=False)
        one._led = True
        await one.publish(acted(at=clock.at))
        await one.flush()
        await one.close()
    assert {got.method for got in receiver.got} == {"GET"}


async def test_too_many_pages_are_counted_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("observer.sinks.alertmanager.sink.MOST", 1)
    one = sink(Receiver(url="http://127.0.0.1:1"), Leader(leads=False), FakeClock())
    await one.publish(told("page", severity="page", incident="a"))
    await one.publish(told("page", severity="page", incident="a"))
    with pytest.raises(SourceUnavailable):
        await one.publish(told("page", severity="page", incident="b"))
    await one.close()


def test_defaults_are_harmless() -> None:
    assert AlertmanagerSettings().silences is False
    with pytest.raises(ConfigError):
        alertmanagers(parse(""), FakeClock())
