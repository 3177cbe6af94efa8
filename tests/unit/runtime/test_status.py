"""What page, command line and probes may know: circuits among it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from observer.cli.status import circuit_text
from observer.domain.circuit import FAILURES, Circuit
from observer.engine.memory import Memory
from observer.runtime.status import LoopStatus
from observer.web.models.answers import CircuitStatus
from observer.web.views.sources import circuit_status, status_of
from tests.support.builders import NOW, enforce, snapshot
from tests.support.fakes import FakeClock


@dataclass
class Noted:
    """Self metrics that only remember circuits."""

    circuits: list[tuple[str, str]] = field(default_factory=list)

    def tick(self, duration: float, *, complete: bool) -> None: ...
    def gap(self, source: str, reason: str) -> None: ...
    def decision(self, kind: str, verdict: str) -> None: ...
    def action(self, action_kind: str, result: str) -> None: ...
    def verification(self, verdict: str) -> None: ...
    def standing(self, *, suspects: int, blocked: int, drained: int, leader: bool, paused: bool) -> None: ...
    def looked(self, at: float, *, readable: bool) -> None: ...
    def overran(self) -> None: ...
    def unrecorded(self) -> None: ...
    def reload(self, *, ok: bool) -> None: ...
    def policies(self, workloads: Mapping[str, int]) -> None: ...

    def circuit(self, source: str, state: str) -> None:
        self.circuits.append((source, state))


def shut(at: float) -> Circuit:
    circuit = Circuit().succeeded(at - 60.0)
    for _ in range(FAILURES):
        circuit = circuit.failed(at, "denied", "HTTP 401")
    return circuit


def test_circuits_are_shown_and_counted() -> None:
    noted = Noted()
    circuits = {"jaeger": Circuit(), "kiali": shut(NOW)}
    loop_status = LoopStatus(enforce(), FakeClock(NOW), noted, circuits=lambda: circuits)
    loop_status.ticked(Memory.restore((), ()), snapshot(None), 0.1, "")

    assert noted.circuits == [("jaeger", "closed"), ("kiali", "open")]
    assert status_of(loop_status).circuits == (circuit_status("jaeger", Circuit()), circuit_status("kiali", shut(NOW)))
    assert circuit_status("kiali", shut(NOW)) == CircuitStatus(
        source="kiali",
        state="open",
        since=NOW,
        reason="denied",
        detail="HTTP 401",
        failures=FAILURES,
        last_success=NOW - 60.0,
        retry_at=NOW + 15.0,
    )


def test_without_sources_there_are_none() -> None:
    assert status_of(LoopStatus(enforce(), FakeClock(NOW), Noted())).circuits == ()


def test_people_read_since_when_and_why() -> None:
    at = 1_767_225_600.0
    assert circuit_text(circuit_status("jaeger", Circuit())) == "jaeger    not asked yet"
    good = circuit_text(circuit_status("jaeger", Circuit().succeeded(at)))
    assert good == "jaeger    closed since 00:00:00 UTC, last answer 00:00:00 UTC"
    assert circuit_text(circuit_status("kiali", shut(at))) == (
        "kiali     open since 00:00:00 UTC, last answer 23:59:00 UTC, asked again at 00:00:15 UTC; "
        "failures: 3, the last denied: HTTP 401"
    )
    never = circuit_text(circuit_status("kiali", Circuit().failed(at, "timeout", "late")))
    assert never == "kiali     closed since 00:00:00 UTC, last answer never; failures: 1, the last timeout: late"
