"""Dashboards and annotations against a Grafana of either generation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from observer.config.settings.sources import HttpAuth
from observer.domain import names
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import ConfigError, ObserverError, SourceUnavailable
from observer.domain.ids import PodRef, Target, WorkloadRef
from observer.domain.kinds import Kind
from observer.domain.outcome import Outcome, Result
from observer.http_client.client import Endpoint
from observer.sinks.grafana.annotations import GrafanaAnnotations
from observer.sinks.grafana.client import GrafanaClient, GrafanaRefused, probe
from observer.sinks.grafana.publish import Published, Publisher
from tests.support.fake_grafana import TOKEN, FakeGrafana

BOARD: dict[str, Any] = {"uid": "observer-x", "title": "Observer / X", "tags": [names.GRAFANA_TAG], "panels": []}
GENERATIONS = {
    "old": {"new": False},
    "new": {"old": False},
    "both": {},
    "newest model only": {"versions": ("v2", "v2beta1")},
}
AT = 1_767_225_600.0


@asynccontextmanager
async def opened(
    grafana: FakeGrafana, folder: Path, *, token: str = TOKEN, path: str = ""
) -> AsyncIterator[GrafanaClient]:
    file = folder / "token"
    file.write_text(token + "\n")
    server = await grafana.started()
    url = f"http://127.0.0.1:{server.port}{path}"
    client = GrafanaClient(Endpoint("grafana", url=url, auth=HttpAuth(bearer_file=str(file))))
    try:
        yield client
    finally:
        await client.close()
        await server.close()


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_a_dashboard_is_made_changed_and_left_alone(generation: str, tmp_path: Path) -> None:
    grafana = FakeGrafana(**GENERATIONS[generation])  # type: ignore[arg-type]
    async with opened(grafana, tmp_path) as client:
        publisher = Publisher(client)
        assert await publisher.make_folder()
        assert not await publisher.make_folder()
        assert await publisher.publish(BOARD) is Published.CREATED
        writes = len([one for one in grafana.requests if one[0] != "GET"])
        assert await publisher.publish(BOARD) is Published.UNCHANGED
        assert len([one for one in grafana.requests if one[0] != "GET"]) == writes
        assert await publisher.publish({**BOARD, "panels": [{"id": 1}]}) is Published.UPDATED
        version = (await publisher.api()).version

    assert version == ("v1beta1" if generation in ("new", "both") else "")
    [retained] = grafana.dashboards.values()
    assert (retained["folder"], retained["version"]) == ("observer", 2)
    assert retained["spec"]["panels"] == [{"id": 1}] and grafana.folders == {"observer": "Observer"}
    used = {path.split("/")[1] for method, path in grafana.requests if method != "GET" and "folders" not in path}
    assert used == {"apis" if version else "api"}


@pytest.mark.parametrize("generation", ["old", "new"])
async def test_without_a_folder_it_stays_where_a_person_put_it(generation: str, tmp_path: Path) -> None:
    grafana = FakeGrafana(**GENERATIONS[generation], folders={"theirs": "Theirs"})  # type: ignore[arg-type]
    grafana.put({**BOARD, "title": "older"}, folder="theirs")
    async with opened(grafana, tmp_path) as client:
        publisher = Publisher(client, folder="")
        assert not await publisher.make_folder()
        assert await publisher.publish(BOARD) is Published.UPDATED

    assert grafana.dashboards["observer-x"]["folder"] == "theirs"
    assert set(grafana.folders) == {"theirs"}


@pytest.mark.parametrize("generation", ["old", "new"])
async def test_what_somebody_saves_meanwhile_is_not_lost(generation: str, tmp_path: Path) -> None:
    grafana = FakeGrafana(**GENERATIONS[generation])  # type: ignore[arg-type]
    grafana.put({**BOARD, "title": "older"})

    def somebody(_: str) -> None:
        grafana.put({**BOARD, "title": "by a person"})

    grafana.before_write = somebody
    async with opened(grafana, tmp_path) as client:
        with pytest.raises(GrafanaRefused, match="somebody saved it meanwhile: run the command again"):
            await Publisher(client, folder="").publish(BOARD)
        assert grafana.dashboards["observer-x"]["spec"]["title"] == "by a person"
        assert await Publisher(client, folder="", overwrite=True).publish(BOARD) is Published.UPDATED

    assert grafana.dashboards["observer-x"]["spec"]["title"] == BOARD["title"]


@pytest.mark.parametrize("generation", ["old", "new"])
async def test_a_dashboard_of_others_is_left_alone(generation: str, tmp_path: Path) -> None:
    grafana = FakeGrafana(**GENERATIONS[generation])  # type: ignore[arg-type]
    grafana.put({**BOARD, "tags": ["mine"]})
    async with opened(grafana, tmp_path) as client:
        with pytest.raises(GrafanaRefused, match="is not Observer's"):
            await Publisher(client, folder="").publish(BOARD)
        assert await Publisher(client, folder="", overwrite=True).publish(BOARD) is Published.UPDATED


async def test_two_of_one_title_in_a_folder_are_told(tmp_path: Path) -> None:
    grafana = FakeGrafana(new=False, folders={"observer": "Observer"})
    grafana.put({**BOARD, "uid": "another"}, folder="observer")
    async with opened(grafana, tmp_path) as client:
        with pytest.raises(GrafanaRefused, match="another of the same title is in that folder") as caught:
            await Publisher(client).publish(BOARD)
    assert caught.value.status == 412


@pytest.mark.parametrize("generation", ["old", "new"])
async def test_a_folder_that_went_is_told(generation: str, tmp_path: Path) -> None:
    grafana = FakeGrafana(**GENERATIONS[generation])  # type: ignore[arg-type]
    async with opened(grafana, tmp_path) as client:
        with pytest.raises(GrafanaRefused, match="the folder does not exist"):
            await Publisher(client, folder="gone").publish(BOARD)


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_what_the_token_may_not_is_told_without_the_token(generation: str, tmp_path: Path) -> None:
    grafana = FakeGrafana(**GENERATIONS[generation], rights=frozenset({"read"}))  # type: ignore[arg-type]
    async with opened(grafana, tmp_path) as client:
        with pytest.raises(GrafanaRefused, match=r"403.*lacks the permission.*additional permissions: write"):
            await Publisher(client, folder="").publish(BOARD)
    async with opened(grafana, tmp_path, token="glsa_wrong_secret") as client:
        with pytest.raises(GrafanaRefused, match=r"401.*the token is not known to this Grafana") as caught:
            await Publisher(client).make_folder()
    assert "glsa" not in str(caught.value)
    assert not grafana.dashboards


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (503, SourceUnavailable, "HTTP 503: not today"),
        (429, SourceUnavailable, "too many requests"),
        (400, GrafanaRefused, "HTTP 400: refused: not today"),
    ],
)
async def test_other_refusals_say_what_was_tried(
    status: int, kind: type[ObserverError], told: str, tmp_path: Path
) -> None:
    grafana = FakeGrafana(new=False)
    async with opened(grafana, tmp_path) as client:
        publisher = Publisher(client, folder="")
        await publisher.api()
        grafana.broken = [status]
        with pytest.raises(kind, match=told) as caught:
            await publisher.publish(BOARD)
    assert "reading dashboard observer-x" in str(caught.value)


async def test_nobody_there_and_an_address_that_can_never_work(tmp_path: Path) -> None:
    async with opened(FakeGrafana(), tmp_path) as client:
        pass
    with pytest.raises(SourceUnavailable, match=r"grafana: http://127\.0\.0\.1:"):
        await client.request("GET", "/api/health")
    await client.close()
    with pytest.raises(ConfigError, match=r"grafana\.url: .* is not an http or https address"):
        GrafanaClient(Endpoint("grafana", url="grafana:3000", timeout=1.0))


# Annotations

POD = PodRef("shop", "cart-1", "u1")


def act(action_kind: ActionKind, at: float, *, attempt: int = 0, incident: str = "i1", **changes: Any) -> Decision:
    action = Action(action_kind, incident, Target.of(POD), attempt=attempt)
    made = Decision(
        f"d{at}", at, Kind(action_kind.value), Verdict.ACT, "pod shop/cart-1", "evidence",
        f"{action_kind.value} at {at:.0f}", incident=incident, action_kind=action_kind, mode=Mode.ENFORCE, pod=POD,
        workload=WorkloadRef("shop", "Deployment", "cart"),
        action=action, outcome=Outcome(action.id, Result.APPLIED, "applied"),
    )  # fmt: skip
    return replace(made, **changes)


def told(kind: str, at: float, reason: str = "because") -> Decision:
    return Decision(
        f"t{at}", at, Kind(kind), Verdict.TELL, "pod shop/cart-1", reason, f"{kind}: {reason}", incident="i1"
    )


STORY = [
    act(ActionKind.DRAIN, AT),
    told("drain_effective", AT + 5),
    told("drain_verdict", AT + 30, "dropped"),
    act(ActionKind.EVICT, AT + 31),
    told("replaced", AT + 50),
    told("verified", AT + 90, "fixed"),
    told("closed", AT + 91, "fixed"),
]


def settled(grafana: FakeGrafana) -> None:
    """What the whole story leaves behind."""
    drain, evict = sorted(grafana.annotations.values(), key=lambda one: one["time"])
    assert (drain["time"], drain["timeEnd"]) == (AT * 1000, (AT + 31) * 1000)
    assert (evict["time"], evict["timeEnd"]) == ((AT + 31) * 1000, (AT + 90) * 1000)
    assert drain["text"].split("\n")[:2] == [f"drain at {AT:.0f}", "drain_effective: because"]
    assert "drain_verdict: dropped" in drain["text"] and "verified: fixed" in evict["text"]
    assert "dashboardUID" not in drain
    assert {"observer", "incident:i1", "action:drain", "namespace:shop", "workload:cart"} <= set(drain["tags"])
    assert "verdict:fixed" in evict["tags"] and "action:evict" in evict["tags"]
    assert len([tag for tag in drain["tags"] if tag.startswith("act:")]) == 1


async def test_one_annotation_an_act_from_its_write_to_its_verdict(tmp_path: Path) -> None:
    grafana = FakeGrafana()
    async with opened(grafana, tmp_path) as client:
        sink = GrafanaAnnotations(client)
        for decision in STORY:
            await sink.publish(decision)
    settled(grafana)


@pytest.mark.parametrize("at", range(1, len(STORY)))
async def test_a_restart_anywhere_makes_no_second_one(at: int, tmp_path: Path) -> None:
    grafana = FakeGrafana()
    async with opened(grafana, tmp_path) as client:
        first, second = GrafanaAnnotations(client), GrafanaAnnotations(client)
        for decision in STORY[:at]:
            await first.publish(decision)
        for decision in STORY[at - 1 :]:  # the last one is told again: nobody knows whether it arrived
            await second.publish(decision)
    settled(grafana)


@pytest.mark.parametrize("at", range(len(STORY) - 1))
async def test_an_answer_that_is_lost_makes_no_second_one(at: int, tmp_path: Path) -> None:
    grafana = FakeGrafana()
    async with opened(grafana, tmp_path) as client:
        sink = GrafanaAnnotations(client)
        for number, decision in enumerate(STORY):
            if number == at:
                grafana.lost = 1
                with pytest.raises(SourceUnavailable):
                    await sink.publish(decision)
                await sink.publish(decision)
            else:
                await sink.publish(decision)
    settled(grafana)


async def test_a_grafana_that_is_down_for_a_while_learns_it_later(tmp_path: Path) -> None:
    grafana = FakeGrafana()
    async with opened(grafana, tmp_path) as client:
        sink = GrafanaAnnotations(client)
        grafana.broken = [503]
        with pytest.raises(SourceUnavailable):
            await sink.publish(STORY[0])
        for decision in STORY[1:]:
            await sink.publish(decision)
    settled(grafana)


async def test_giving_back_ends_the_drain_and_a_second_drain_is_another(tmp_path: Path) -> None:
    grafana = FakeGrafana()
    async with opened(grafana, tmp_path) as client:
        sink = GrafanaAnnotations(client)
        await sink.publish(act(ActionKind.DRAIN, AT))
        await sink.publish(act(ActionKind.RESTORE, AT + 60))
        await sink.publish(act(ActionKind.DRAIN, AT + 90, attempt=1))
        await sink.publish(told("closed", AT + 200, "cleared"))
    first, second = sorted(grafana.annotations.values(), key=lambda one: one["time"])
    assert first["timeEnd"] == (AT + 60) * 1000 and f"restore at {AT + 60:.0f}" in first["text"]
    assert second["timeEnd"] == (AT + 200) * 1000 and "closed: cleared" in second["text"]
    assert "closed" not in first["text"]


@pytest.mark.parametrize(
    "decision",
    [
        act(ActionKind.DRAIN, AT, verdict=Verdict.WOULD, outcome=None),
        act(ActionKind.DRAIN, AT, verdict=Verdict.BLOCKED, outcome=None),
        act(ActionKind.DRAIN, AT, mode=Mode.DRY_RUN),
        act(ActionKind.DRAIN, AT, outcome=Outcome("a", Result.DEFERRED, "pdb")),
        act(ActionKind.RESTORE, AT),
        told("verified", AT),
        told("suspected", AT),
        replace(told("closed", AT), incident=""),
    ],
    ids=lambda one: f"{one.kind} {one.verdict.value} {one.mode.value}",
)
async def test_what_was_not_done_is_not_annotated(decision: Decision, tmp_path: Path) -> None:
    grafana = FakeGrafana()
    async with opened(grafana, tmp_path) as client:
        await GrafanaAnnotations(client).publish(decision)
    assert grafana.annotations == {}


async def test_an_annotation_that_a_person_removed_stays_removed(tmp_path: Path) -> None:
    grafana = FakeGrafana()
    async with opened(grafana, tmp_path) as client:
        sink = GrafanaAnnotations(client)
        await sink.publish(STORY[0])
        grafana.annotations.clear()
        for decision in STORY[1:3]:
            await sink.publish(decision)
    assert grafana.annotations == {}


async def test_a_token_without_the_right_is_told(tmp_path: Path) -> None:
    grafana = FakeGrafana(rights=frozenset({"read"}))
    async with opened(grafana, tmp_path) as client:
        with pytest.raises(GrafanaRefused, match="making an annotation: HTTP 403"):
            await GrafanaAnnotations(client).publish(STORY[0])


@pytest.mark.parametrize(
    ("change", "ok", "detail"),
    [
        (lambda _: None, [True, True], "they can be read"),
        (lambda it: it.broken.append(502), [False], "HTTP 502"),
        (lambda it: setattr(it, "rights", frozenset()), [True, False], "403"),
    ],
)
async def test_doctor_says_how_it_is(
    change: Callable[[FakeGrafana], None], ok: list[bool], detail: str, tmp_path: Path
) -> None:
    grafana = FakeGrafana()
    change(grafana)
    async with opened(grafana, tmp_path) as client:
        found = await probe(client)
    assert [one.ok for one in found] == ok
    assert detail in found[-1].detail and TOKEN not in repr(found)
    assert all(one.remedy for one in found if not one.ok)
    assert not [one for one in grafana.requests if one[0] != "GET"]


async def test_doctor_says_when_nobody_is_there(tmp_path: Path) -> None:
    async with opened(FakeGrafana(), tmp_path) as client:
        pass
    [found] = await probe(client)
    await client.close()
    assert found.ok is False and "grafana.url" in found.remedy
