"""A pod against its service's own past."""

from __future__ import annotations

import numpy as np

from observer.domain.counts import ServiceBaseline
from observer.engine.detect import history
from tests.support.builders import service_ref

STORE, CATALOG, FRONT = service_ref("store"), service_ref("catalog"), service_ref("front")


def test_history_is_the_worst_that_was_usual() -> None:
    known = {
        STORE: ServiceBaseline(STORE, 1000.0, 100.0, 0.02, 10.0, 0.0, 1.0),
        CATALOG: ServiceBaseline(CATALOG, 1000.0, 0.0, 0.0, 10.0, 0.0, 1.0),
    }
    rates = history.null_rates((STORE, CATALOG, FRONT), known, 0.005)
    assert rates[:2].tolist() == [0.1, 0.005]
    assert np.isnan(rates[2])


def test_a_service_fails_only_beyond_doubt() -> None:
    reference, need = np.full(4, 0.01), np.full(4, 9.0)
    bad, total = np.array([30.0, 2.0, 0.0, 15.0]), np.array([100.0, 4.0, 0.0, 1000.0])
    assert history.failing(bad, total, reference, need).tolist() == [True, False, False, False]
