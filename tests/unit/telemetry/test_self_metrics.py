from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from observer.domain import names
from observer.domain.circuit import CircuitState
from observer.runtime.status import LoopMetrics
from observer.telemetry.metrics import SelfMetrics


@pytest.fixture
def metrics() -> Iterator[SelfMetrics]:
    made = SelfMetrics()
    yield made
    made.close()


def samples(metrics: SelfMetrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def test_everything_is_rendered_under_its_own_name(metrics: SelfMetrics) -> None:
    counted: LoopMetrics = metrics
    counted.tick(0.2, complete=True)
    counted.tick(7.0, complete=False)
    counted.gap("prometheus", "timeout")
    counted.decision("drain", "act")
    counted.decision("drain", "act")
    counted.action("drain", "applied")
    counted.verification("fixed")
    counted.circuit("kiali", "half_open")
    counted.circuit("jaeger", "open")
    metrics.sink_dropped("kube_events")
    counted.reload(ok=True)
    counted.reload(ok=False)
    counted.policies({"shadow": 3, "dry-run": 0, "enforce": 2})
    counted.standing(suspects=2, blocked=1, drained=1, leader=True, paused=False)

    found = samples(metrics)
    expected: list[tuple[str, dict[str, str], float]] = [
        (names.TICKS_TOTAL, {"complete": "true"}, 1),
        (names.TICKS_TOTAL, {"complete": "false"}, 1),
        (names.TICK_SECONDS + "_count", {}, 2),
        (names.TICK_SECONDS + "_bucket", {"le": "0.25"}, 1),
        (names.GAPS_TOTAL, {"source": "prometheus", "reason": "timeout"}, 1),
        (names.DECISIONS_TOTAL, {"kind": "drain", "verdict": "act"}, 2),
        (names.ACTIONS_TOTAL, {"action": "drain", "result": "applied"}, 1),
        (names.SOURCE_CIRCUIT, {"source": "kiali"}, 1),
        (names.SOURCE_CIRCUIT, {"source": "jaeger"}, 2),
        (names.VERIFICATIONS_TOTAL, {"verdict": "fixed"}, 1),
        (names.SINK_DROPPED_TOTAL, {"sink": "kube_events"}, 1),
        (names.CONFIG_RELOADS_TOTAL, {"result": "reloaded"}, 1),
        (names.CONFIG_RELOADS_TOTAL, {"result": "rejected"}, 1),
        (names.CONFIG_VALID, {}, 0),
        (names.POLICY_WORKLOADS, {"mode": "shadow"}, 3),
        (names.POLICY_WORKLOADS, {"mode": "dry-run"}, 0),
        (names.SUSPECTS, {}, 2),
        (names.BLOCKED_ACTIONS, {}, 1),
        (names.DRAINED_PODS, {}, 1),
        (names.LEADER, {}, 1),
        (names.PAUSED, {}, 0),
    ]
    for name, labels, value in expected:
        assert found[(name, frozenset(labels.items()))] == value


def test_gauges_show_the_newest_state(metrics: SelfMetrics) -> None:
    metrics.standing(suspects=2, blocked=1, drained=1, leader=True, paused=False)
    metrics.standing(suspects=0, blocked=0, drained=0, leader=False, paused=True)

    found = samples(metrics)
    assert found[(names.SUSPECTS, frozenset())] == 0
    assert found[(names.LEADER, frozenset())] == 0
    assert found[(names.PAUSED, frozenset())] == 1


def test_every_state_of_a_circuit_has_a_value(metrics: SelfMetrics) -> None:
    for value, state in enumerate((CircuitState.CLOSED, CircuitState.HALF_OPEN, CircuitState.OPEN)):
        metrics.circuit("jaeger", state.value)
        assert samples(metrics)[(names.SOURCE_CIRCUIT, frozenset({("source", "jaeger")}))] == value
    assert len(CircuitState) == 3


def test_two_do_not_mix(metrics: SelfMetrics) -> None:
    other = SelfMetrics()
    other.gap("kubernetes", "stale")

    assert names.GAPS_TOTAL not in {name for name, _ in samples(metrics)}
    other.close()


def test_the_process_is_measured_too(metrics: SelfMetrics) -> None:
    assert samples(metrics)[("process_resident_memory_bytes", frozenset())] > 0


def test_objectives_are_told_by_state_and_budget() -> None:
    metrics = SelfMetrics()
    metrics.objectives({"ok": 2, "stale": 0}, {"shop/cart": 0.75})
    metrics.objective_look(0.02, answered=False, born=40.0)
    text = metrics.render().decode()
    metrics.close()

    assert 'observer_objectives{state="ok"} 2.0' in text
    assert 'observer_objective_budget_remaining_ratio{slo_id="shop/cart"} 0.75' in text
    assert 'observer_objective_evaluations_total{answered="false"} 1.0' in text
    assert "observer_objective_new_series_events_total 40.0" in text
    assert "observer_objective_evaluation_duration_seconds_count 1" in text
