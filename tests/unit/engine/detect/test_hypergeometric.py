"""The exact law of errors among peers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from observer.engine.detect.hypergeometric import ln_factorial, ln_mgf


def test_factorials_are_those_of_the_gamma_function() -> None:
    x = np.array([0.0, 0.3, 1.0, 2.0, 7.5, 100.0, 1e6])
    np.testing.assert_allclose(ln_factorial(x), gammaln(x + 1.0), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(
    ("own", "bad", "total"), [(5, 3, 20), (50, 150, 200), (300, 40, 1000), (500, 2000, 5000), (1, 1, 2), (90, 100, 100)]
)
def test_the_exact_form_is_the_hypergeometric_law(own: int, bad: int, total: int) -> None:
    ln_effect_sizes = np.log(2.0 ** np.arange(1, 11))
    k = np.arange(0, min(own, bad) + 1)
    weight = stats.hypergeom(total, bad, own).logpmf(k)[:, None] + k[:, None] * ln_effect_sizes
    expected = np.log(np.exp(weight - weight.max(axis=0)).sum(axis=0)) + weight.max(axis=0)

    found = ln_mgf(np.array([float(own)]), np.array([float(bad)]), np.array([float(total)]), ln_effect_sizes)

    np.testing.assert_allclose(found[0], expected, atol=5e-3)
