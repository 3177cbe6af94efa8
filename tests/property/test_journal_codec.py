"""What the journal writes it reads back equal."""

from __future__ import annotations

import math

import pytest
from hypothesis import given

from observer.domain.action import Action, ActionKind
from observer.domain.decision import Decision, LedgerEntry, Verdict
from observer.domain.errors import JournalUnavailable
from observer.domain.incident import Incident
from observer.domain.kinds import Kind
from observer.journal.database import decode, encode
from tests.support import values


@given(values.incidents)
def test_incidents_come_back_equal(incident: Incident) -> None:
    assert decode(encode(incident), Incident) == incident


@given(values.decisions)
def test_decisions_come_back_equal(decision: Decision) -> None:
    found = decode(encode(decision), Decision)

    assert found == decision
    assert {k: type(v) for k, v in found.figures.items()} == {k: type(v) for k, v in decision.figures.items()}


@given(values.actions)
def test_actions_come_back_equal_with_their_id(action: Action) -> None:
    found = decode(encode(action), Action)

    assert (found, found.id) == (action, action.id)


@given(values.entries)
def test_ledger_entries_come_back_equal(entry: LedgerEntry) -> None:
    assert decode(encode(entry), LedgerEntry) == entry


def test_a_number_that_is_none_survives() -> None:
    decision = Decision(
        "id", 1.0, Kind.DRAIN, Verdict.ACT, "pod a/b", "r", "t", figures={"x": math.nan, "y": -math.inf}
    )

    figures = decode(encode(decision), Decision).figures

    assert math.isnan(figures["x"])  # type: ignore[arg-type]
    assert figures["y"] == -math.inf


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"action_kind": "fly"}', '{"incident": 3}'])
def test_a_row_that_is_no_such_value_is_told(text: str) -> None:
    with pytest.raises(JournalUnavailable, match="is no Action"):
        decode(text, Action)


def test_rungs_stay_rungs_as_keys() -> None:
    text = '{"id":"i","opened":1,"culprit":{"kind":"pod","namespace":"a","name":"b"},"symptom":"errors",'
    text += '"phase":"suspected","phase_since":1,"attempts":{"drain":2}}'

    assert next(iter(decode(text, Incident).attempts)) is ActionKind.DRAIN
