"""Alerts and objectives of Observer itself: good for Prometheus, made of what it tells, silent when all is well."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from observer.cli.main import app
from observer.domain import names
from observer.telemetry.metrics import SelfMetrics
from tests.support import promtool
from tests.support.grafana_lint import selectors

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "rules" / "prometheus" / "observer.rules"
RULES: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
WELL = {
    'observer_last_tick_timestamp_seconds{instance="a"}': "0+{step}x{n}",
    'observer_ticks_total{complete="true",instance="a"}': "0+3x{n}",
    'observer_ticks_total{complete="false",instance="a"}': "0x{n}",
    'observer_tick_overruns_total{instance="a"}': "0x{n}",
    'observer_source_circuit{source="kiali",instance="a"}': "0x{n}",
    'observer_actions_total{action="evict",result="refused",instance="a"}': "0x{n}",
    'observer_actions_total{action="evict",result="applied",instance="a"}': "0+1x{n}",
    'observer_unrecorded_decisions_total{instance="a"}': "0x{n}",
    'observer_sink_dropped_total{sink="grafana",instance="a"}': "0x{n}",
    'observer_leader{instance="a"}': "1x{n}",
    'observer_leader{instance="b"}': "0x{n}",
    'observer_kill_switch_readable{instance="a"}': "1x{n}",
    'observer_paused{instance="a"}': "0x{n}",
    'observer_config_valid{instance="a"}': "1x{n}",
    'observer_objective_evaluations_total{answered="true",instance="a"}': "0+1x{n}",
    'observer_objective_evaluations_total{answered="false",instance="a"}': "0x{n}",
}
"""What a healthy installation of two replicas tells at every scrape."""
HALF_DAY = 12 * 60
"""Scrapes, of a minute each where it is about so long; all others are 15 s apart."""
ILL: dict[str, tuple[dict[str, str], int]] = {
    "ObserverAbsent": ({'observer_last_tick_timestamp_seconds{instance="a"}': "0 stale"}, 40),
    "ObserverStandsStill": ({'observer_last_tick_timestamp_seconds{instance="a"}': "0x{n}"}, 40),
    "ObserverBlind": (
        {
            'observer_ticks_total{complete="true",instance="a"}': "0x{n}",
            'observer_ticks_total{complete="false",instance="a"}': "0+3x{n}",
        },
        60,
    ),
    "ObserverSourceLeftAlone": ({'observer_source_circuit{source="kiali",instance="a"}': "2x{n}"}, 80),
    "ObserverTicksLate": ({'observer_tick_overruns_total{instance="a"}': "0+1x{n}"}, 160),
    "ObserverWritesFail": ({'observer_actions_total{action="evict",result="refused",instance="a"}': "0x20 1x{n}"}, 40),
    "ObserverLosesDecisions": ({'observer_unrecorded_decisions_total{instance="a"}': "0x20 1x{n}"}, 40),
    "ObserverLosesRecords": ({'observer_sink_dropped_total{sink="grafana",instance="a"}': "0x20 1x{n}"}, 40),
    "ObserverHasNoLeader": ({'observer_leader{instance="a"}': "0x{n}"}, 40),
    "ObserverHasTwoLeaders": ({'observer_leader{instance="b"}': "1x{n}"}, 40),
    "ObserverKillSwitchUnreadable": (
        {'observer_kill_switch_readable{instance="a"}': "0x{n}", 'observer_paused{instance="a"}': "1x{n}"},
        40,
    ),
    "ObserverPausedForLong": ({'observer_paused{instance="a"}': "1x{n}"}, HALF_DAY + 20),
    "ObserverConfigRefused": ({'observer_config_valid{instance="a"}': "0x{n}"}, 80),
    "ObserverObjectivesUnseen": (
        {
            'observer_objective_evaluations_total{answered="true",instance="a"}': "0x{n}",
            'observer_objective_evaluations_total{answered="false",instance="a"}': "0+1x{n}",
        },
        160,
    ),
}
"""What is otherwise when an alert has to fire, and after how many scrapes it does."""


def test_every_alert_has_its_case() -> None:
    assert [rule["alert"] for rule in RULES] == list(ILL)


def test_they_ask_for_what_observer_tells_and_say_what_to_do() -> None:
    metrics = SelfMetrics()
    known = {name for name, _ in metrics.described()}
    metrics.close()
    for rule in RULES:
        asked = {one.name for one in selectors(rule["expr"])}
        assert asked and asked <= known
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["alert"] in (ROOT / "docs" / "telemetry.md").read_text()
    assert not re.search(r"\bignoring|\bon\b", " ".join(rule["expr"] for rule in RULES))


def firing(folder: Path, changes: dict[str, str], scrapes: int, alerts: dict[str, int]) -> str:
    """promtool's verdict on ``alerts`` (how many of each must fire at the end); empty = as expected."""
    step = 60 if scrapes > HALF_DAY else 15
    (folder / "observer.rules").write_text(ALERTS.read_text())
    series = {**WELL, **changes}
    at = f"{scrapes * step}s"
    expr = [
        {
            "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
            "eval_time": at,
            "exp_samples": [{"labels": "{}", "value": number}] if number else [],
        }
        for name, number in alerts.items()
    ]
    test = {
        "rule_files": ["observer.rules"],
        "evaluation_interval": f"{step}s",
        "tests": [
            {
                "interval": f"{step}s",
                "input_series": [
                    {"series": name, "values": values.format(n=scrapes + 1, step=step)}
                    for name, values in series.items()
                ],
                "promql_expr_test": expr,
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.needs("promtool")
def test_promtool_takes_them(tmp_path: Path) -> None:
    assert f"SUCCESS: {len(RULES)} rules" in promtool.check(tmp_path, ALERTS.read_text())


@pytest.mark.needs("promtool")
def test_nothing_fires_while_all_is_well(tmp_path: Path) -> None:
    assert firing(tmp_path, {}, HALF_DAY + 20, dict.fromkeys(ILL, 0)) == ""


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("alert", ILL)
def test_each_fires_for_its_reason_and_no_other_does(alert: str, tmp_path: Path) -> None:
    changes, scrapes = ILL[alert]
    assert firing(tmp_path, changes, scrapes, {name: int(name == alert) for name in ILL}) == ""


@pytest.mark.needs("promtool")
def test_the_objectives_are_written_as_rules(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["rules", str(ROOT / "rules" / "observer.yaml"), "-o", str(out)])
    assert done.exit_code == 0, done.exception
    texts = {path.name: path.read_text() for path in out.glob("slo-*.yaml")}

    assert sorted(texts) == ["slo----observer-pace.rules.yaml", "slo----observer-sight.rules.yaml"]
    assert "SUCCESS" in promtool.check(tmp_path, *texts.values())
    assert all(names.TICKS_TOTAL in text for text in texts.values())


@pytest.mark.needs("promtool")
def test_promtools_own_lint_of_metrics_has_nothing_to_say() -> None:
    metrics = SelfMetrics()
    metrics.tick(0.1, complete=True)
    metrics.objective_look(0.1, answered=True, born=1.0)
    text = metrics.render()
    metrics.close()
    own = b"".join(line for line in text.splitlines(keepends=True) if b"process_" not in line)

    done = subprocess.run(["promtool", "check", "metrics"], input=own, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
