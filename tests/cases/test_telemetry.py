"""Telemetry as other set-ups write it: scraped seldom, twice or by others, with labels and series that come and go."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from observer.domain.classify import request_class
from observer.domain.counts import RequestClass
from observer.domain.ids import ServiceRef
from observer.domain.suspect import PodTally
from observer.sources.prometheus.call_graph import PrometheusCallGraph
from observer.sources.prometheus.source import PrometheusSource
from tests.cases.mesh import EDGE, SHOP, HandMesh, Labels, hand_mesh
from tests.cases.rows import case, wrong
from tests.support.stage import Stage

CATALOG = ServiceRef("shop", "catalog")


def without(*names: str) -> Callable[[Labels], Labels]:
    return lambda labels: {name: value for name, value in labels.items() if name not in names}


def failing(mesh: HandMesh, name: str, labels: dict[str, str]) -> Callable[[], None]:
    """A tick of the shop in which half of one pod's requests ended as ``labels`` say."""

    def tick() -> None:
        mesh.everybody_answers(25.0)
        mesh.answers(name, 25.0, **labels)

    return tick


# --- when things are scraped


@wrong("T1", "the interval is learnt only from pods that count")
async def test_pods_that_never_answer_a_request_are_as_fresh_as_the_others() -> None:
    async with hand_mesh(services=SHOP | {"worker": 3}, interval=30.0) as mesh:
        await mesh.ticks(60, lambda: mesh.everybody_answers(25.0, "worker"))

        assert mesh.gaps(since=12) == []


async def test_control_pods_that_answer_are_fresh() -> None:
    async with hand_mesh(interval=30.0) as mesh:
        await mesh.ticks(60, lambda: mesh.everybody_answers(25.0))

        assert mesh.gaps(since=12) == []


class Apart(Stage):
    """The counts of a scrape interval arrive at once, those of catalog-1 in another tick than its peers'."""

    every = 1
    passed = 0

    def _traffic(self) -> Any:
        tallies, callers = super()._traffic()
        self.passed += 1
        self.waiting = getattr(self, "waiting", {})
        arrived = []
        for tally in tallies:
            requests, errors = self.waiting.get(tally.pod, (0.0, 0.0))
            requests, errors = requests + tally.requests, errors + tally.errors
            turn = 0 if tally.pod.name == "catalog-1" else 1
            if self.every == 1 or self.passed % self.every == turn:
                arrived.append(PodTally(tally.pod, requests, errors, tally.bad_by_cut))
                requests = errors = 0.0
            self.waiting[tally.pod] = (requests, errors)
        return arrived, callers

    def _detect(self, tallies: list[PodTally]) -> Any:
        return super()._detect(tallies if self.every == 1 else super()._traffic()[0])


@pytest.mark.parametrize(
    "interval",
    [
        case(5),
        case(15, row="T2", kind="compared within one tick instead of over a scrape interval"),
        case(30, row="T2", kind="compared within one tick instead of over a scrape interval"),
    ],
)
def test_a_drain_is_judged_at_any_scrape_interval(interval: int) -> None:
    stage = Apart()
    stage.every = interval // 5
    stage.ticks(4)
    stage.faults["catalog-1"] = 0.3
    stage.ticks(60 + 4 * interval)

    milestones = ("drain", "drain_effective", "drain_verdict", "evict", "verified")
    assert [kind for kind in stage.kinds() if kind in (*milestones, "restore")] == list(milestones)


@wrong("T3", "absence is taken for a fall to 0")
async def test_series_that_leave_every_page_blind_nobody() -> None:
    async with hand_mesh() as mesh:

        def blip() -> None:
            mesh.everybody_answers(25.0)
            for pod in mesh.pods:
                mesh.answers(pod.ref.name, 5.0, response_code="500")

        await mesh.ticks(6, blip)
        await mesh.ticks(6, lambda: mesh.everybody_answers(25.0))
        for counts in mesh.counts.values():
            for key in [key for key in counts if ("response_code", "500") in key]:
                del counts[key]
        await mesh.ticks(6, lambda: mesh.everybody_answers(25.0))

        assert mesh.gaps(since=6) == []
        assert all(judgement.complete for judgement in mesh.judgements[6:])


@pytest.mark.parametrize(
    "interval",
    [case(15.0), case(60.0, row="T10", kind="a window shorter than two scrapes")],
)
async def test_the_calls_of_the_last_minute_are_found_at_any_scrape_interval(interval: float) -> None:
    async with hand_mesh(interval=interval) as mesh:
        for _ in range(60):
            mesh.pass_time(10.0, lambda: mesh.everybody_answers(25.0))
        source = PrometheusCallGraph(mesh.settings())
        try:
            usual = await source.calls(mesh.now, 600.0)
            lately = await source.calls(mesh.now, 60.0)
        finally:
            await source.close()

        assert len(usual.edges) == 2
        assert len(lately.edges) == 2


# --- what is counted


@pytest.mark.parametrize(
    ("gateway", "kind"),
    [
        case("istio-ingressgateway", "ingressgateway"),
        case("istio-ingress", "ingressgateway", row="T4", kind="a name pattern for what Kubernetes knows"),
        case(
            "istio-ingress", "ingress", row="T4", kind="a name pattern for what Kubernetes knows", name="Helm's guide"
        ),
    ],
)
async def test_a_gateway_is_judged_whatever_its_name(gateway: str, kind: str) -> None:
    async with hand_mesh(services={EDGE: 3, "cart": 3}, gateway=gateway) as mesh:
        mesh.relabelled(EDGE, istio=kind)

        def tick(bad: float = 0.0) -> None:
            mesh.everybody_answers(50.0)
            for number in range(3):
                mesh.calls(f"{EDGE}-{number}", "cart", 50.0)
            mesh.calls(f"{EDGE}-1", "cart", bad, response_code="503")

        await mesh.ticks(8, tick)
        await mesh.ticks(12, lambda: tick(20.0))

        assert f"{EDGE}-1" in mesh.suspected() or mesh.gaps(since=8)


@pytest.mark.parametrize(
    ("code", "flags"),
    [
        case("200", "UR", row="T7", kind="the list of flags is too short", name="cut off by the pod"),
        case("200", "UC", name="connection ended"),
        case("200", "UT", name="too late"),
    ],
)
def test_an_answer_that_is_cut_off_is_an_error(code: str, flags: str) -> None:
    assert request_class(code, flags) is RequestClass.ERROR


@pytest.mark.parametrize(
    "labels",
    [
        case({"response_flags": "UR"}, row="T7", kind="the list of flags is too short", name="cut off"),
        case({"request_protocol": "grpc", "grpc_response_status": "13"}, name="gRPC status"),
        case({"response_code": "0", "response_flags": "DC"}, row="T19", kind="answers that are nobody's", name="DC"),
        case({"response_code": "0", "response_flags": "DR"}, row="T19", kind="answers that are nobody's", name="DR"),
        case({"response_code": "500"}, name="plain errors"),
    ],
)
async def test_the_pod_that_ends_half_of_its_requests_badly_is_suspected(labels: dict[str, str]) -> None:
    async with hand_mesh() as mesh:
        await mesh.ticks(8, lambda: mesh.everybody_answers(50.0))
        await mesh.ticks(15, failing(mesh, "catalog-1", labels))

        assert "catalog-1" in mesh.suspected()


@wrong("X1", "series are taken by the name of their pod alone")
async def test_series_of_a_foreign_job_do_not_accuse_a_pod() -> None:
    foreign = {"job": "tenant", "instance": "6.6.6.6:15020"}

    async with hand_mesh() as mesh:
        await mesh.ticks(8, lambda: mesh.everybody_answers(50.0))

        def forged() -> None:
            mesh.everybody_answers(50.0)
            for number in range(4):
                errors = 20.0 if number == 1 else 0.0
                mesh.exposed(f"catalog-{number}", foreign, 25.0 - errors)
                mesh.exposed(f"catalog-{number}", foreign, errors, response_code="500")

        await mesh.ticks(15, forged)

        assert "catalog-1" not in mesh.suspected()


def two_clusters(labels: Labels) -> list[Labels]:
    """East is ours; west has the same services on pods of other names."""
    pod = labels["pod"]
    return [labels | {"cluster": "east"}, labels | {"cluster": "west", "pod": f"{pod}w", "instance": f"{pod}w:15020"}]


@pytest.mark.parametrize(
    "options",
    [
        case({}, row="T5", kind="foreign series are added up", name="nothing set"),
        case({"up_selector": 'cluster="east"'}, row="T5", kind="foreign series are added up", name="up_selector"),
        case({"up_selector": 'cluster="east"', "selector": 'cluster="east"'}, name="both set"),
    ],
)
async def test_callers_of_another_cluster_are_not_counted_as_ours(options: dict[str, str]) -> None:
    async with hand_mesh(targets=two_clusters) as mesh:
        for _ in range(12):
            mesh.pass_time(5.0, lambda: mesh.everybody_answers(25.0))
        source = PrometheusSource(mesh.settings(**options))
        try:
            frame = await source.callers(mesh.now, frozenset({CATALOG}))
        finally:
            await source.close()
        ours = {key for key in frame.rows if not key[1].endswith("w")}

        red = await mesh.red(**options)

        assert set(frame.rows) == ours or red


# --- what doctor says of it


def mapped(labels: Labels) -> list[Labels]:
    """The monitor writes its own namespace over the pods' and keeps theirs under another name."""
    return [labels | {"exported_namespace": labels["namespace"], "namespace": "istio-system"}]


def twice(labels: Labels) -> list[Labels]:
    """Annotations and a PodMonitor find the same sidecar."""
    monitor = {"job": "istio-system/envoy-stats-monitor", "container": "istio-proxy", "instance": "10.1.1.1:15090"}
    return [labels, labels | monitor]


@pytest.mark.parametrize(
    ("options", "right"),
    [
        case({"targets": two_clusters}, "cluster", row="T5", kind="foreign series are added up", name="two clusters"),
        case(
            {"targets": twice},
            r"prometheus\.selector",
            row="T6",
            kind="summed over jobs; a remedy that hides the fault",
            name="two jobs",
        ),
        case(
            {"series": lambda labels: labels | {"request_protocol": "grpc"}},
            "grpc_response_status",
            row="T8",
            kind="doctor looks at two labels only",
            name="no gRPC status",
        ),
        case(
            {"series": without("destination_workload_namespace", "destination_service_namespace")},
            "destination_(workload|service)_namespace",
            row="T9",
            kind="doctor looks at two labels only",
            name="no namespace of the destination",
        ),
        case(
            {"series": without("source_workload", "source_workload_namespace", "source_canonical_service")},
            "source_workload",
            row="T9",
            kind="doctor looks at two labels only",
            name="no source",
        ),
        case(
            {"up": False},
            r"write_relabel|match\[|no series up",
            row="T11",
            kind="a remedy that misleads",
            name="up is not sent",
        ),
        case(
            {"targets": lambda labels: [without("pod", "instance")(labels)]},
            r"label pod\b|no pod label|without .*pod",
            row="T12",
            kind="a remedy that misleads",
            name="federated without pod",
        ),
        case(
            {"targets": mapped},
            "exported_namespace",
            row="T13",
            kind="a remedy that misleads",
            name="enforced namespace",
        ),
        case({"shown": False}, "are down|up 0|scrape error", row="T14", kind="a remedy that misleads", name="all down"),
    ],
)
async def test_doctor_names_the_fault_and_a_remedy_that_fits(options: dict[str, Any], right: str) -> None:
    async with hand_mesh(**options) as mesh:
        for _ in range(12):
            mesh.pass_time(5.0, lambda: mesh.everybody_answers(25.0))
        red = await mesh.red()

        assert re.search(right, red)


async def test_control_doctor_finds_nothing_red_in_an_ordinary_mesh() -> None:
    async with hand_mesh() as mesh:
        for _ in range(12):
            mesh.pass_time(5.0, lambda: mesh.everybody_answers(25.0))

        assert await mesh.red() == ""


@wrong("T13", "a remedy that misleads")
async def test_doctor_sees_that_the_series_are_a_collectors() -> None:
    """A collector scrapes the sidecars and is scraped itself: it alone has ``up``; their names are ``exported_pod``."""
    collector = {"namespace": "otel", "pod": "otel-0", "job": "otel", "instance": "10.9.9.9:8889"}

    def collected(labels: Labels) -> list[Labels]:
        own = {"exported_namespace": labels["namespace"], "exported_pod": labels["pod"]}
        return [collector | own]

    async with hand_mesh(targets=collected, up=False) as mesh:
        for _ in range(12):
            mesh.pass_time(5.0, lambda: mesh.everybody_answers(25.0))
            mesh.world.scrape(tuple(sorted(collector.items())), [])
        said = await mesh.red() + await mesh.red(labels={"pod": "exported_pod", "namespace": "exported_namespace"})

        assert re.search("exported_|collector", said)
