"""The dashboards in the tree: of today, good for Grafana's linter, and made of metrics that exist."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from observer.dashboards.catalogue import LINT_FILE, files, lint_exceptions, questions, shipped
from observer.dashboards.model import Dashboard
from observer.dashboards.objective import of_objective
from observer.dashboards.render import rendered, text
from observer.domain import names
from observer.domain.ids import ServiceRef
from observer.domain.slo import BURN_PRESETS, DAY, CalendarWindow, Objective, Preset, RollingWindow
from observer.engine.slo.presets import preset_sli
from observer.exchange.prometheus_rules import rule_file
from observer.telemetry.metrics import SelfMetrics
from tests.support.grafana_lint import RULES, excluded, panels, selectors

FOLDER = Path(__file__).parents[3] / "dashboards"
CART = Objective(
    id='shop/cart "odd" \\ one', version="1", slo="cart", service="cart", target=0.999, window=RollingWindow(30 * DAY),
    sli=preset_sli(Preset.ISTIO_AVAILABILITY, ServiceRef("shop", "cart")), tiers=BURN_PRESETS["sre-30d"],
    cluster="east",
)  # fmt: skip
BOARDS = [*shipped(), of_objective(CART)]
Json = dict[str, Any]


def test_the_files_are_of_today() -> None:
    there = {path.name: path.read_text() for path in FOLDER.iterdir()}

    assert there == files(shipped()), "run `make docs`"


def test_the_same_code_gives_the_same_bytes_and_nothing_of_its_time() -> None:
    assert files(shipped()) == files(shipped())
    for one in BOARDS:
        body = json.loads(text(one))
        assert body == rendered(one)
        assert "id" not in body and "version" not in body


@pytest.mark.parametrize("board", BOARDS, ids=lambda one: one.uid)
@pytest.mark.parametrize("rule", RULES)
def test_the_linter_has_nothing_to_say(rule: str, board: Dashboard) -> None:
    exceptions = dict(lint_exceptions([board]))

    said = [one for one in RULES[rule](rendered(board)) if not excluded(exceptions, rule, board.title, one)]
    assert said == []


def test_only_series_that_are_not_observers_own_are_excepted() -> None:
    told = yaml.safe_load((FOLDER / LINT_FILE).read_text())["exclusions"]
    by_title = {board.title: board for board in shipped()}

    assert set(told) == {f"{what}-{name}-rule" for what in ("template", "target") for name in ("job", "instance")}
    for rule, entries in told.items():
        assert entries["reason"]
        for entry in entries["entries"]:
            if rule.startswith("template"):
                assert entry["dashboard"] == "Observer / Workload"
                continue
            panel = next(one for one in by_title[entry["dashboard"]].panels() if one.title == entry["panel"])
            target = panel.targets[int(entry["targetIdx"])]
            assert not {one.name for one in selectors(target.expr)} & own_metrics()


def spoil(path: tuple[Any, ...], value: Any) -> Callable[[Json], None]:
    def change(board: Json) -> None:
        for key in path[:-1]:
            board = board[key]
        board[path[-1]] = value

    return change


PANEL = ("panels", 1)
TARGET = (*PANEL, "targets", 0)


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("template-datasource-rule", spoil(("templating", "list", 0, "label"), "Source")),
        ("template-job-rule", spoil(("templating", "list", 1, "multi"), False)),
        ("template-instance-rule", spoil(("templating", "list", 2, "allValue"), ".*")),
        ("template-label-promql-rule", spoil(("templating", "list", 1, "query"), "label_values(x{, job)")),
        ("template-on-time-change-reload-rule", spoil(("templating", "list", 1, "refresh"), 1)),
        ("uneditable-dashboard", spoil(("editable",), True)),
        ("panel-datasource-rule", spoil((*TARGET, "datasource"), {"uid": "prometheus"})),
        ("panel-title-description-rule", spoil((*PANEL, "description"), "")),
        ("panel-units-rule", spoil((*PANEL, "fieldConfig", "defaults", "unit"), "seconds")),
        ("panel-no-targets-rule", spoil((*PANEL, "targets"), [])),
        ("target-promql-rule", spoil((*TARGET, "expr"), "sum(")),
        ("target-rate-interval-rule", spoil((*TARGET, "expr"), "sum(rate(a_total[5m]))")),
        ("target-counter-agg-rule", spoil((*TARGET, "expr"), "sum(a_total)")),
        ("target-job-rule", spoil((*TARGET, "expr"), 'a{instance=~"$instance"}')),
        ("target-instance-rule", spoil((*TARGET, "expr"), 'a{job=~"$job"} + b')),
    ],
)
def test_each_rule_of_the_linter_finds_what_it_is_for(rule: str, change: Callable[[Json], None]) -> None:
    board = copy.deepcopy(rendered(shipped()[0]))
    assert list(RULES[rule](board)) == []
    change(board)
    assert list(RULES[rule](board))


def own_metrics() -> set[str]:
    metrics = SelfMetrics()
    told = {name for name, _ in metrics.described()}
    metrics.close()
    buckets = {f"{name}_bucket" for name in (names.TICK_SECONDS, names.OBJECTIVE_SECONDS)}
    process = {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds"}
    return told | buckets | process


def test_every_metric_that_is_asked_for_exists() -> None:
    recorded = {rule["record"] for rule in yaml.safe_load(rule_file(CART))["groups"][0]["rules"] if "record" in rule}
    mesh = {"istio_requests_total", "istio_request_duration_milliseconds_bucket"}
    known = own_metrics() | recorded | mesh | {"ALERTS"}

    asked = {one.name for question in questions(BOARDS) for one in selectors(question.expr) if one.name}
    assert asked <= known
    assert own_metrics() - asked == {names.TICK_SECONDS, names.OBJECTIVE_SECONDS}, "a metric that no dashboard shows"
    assert {name for name in recorded if not name.startswith(names.SLO_ERROR)} <= asked


def test_nearly_every_question_has_an_answer_before_anything_happens() -> None:
    found = questions()

    waiting = [one for one in found if one.needs_event]
    assert len(waiting) / len(found) <= 0.10
    assert all(one.event for one in waiting) and not any(one.event for one in found if not one.needs_event)
    assert {one.dashboard for one in found} == {board.uid for board in shipped()}


@pytest.mark.parametrize("board", BOARDS, ids=lambda one: one.uid)
def test_grafana_can_take_it(board: Dashboard) -> None:
    body: Any = rendered(board)

    assert len(board.uid) <= 40
    assert body["schemaVersion"] == 41
    ids = [panel["id"] for panel in body["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in panels(body)]
    assert len(set(titles)) == len(titles)
    cells: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in body["panels"]):
        assert place["x"] + place["w"] <= 24
        taken = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, "two panels lie on each other"
        cells |= taken
    for panel in panels(body):
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
    [notes] = body["annotations"]["list"]
    assert notes["target"]["tags"] == [names.GRAFANA_TAG] and notes["datasource"]["type"] == "grafana"


def test_what_an_objective_asks_follows_from_its_tiers() -> None:
    plain = of_objective(
        replace(CART, tiers=(), window=CalendarWindow(1, "M", "2026-01-01 00:00:00", "UTC", (0.0, 31 * DAY)))
    )
    asked = [one.expr for one in questions([of_objective(CART)])]

    assert len([one for one in asked if "slo_error:ratio1h{" in one]) == 1
    assert [one for one in asked if one == "vector(14.4)"]
    spelled = f'{names.SLO_ID}="shop/cart \\"odd\\" \\\\ one"'
    assert all(spelled in one for one in asked if "vector" not in one)
    assert all('cluster="east"' in one for one in asked if names.SLO_ERROR in one)
    assert not [one.expr for one in questions([plain]) if names.SLO_SPENT in one or "vector" in one]
    assert plain.uid == of_objective(CART).uid != of_objective(replace(CART, cluster="west")).uid
