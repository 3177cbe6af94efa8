"""A source that keeps failing is left alone, for longer each time, and taken back at its first answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from observer.domain.circuit import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Circuit, CircuitState


def broken(at: float, times: int = FAILURES) -> Circuit:
    circuit = Circuit()
    for _ in range(times):
        circuit = circuit.failed(at, "timeout", "late")
    return circuit


def test_few_failures_leave_it_closed() -> None:
    circuit = broken(100.0, FAILURES - 1)
    assert circuit.state is CircuitState.CLOSED and circuit.admits(100.0)
    assert (circuit.failures, circuit.reason, circuit.since) == (FAILURES - 1, "timeout", 100.0)


def test_too_many_open_it_for_a_while() -> None:
    circuit = broken(100.0)
    assert circuit.state is CircuitState.OPEN and circuit.retry_at == 100.0 + FIRST_PAUSE
    assert not circuit.admits(100.0 + FIRST_PAUSE - 0.1)
    assert circuit.admits(100.0 + FIRST_PAUSE)


def test_half_open_lets_one_question_through() -> None:
    trying = broken(100.0).asked(120.0)
    assert trying.state is CircuitState.HALF_OPEN and trying.since == 120.0
    assert not trying.admits(121.0)


def test_a_failed_trial_opens_it_for_twice_as_long_up_to_a_limit() -> None:
    circuit, at, pauses = broken(0.0), 0.0, []
    for _ in range(8):
        at = circuit.retry_at
        circuit = circuit.asked(at).failed(at, "denied", "no")
        pauses.append(circuit.retry_at - at)
    assert pauses[:2] == [2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    assert circuit.reason == "denied" and circuit.since == at


def test_an_answer_closes_it_and_forgets_the_failures() -> None:
    circuit = broken(100.0).asked(115.0).succeeded(116.0)
    assert circuit == Circuit(since=116.0, last_success=116.0)
    assert circuit.succeeded(130.0).since == 116.0
    assert broken(131.0).failed(131.0, "x", "y").last_success == 0.0


def test_the_last_success_outlives_failures() -> None:
    circuit = Circuit().succeeded(50.0).failed(60.0, "timeout", "late")
    assert circuit.last_success == 50.0 and circuit.since == 50.0


def test_a_clock_that_was_set_back_does_not_shut_it_for_ever() -> None:
    assert broken(1e9).admits(100.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 600.0)), max_size=60))
def test_it_is_never_shut_for_longer_than_the_longest_pause(history: list[tuple[bool, float]]) -> None:
    circuit, at = Circuit(), 1000.0
    for good, later in history:
        at += later
        if circuit.admits(at):
            circuit = circuit.asked(at)
            circuit = circuit.succeeded(at) if good else circuit.failed(at, "timeout", "")
        assert circuit.state is not CircuitState.HALF_OPEN
        assert circuit.admits(at + LONGEST_PAUSE)
        assert (circuit.failures == 0) == (circuit.reason == "")
