"""Objectives found again by what the journal calls them."""

from __future__ import annotations

import pytest

from observer.config.openslo.templates import Template
from observer.config.openslo.wanted import ObjectiveSet, recalled
from observer.domain.ids import ServiceRef
from observer.domain.slo import Objective, RatioSli, RollingWindow


def objective(key: str) -> Objective:
    return Objective(key, "v", key, "s", RatioSli(), 0.99, RollingWindow(3600.0))


KNOWN = ObjectiveSet(
    plain=(objective("shop/own"),),
    templates=(
        Template("answers", (objective("$namespace/answers.$service"), objective("$namespace/answers.$service#1"))),
        Template("twice", (objective("$service/$namespace/twice.$service"),)),
        Template("nameless", (objective("fixed/$namespace"),)),
    ),
)


@pytest.mark.parametrize(
    ("key", "scope"),
    [
        ("shop/own", None),
        ("shop/answers.cart-v1", ServiceRef("shop", "cart-v1")),
        ("shop/answers.cart.v1#1", ServiceRef("shop", "cart.v1")),
        ("cart/shop/twice.cart", ServiceRef("shop", "cart")),
    ],
)
def test_plain_ones_and_those_of_templates(key: str, scope: ServiceRef | None) -> None:
    found = recalled(KNOWN, [key])
    assert list(found) == [key] and found[key].id == key and found[key].scope == scope


@pytest.mark.parametrize("key", ["shop/gone", "cart/shop/twice.other", "fixed/shop", "shop/answers."])
def test_what_no_document_makes_is_left_out(key: str) -> None:
    assert not recalled(KNOWN, [key])
