"""Observer's own metrics, kept by OpenTelemetry and rendered for Prometheus. No label ever holds a pod's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Instrument, Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from observer import __version__, actions
from observer.domain import names
from observer.domain.outcome import Result, Verification

_CIRCUIT: Final = {"closed": 0, "half_open": 1, "open": 2}
_TICK_BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class SelfMetrics:
    """
    Counts what the loop does. Its registry is its own, so that two in one process do not mix.

    ``readers`` take the metrics elsewhere besides (``telemetry.otlp``), named by ``resource``.

    Every argument that becomes a label comes from a closed set of words (kinds, verdicts, reasons, sink names).
    """

    def __init__(self, *, readers: Sequence[MetricReader] = (), resource: Resource | None = None) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=self._registry)
        bounds = ExplicitBucketHistogramAggregation(_TICK_BOUNDS)
        self._provider = MeterProvider(
            metric_readers=[reader, *readers],
            resource=resource or Resource({"service.name": "observer"}),
            views=[
                View(instrument_name=names.TICK_SECONDS, aggregation=bounds),
                View(instrument_name=names.OBJECTIVE_SECONDS, aggregation=bounds),
            ],
            shutdown_on_exit=False,
        )
        meter = self._provider.get_meter("observer")
        self._create_loop(meter)
        self._create_objectives(meter)
        self._begin()

    def _create_loop(self, meter: Meter) -> None:
        counter, gauge = meter.create_counter, meter.create_gauge
        self._ticks = counter(names.TICKS_TOTAL, description="Ticks by whether their data was complete")
        self._seconds = meter.create_histogram(names.TICK_SECONDS, description="Duration of a tick in seconds")
        self._last = gauge(names.LAST_TICK, description="When the last tick looked, Unix seconds")
        self._overruns = counter(names.TICK_OVERRUNS_TOTAL, description="Ticks that began late")
        self._gaps = counter(names.GAPS_TOTAL, description="What a source could not tell, by reason")
        self._circuit = gauge(names.SOURCE_CIRCUIT, description="0 asked, 1 tried again, 2 left alone")
        self._decisions = counter(names.DECISIONS_TOTAL, description="Decisions by kind and verdict")
        self._unrecorded = counter(names.UNRECORDED_TOTAL, description="Decisions that the journal did not keep")
        self._actions = counter(names.ACTIONS_TOTAL, description="Actions by what they were and their result")
        self._verifications = counter(names.VERIFICATIONS_TOTAL, description="Verifications by verdict")
        self._dropped = counter(names.SINK_DROPPED_TOTAL, description="Records that a sink lost")
        self._reloads = counter(names.CONFIG_RELOADS_TOTAL, description="Edited files, by what came of it")
        self._valid = gauge(names.CONFIG_VALID, description="0 while edited files are refused")
        self._ruled = gauge(names.POLICY_WORKLOADS, description="Workloads under a policy, by mode")
        self._alerts = counter(names.ALERT_WEBHOOK_TOTAL, description="Alert notifications by the answer they got")
        self._clients = gauge(names.STREAM_CLIENTS, description="Listeners of the page's stream")
        self._suspects = gauge(names.SUSPECTS, description="Open suspicions")
        self._blocked = gauge(names.BLOCKED_ACTIONS, description="Actions blocked by guards now")
        self._drained = gauge(names.DRAINED_PODS, description="Pods drained by Observer now")
        self._leader = gauge(names.LEADER, description="1 while this replica holds the Lease")
        self._paused = gauge(names.PAUSED, description="1 while the kill switch forbids writes")
        self._readable = gauge(
            names.SWITCH_READABLE, description="0 while the kill switch cannot be read, which counts as paused"
        )
        self._build = gauge(names.BUILD_INFO, description="1, with the version as a label")

    def _create_objectives(self, meter: Meter) -> None:
        self._looks = meter.create_counter(
            names.OBJECTIVE_EVALUATIONS_TOTAL, description="Evaluations of objectives by whether the source answered"
        )
        self._look_seconds = meter.create_histogram(
            names.OBJECTIVE_SECONDS, description="Duration of an evaluation of all objectives in seconds"
        )
        self._births = meter.create_counter(
            names.OBJECTIVE_NEW_SERIES_TOTAL, description="Events counted from series that appeared with them"
        )
        self._objectives = meter.create_gauge(names.OBJECTIVES, description="Objectives by data state")
        self._budgets = meter.create_gauge(
            names.OBJECTIVE_BUDGET, description="Share of each objective's error budget that is left"
        )

    def _begin(self) -> None:
        """
        Every counter whose labels are known begins at 0, so that its first event is an increase.

        A series that appears with its first event has not increased for Prometheus, and no alert would see it.
        """
        self._build.set(1, {"version": __version__})
        self._valid.set(1)
        self._clients.set(0)
        for complete in ("true", "false"):
            self._ticks.add(0, {"complete": complete})
            self._looks.add(0, {"answered": complete})
        for spec in actions.writing():
            for result in Result:
                self._actions.add(0, {"action": spec.kind.value, "result": result.value})
        for verdict in Verification:
            if verdict is not Verification.PENDING:
                self._verifications.add(0, {"verdict": verdict.value})
        for taken in ("reloaded", "rejected"):
            self._reloads.add(0, {"result": taken})
        for counter in (self._births, self._overruns, self._unrecorded):
            counter.add(0)

    def described(self) -> list[tuple[str, str]]:
        """Name and meaning of every metric, by name."""
        made = [instrument for instrument in vars(self).values() if isinstance(instrument, Instrument)]
        return sorted((str(getattr(each, "name", "")), str(getattr(each, "description", ""))) for each in made)

    def tick(self, duration: float, *, complete: bool) -> None:
        """A tick ended after ``duration`` seconds."""
        self._ticks.add(1, {"complete": str(complete).lower()})
        self._seconds.record(duration)

    def gap(self, source: str, reason: str) -> None:
        self._gaps.add(1, {"source": source, "reason": reason})

    def decision(self, kind: str, verdict: str) -> None:
        self._decisions.add(1, {"kind": kind, "verdict": verdict})

    def action(self, action_kind: str, result: str) -> None:
        self._actions.add(1, {"action": action_kind, "result": result})

    def verification(self, verdict: str) -> None:
        self._verifications.add(1, {"verdict": verdict})

    def circuit(self, source: str, state: str) -> None:
        """``state`` is a word of ``domain.circuit.CircuitState``."""
        self._circuit.set(_CIRCUIT[state], {"source": source})

    def alerts_received(self, answer: str) -> None:
        """One notification of the webhook; ``answer`` is the HTTP status."""
        self._alerts.add(1, {"code": answer})

    def sinks(self, sink_names: Iterable[str]) -> None:
        """The sinks that may lose records from now on."""
        for sink in sink_names:
            self._dropped.add(0, {"sink": sink})

    def sink_dropped(self, sink: str) -> None:
        self._dropped.add(1, {"sink": sink})

    def stream(self, clients: int, *, dropped: bool) -> None:
        """So many listen to the page's stream now; ``dropped`` = one was sent away because it was too slow."""
        self._clients.set(clients)
        if dropped:
            self.sink_dropped("stream")

    def reload(self, *, ok: bool) -> None:
        """Edited settings or policies were taken into force, or refused."""
        self._reloads.add(1, {"result": "reloaded" if ok else "rejected"})
        self._valid.set(int(ok))

    def policies(self, workloads: Mapping[str, int]) -> None:
        """How many workloads are under a policy, for every mode."""
        for mode, count in workloads.items():
            self._ruled.set(count, {"mode": mode})

    def standing(self, *, suspects: int, blocked: int, drained: int, leader: bool, paused: bool) -> None:
        """How things stand at the end of a tick."""
        self._suspects.set(suspects)
        self._blocked.set(blocked)
        self._drained.set(drained)
        self._leader.set(int(leader))
        self._paused.set(int(paused))

    def looked(self, at: float, *, readable: bool) -> None:
        """The instant (Unix seconds) of the tick that ended, and whether it could read the kill switch."""
        self._last.set(at)
        self._readable.set(int(readable))

    def overran(self) -> None:
        self._overruns.add(1)

    def unrecorded(self) -> None:
        self._unrecorded.add(1)

    def objective_look(self, duration: float, *, answered: bool, born: float) -> None:
        """A look at the objectives' counters ended; ``born`` events came from births."""
        self._looks.add(1, {"answered": str(answered).lower()})
        self._look_seconds.record(duration)
        self._births.add(born)

    def objectives(self, states: Mapping[str, int], budgets: Mapping[str, float]) -> None:
        """How the objectives stand: how many are in each state, and the share of budget left by objective id."""
        for state, number in states.items():
            self._objectives.set(number, {"state": state})
        for objective, left in budgets.items():
            self._budgets.set(left, {names.SLO_ID: objective})

    def render(self) -> bytes:
        """The Prometheus text format, version 0.0.4."""
        return generate_latest(self._registry)

    def close(self) -> None:
        self._provider.shutdown()
