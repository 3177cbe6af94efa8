"""What is kept, for how long, and what a restart brings back."""

from __future__ import annotations

from dataclasses import replace

from observer.domain.incident import Phase
from observer.engine.ledger import counts, grade_of, graded, same_symptom, useless_share
from observer.engine.memory import LEDGER_SECONDS, Baseline, Memory
from tests.support.builders import NOW, enforce, incident_of, ledger_entry, pod, service_ref

GUARDS = enforce().guards


def test_restore_sorts_the_ledger_and_knows_the_incidents() -> None:
    old, new = ledger_entry("a-1", ago=90.0), ledger_entry("a-2", ago=10.0)
    memory = Memory.restore([incident_of("catalog-1")], [new, old])
    assert memory.ledger == (old, new)
    assert list(memory.incidents) == ["incident-catalog-1"]
    assert not memory.complete


def test_pruned_keeps_a_day_and_everything_open() -> None:
    closed = incident_of("catalog-2", phase=Phase.CLOSED, closed=NOW - LEDGER_SECONDS - 1.0)
    open_one = incident_of("catalog-1", opened=NOW - 2.0 * LEDGER_SECONDS)
    memory = Memory(
        incidents={one.id: one for one in (closed, open_one)},
        baselines={closed.id: Baseline(), open_one.id: Baseline()},
        ledger=(ledger_entry(ago=LEDGER_SECONDS + 1.0), ledger_entry(ago=60.0)),
        cleared={pod("a-1").ref: NOW - 1.0, pod("a-2").ref: NOW + 1.0},
        not_before={"x": NOW - 1.0, "y": NOW + 1.0},
        label_writes={pod("a-1").ref: NOW - 4000.0, pod("a-2").ref: NOW - 60.0},
    ).pruned(NOW)
    assert list(memory.incidents) == list(memory.baselines) == [open_one.id]
    assert len(memory.ledger) == 1
    assert list(memory.cleared) == list(memory.label_writes) == [pod("a-2").ref]
    assert list(memory.not_before) == ["y"]


def test_peak_is_the_highest_of_a_day_by_hour() -> None:
    service, hour = service_ref(), int(NOW // 3600)
    memory = Memory(peaks={service: ((hour - 25, 99.0), (hour - 3, 30.0))})
    peaks = memory.with_peak(service, hour, 20.0)
    assert peaks == ((hour - 3, 30.0), (hour, 20.0))
    assert Memory(peaks={service: peaks}).peak(service) == 30.0
    assert Memory().peak(service) == 0.0


def test_what_may_have_happened_counts() -> None:
    assert counts(ledger_entry())
    assert counts(ledger_entry(settled=False, applied=False))
    assert not counts(ledger_entry(applied=False))


def test_one_useless_act_makes_the_incident_useless() -> None:
    assert grade_of(None, True) is True
    assert grade_of(True, False) is False
    assert grade_of(None, None) is None


def test_grading_reaches_all_acts_of_the_incident_and_no_other() -> None:
    ledger = (ledger_entry("a-1", incident="x"), ledger_entry("a-2", incident="y"))
    after = graded(ledger, "x", useful=True, verdict="fixed")
    assert [(e.useful, e.verdict) for e in after] == [(True, "fixed"), (None, "")]
    assert useless_share(after, 10) == (0, 1)


def test_same_symptom_looks_back_half_an_hour() -> None:
    lately = ledger_entry("catalog-1", ago=1700.0, useful=True)
    others = (
        ledger_entry("catalog-2", ago=1900.0),
        replace(lately, symptom="latency"),
        replace(lately, useful=False),
        replace(lately, service=service_ref("cart")),
    )
    assert same_symptom((lately, *others), service_ref(), "errors", NOW, GUARDS) == (lately,)
