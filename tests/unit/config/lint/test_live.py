"""The live checks over a catalogue in memory; the contract suite asks real servers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from observer.config.lint.check import Severity
from observer.config.lint.live.queries import LiveCheck
from observer.config.lint.live.registry import LIVE, lint_live
from observer.config.lint.subject import Subject
from observer.config.openslo.documents import parse_documents
from observer.ports.sources import QueryCost
from tests.support.catalogue import MemoryCatalogue, mesh

ROOT = Path(__file__).parents[4]
NOW = 1_780_000_000.0


def examples(check: LiveCheck) -> tuple[str, str]:
    text = (ROOT / check.page).read_text()
    found, instead = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return found, instead


async def told(text: str, catalogue: MemoryCatalogue | None = None) -> dict[str, list[str]]:
    server = catalogue or MemoryCatalogue(mesh())
    found: dict[str, list[str]] = {}
    for one in await lint_live(Subject(parse_documents(text, "e.yaml"), NOW), server):
        found.setdefault(one.check, []).append(str(one.fault))
    return found


@pytest.mark.parametrize("check", LIVE, ids=[check.id for check in LIVE])
async def test_the_pages_example_is_found_and_its_other_form_is_not(check: LiveCheck) -> None:
    found, instead = examples(check)

    worse = {one.id for one in LIVE if one.severity is not Severity.INFO} | {check.id}
    assert {one for one in await told(found) if one in worse} == {check.id}
    assert {one for one in await told(instead) if one in worse} == set()


@pytest.mark.parametrize("check", LIVE, ids=[check.id for check in LIVE])
def test_the_page_tells_id_severity_and_title(check: LiveCheck) -> None:
    assert (ROOT / check.page).read_text().startswith(f"# {check.id}\n\n*{check.severity.value}*: {check.title}.\n")


async def test_figures_are_told() -> None:
    by_id = {check.id: examples(check) for check in LIVE}

    (selects, _) = (await told(by_id["live-selects"][0]))["live-selects"]
    assert selects.endswith("istio_requests_total selects 3 series of 3 pods now")
    (bucket,) = (await told(by_id["live-bucket-missing"][0]))["live-bucket-missing"]
    assert bucket.endswith('is le=~"10([.]0)?" (nearest: 5 or 25)')
    server = MemoryCatalogue(mesh(), QueryCost(samples=1_200_000, seconds=0.61))
    (cost,) = (await told(by_id["live-query-cost"][0], server))["live-query-cost"]
    assert "selects 5,006 series; 1h of it reads 1,200,000 samples in 0.61 s" in cost
    assert sum(1 for one in server.asked if one.startswith("sum(increase(")) == 1


async def test_a_question_is_asked_once() -> None:
    server = MemoryCatalogue(mesh())
    text = examples(LIVE[0])[1]

    await told(text + "---\n" + text.replace("name: cart", "name: other"), server)
    assert len(set(server.asked)) == len(server.asked)


async def test_a_template_is_asked_for_every_service_at_once() -> None:
    text = examples(LIVE[0])[1].replace('destination_service_name="cart"', 'destination_service_name="$service"')
    text = text.replace("name: cart", "name: cart, annotations: {observer.dev/each: service}")

    found = await told(text)
    assert any("selects 5006 series of 5003 pods" in line for line in found["live-selects"])


async def test_queries_for_another_server_are_not_asked() -> None:
    text = examples(LIVE[0])[0].replace("{metricSource: {", "{metricSource: {metricSourceRef: other, ")
    server = MemoryCatalogue([])

    assert await told(text, server) == {}
    assert server.asked == []


async def test_an_owner_may_ask_to_be_left_alone() -> None:
    text = examples(LIVE[0])[0].replace(
        "name: calls", "name: calls, annotations: {observer.dev/lint-ignore: live-metric-missing}"
    )

    assert "live-metric-missing" not in await told(text)
