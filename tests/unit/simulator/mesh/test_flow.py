"""Pools, edges and requests under way."""

from __future__ import annotations

import numpy as np

from observer.simulator.mesh.flow import Edge, Flight, Pool
from observer.simulator.mesh.pods import Identity, MeshPod
from observer.simulator.mesh.topology import Balancing


def mesh_pod(slot: int) -> MeshPod:
    return MeshPod(slot, f"p{slot}", f"u{slot}", Identity("shop", "w", "s", "v1", "default"), running=True, ready=True)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def edge(*callees: int) -> Edge:
    caller, callee = Pool(), Pool()
    for slot in callees:
        callee.put(mesh_pod(slot), True)
    return Edge(caller, callee, "s", 0)


def test_least_request_avoids_the_busy_pod() -> None:
    calls = edge(1, 2)
    rng = np.random.default_rng(1)
    calls.sent(ints(*[9] * 50), ints(*[1] * 50), np.full(50, 100.0))
    picked = calls.pick(ints(*[9] * 1000), rng, Balancing.LEAST_REQUEST)
    # Two draws with replacement: the busy pod is taken only when it was drawn twice.
    assert 200 < np.count_nonzero(picked == 1) < 300
    another = calls.pick(ints(*[8] * 1000), rng, Balancing.LEAST_REQUEST)
    assert 400 < np.count_nonzero(another == 1) < 600


def test_requests_that_ended_weigh_no_longer() -> None:
    calls = edge(1, 2)
    calls.sent(ints(9, 9, 9), ints(1, 1, 2), np.array([5.0, 15.0, 5.0]))
    calls.advance(10.0)
    assert calls._in_flight.sum() == 1
    calls.advance(20.0)
    calls.advance(30.0)
    assert not calls._in_flight.any()


def test_seats_are_used_again_but_never_by_two_pods() -> None:
    pool = Pool()
    gone = mesh_pod(1)
    assert pool.seats(ints(1, 2, 3)).tolist() == [0, 1, 2]
    gone.gone = True
    pool.alive(gone, running=False)
    assert pool.seats(ints(4, 2, 5)).tolist() == [0, 1, 3]


def test_in_flight_tables_grow_with_the_pods() -> None:
    calls = edge(*range(40))
    calls.sent(ints(*range(100, 140)), ints(*range(40)), np.full(40, 1.0))
    assert calls._in_flight.sum() == 40
    calls.advance(2.0)
    assert not calls._in_flight.any()


def test_a_request_lands_once_and_not_before_its_end() -> None:
    flight = Flight()
    flight.add(ints(1, 2), np.array([1.0, 3.0]), np.array([10.0, 20.0]))
    flight.add(ints(3), np.array([2.0]), np.array([30.0]))
    assert [part.tolist() for part in flight.landed(0.5)] == [[], []]
    assert [part.tolist() for part in flight.landed(2.0)] == [[1, 3], [10.0, 30.0]]
    assert [part.tolist() for part in flight.landed(9.0)] == [[2], [20.0]]
    assert [part.tolist() for part in flight.landed(9.0)] == [[], []]
