"""The board of faults: whom they hit and when."""

from __future__ import annotations

import math

import pytest

from observer.simulator.mesh.faults import (
    Fault,
    FaultSet,
    Sidecar,
    Where,
    burst,
    pod_errors,
    pod_slow,
    revision_bad,
    sidecar_frozen,
)

POD = {"pod": "pay-1", "workload": "pay-v2", "service": "pay", "version": "v2", "node": "n1"}


@pytest.mark.parametrize(
    ("where", "hit"),
    [
        (Where(), True),
        (Where(pods=frozenset({"pay-1", "pay-2"})), True),
        (Where(pods=frozenset({"pay-2"})), False),
        (Where(service="pay", version="v2"), True),
        (Where(service="pay", version="v1"), False),
        (Where(workload="pay-v2", node="n1"), True),
        (Where(workload="pay-v2", node="n2"), False),
    ],
)
def test_a_fault_hits_what_matches_every_field(where: Where, hit: bool) -> None:
    assert where.hits(**POD) is hit


def test_the_board_knows_what_is_in_force_and_when_that_changes() -> None:
    board = FaultSet()
    board.set(burst(0.5, 10.0, 20.0), pod_errors("a", 0.1, since=15.0))
    assert [len(board.active(at)) for at in (9.9, 10.0, 15.0, 20.0)] == [0, 1, 2, 1]
    assert [board.next_change(at) for at in (0.0, 10.0, 15.0, 20.0)] == [10.0, 15.0, 20.0, math.inf]


def test_setting_again_replaces_and_every_change_counts() -> None:
    board = FaultSet()
    seen = [board.version]
    board.set(pod_errors("a", 0.1))
    seen.append(board.version)
    board.set(pod_errors("a", 0.4))
    seen.append(board.version)
    assert [fault.error_rate for fault in board.active(0.0)] == [0.4]
    board.set(pod_slow("a", 1.0), sidecar_frozen("b"), revision_bad("pay", "v2", 0.3))
    board.clear_pod("a")
    assert {fault.name for fault in board.active(0.0)} == {"frozen:b", "revision:pay-v2"}
    board.clear("frozen:b")
    board.clear("nothing of that name")
    assert {fault.sidecar for fault in board.active(0.0)} == {Sidecar.SERVES}
    board.clear()
    assert board.active(0.0) == []
    assert seen == sorted(set(seen))


@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_a_rate_is_a_share(rate: float) -> None:
    with pytest.raises(ValueError, match="within 0 and 1"):
        Fault("x", Where(), error_rate=rate)
