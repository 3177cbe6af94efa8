"""What ``observer status`` prints about policies and edited files."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from observer.cli.status import live_text
from observer.web.models.answers import OverdrawnObjective, PoliciesStatus, ReloadStatus, Status
from tests.support.scripted_api import STATUS

CALM = msgspec.convert(STATUS, Status)


def test_without_policies_nothing_is_said_of_them() -> None:
    assert "polic" not in live_text(CALM) and "REJECTED" not in live_text(CALM)


def test_policies_are_counted_and_those_that_contradict_each_other_are_named() -> None:
    policies = PoliciesStatus("d00d", {"enforce": 2, "shadow": 5}, {"shop/cart": "a tie"})

    text = live_text(replace(CALM, policies=policies))

    assert "policies  d00d: 2 enforce, 5 shadow" in text
    assert "CONFLICT  shop/cart: a tie" in text


def test_a_rejected_edit_and_a_needed_restart_are_said() -> None:
    reload = ReloadStatus(False, 1.0, "a.yaml:1:1 bad", ("tick", "journal"))

    text = live_text(replace(CALM, reload=reload))

    assert "REJECTED  edited files; the previous ones stay in force: a.yaml:1:1 bad" in text
    assert "restart   needed for: tick, journal" in text


def test_overdrawn_budgets_are_named_and_those_left_out_are_counted() -> None:
    rows = tuple(OverdrawnObjective(f"shop/cart-{n}", "Cart answers", -0.3) for n in range(12))

    lines = live_text(replace(CALM, overdrawn=rows)).splitlines()

    assert lines[-12] == "OVERDRAWN shop/cart-0: Cart answers, by 30 %"
    assert lines[-3:] == ["OVERDRAWN shop/cart-9: Cart answers, by 30 %", "OVERDRAWN and 2 more", "no open incident"]
    assert "OVERDRAWN" not in live_text(CALM)
