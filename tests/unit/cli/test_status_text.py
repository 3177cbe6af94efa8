"""What ``observer status`` prints about policies and edited files."""

from __future__ import annotations

from typing import Any

from observer.cli.status import _live_text

CALM: dict[str, Any] = {
    "mode": "shadow", "paused": False, "leader": True, "term": 3, "ticks": 9, "complete_ticks": 9, "last_tick": 0.0,
    "config": "abc", "halted": "", "gaps": [], "incidents": [],
    "policies": {"identity": "", "workloads": {}, "disagreeing": {}},
    "reload": {"ok": True, "at": 0.0, "detail": "", "needs_restart": []},
}  # fmt: skip


def test_without_policies_nothing_is_said_of_them() -> None:
    assert "polic" not in _live_text(CALM) and "REFUSED" not in _live_text(CALM)


def test_policies_are_counted_and_those_that_disagree_are_named() -> None:
    ruled = {"identity": "d00d", "workloads": {"enforce": 2, "shadow": 5}, "disagreeing": {"shop/cart": "a tie"}}

    text = _live_text({**CALM, "policies": ruled})

    assert "policies  d00d: 2 enforce, 5 shadow" in text
    assert "DISAGREE  shop/cart: a tie" in text


def test_a_refused_edit_and_a_needed_restart_are_said() -> None:
    reload = {"ok": False, "at": 1.0, "detail": "a.yaml:1:1 bad", "needs_restart": ["tick", "journal"]}

    text = _live_text({**CALM, "reload": reload})

    assert "REFUSED   edited files, the old ones hold: a.yaml:1:1 bad" in text
    assert "restart   needed for: tick, journal" in text


def test_overdrawn_budgets_are_named_and_those_left_out_are_counted() -> None:
    rows = [{"service": f"shop/cart-{n}", "objective": "Cart answers", "budget_left": -0.3} for n in range(12)]

    lines = _live_text({**CALM, "overdrawn": rows}).splitlines()

    assert lines[-12] == "OVERDRAWN shop/cart-0: Cart answers, by 30 %"
    assert lines[-3:] == ["OVERDRAWN shop/cart-9: Cart answers, by 30 %", "OVERDRAWN and 2 more", "no open incident"]
    assert "OVERDRAWN" not in _live_text({**CALM, "overdrawn": []})
