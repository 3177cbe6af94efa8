from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from observer.engine.slo.evaluate import tail


def test_the_tail_is_the_exact_binomial_one() -> None:
    rng = np.random.default_rng(3)
    total = np.floor(10 ** rng.uniform(0, 5, 3000))
    rate = 10 ** rng.uniform(-5, -0.01, 3000)
    bad = np.minimum(rng.binomial(total.astype(np.int64), rate) + rng.integers(0, 6, 3000), total).astype(float)

    assert np.allclose(tail(bad, total, rate), stats.binom.sf(bad - 1, total, rate), rtol=1e-8, atol=1e-12)


def test_millions_of_events_are_no_trouble() -> None:
    total, rate = np.full(3, 1e7), np.full(3, 0.001)
    bad = np.array([9_900.0, 10_000.0, 10_300.0])

    assert np.allclose(tail(bad, total, rate), stats.binom.sf(bad - 1, total, rate), atol=1e-4)


@pytest.mark.parametrize(
    ("bad", "total", "rate", "expected"),
    [(0, 10, 0.1, 1.0), (0, 0, 0.1, 1.0), (3, 3, 1.0, 1.0), (2, 5, 0.0, 0.0), (3, 3, 0.5, 0.125)],
)
def test_edges(bad: float, total: float, rate: float, expected: float) -> None:
    assert tail(np.array([float(bad)]), np.array([float(total)]), np.array([rate]))[0] == pytest.approx(expected)


def test_the_lower_clopper_pearson_bound_is_above_a_rate_exactly_when_the_tail_is_below_the_doubt() -> None:
    for bad, total, allowed in ((5, 60, 0.01), (2, 60, 0.01), (5, 400, 0.01), (9, 400, 0.01)):
        chance = tail(np.array([float(bad)]), np.array([float(total)]), np.array([allowed]))[0]
        assert (chance <= 0.05) == (stats.beta.ppf(0.05, bad, total - bad + 1) >= allowed)
