"""What earlier actions taught."""

from __future__ import annotations

import pytest

from observer.domain.action import ActionKind
from observer.domain.decision import Allowed, Blocked
from observer.domain.reasons import Reason
from observer.domain.suspect import Suppression
from observer.engine.guards import history
from tests.support.builders import NOW, catalog, service_ref, suspect
from tests.support.builders import ledger_entry as entry
from tests.support.guard_cases import (
    Case,
    assert_allows,
    assert_blocks,
    assert_covers,
    context_of,
)  # fmt: skip

CASES = [
    Case(history.frozen, "frozen", memory={"ledger": (entry(verdict="worse", useful=False),)}),
    Case(history.frozen, "frozen", memory={"ledger": (entry(verdict="refused", applied=False, useful=False),)}),
    Case(
        history.frozen,
        "frozen",
        memory={"ledger": tuple(entry(f"catalog-{n}", ago=4000.0 * n, useful=False) for n in (1, 2, 3))},
    ),
    Case(
        history.fleet_breaker,
        "breaker_useless",
        memory={"ledger": tuple(entry(f"cart-{n}", ago=500.0 * n, useful=n > 4) for n in range(1, 11))},
    ),
    Case(
        history.fleet_breaker,
        "breaker_bad_share",
        judged={"suspects": tuple(suspect(one) for one in catalog(3))},
    ),
    Case(
        history.fleet_breaker,
        "breaker_bad_share",
        judged={"suppressions": (Suppression(service_ref(), Reason.WORKLOAD_FAILING, "all fail"),)},
    ),
    Case(history.back_off, "back_off", memory={"ledger": (entry(ago=250.0, useful=False),)}),
]
ALLOWED = [
    Case(history.back_off, "useful acts need no pause", memory={"ledger": (entry(ago=10.0, useful=True),)}),
    Case(history.back_off, "one that ended by itself is forgiven", memory={"ledger": (entry(ago=10.0),)}),
    Case(history.back_off, "the pause is over", memory={"ledger": (entry(ago=301.0, useful=False),)}),
    Case(history.back_off, "another node", memory={"ledger": (entry(ago=10.0, useful=False, node="node-2"),)}),
    Case(history.back_off, "another revision", memory={"ledger": (entry(ago=10.0, useful=False, revision="v2"),)}),
    Case(
        history.back_off,
        "its own drain",
        memory={"ledger": (entry(ago=10.0, useful=False, incident="incident-catalog-1"),)},
    ),
    Case(
        history.frozen,
        "three useful ones",
        memory={"ledger": tuple(entry(f"c-{n}", useful=True) for n in range(3))},
    ),
    Case(
        history.frozen,
        "one incident with two acts counts once",
        memory={
            "ledger": tuple(
                entry(action_kind=r, useful=False, ago=a) for r, a in ((ActionKind.DRAIN, 90), (ActionKind.EVICT, 60))
            )
        },
    ),
    Case(history.fleet_breaker, "two bad ones", judged={"suspects": tuple(suspect(one) for one in catalog(2))}),
    Case(
        history.fleet_breaker,
        "three useless of ten",
        memory={"ledger": tuple(entry(f"cart-{n}", ago=500.0 * n, useful=n > 3) for n in range(1, 11))},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_blocks(case: Case) -> None:
    assert_blocks(case)


@pytest.mark.parametrize("case", ALLOWED, ids=str)
def test_allows(case: Case) -> None:
    assert_allows(case)


def test_every_guard_and_reason_is_in_the_table() -> None:
    assert_covers((*history.GUARDS, history.back_off), CASES)


@pytest.mark.parametrize(
    ("useless", "seconds"), [(1, 300.0), (2, 600.0), (3, 1200.0), (4, 2400.0), (5, 3600.0), (9, 3600.0)]
)
def test_back_off_doubles_up_to_an_hour(useless: int, seconds: float) -> None:
    ledger = tuple(entry(f"catalog-{n}", ago=100.0 + n, useful=False) for n in range(useless))
    over = NOW - 100.0 + seconds
    before, after = (
        context_of(Case(history.back_off, "", memory={"ledger": ledger}, picture={"at": at}))
        for at in (over - 1.0, over + 1.0)
    )
    assert isinstance(history.back_off(before), Blocked)
    assert isinstance(history.back_off(after), Allowed)
