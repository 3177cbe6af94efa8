"""Words: what 0.1.0 wrote under names that were changed since, in columns and in the JSON of bodies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

import sqlalchemy as sa
from alembic import op

from observer.recording.former import FIELDS, WORDS

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_AT_ONCE: Final = 500
"""Rows that are held in memory."""

Body = dict[str, object]


def upgrade() -> None:
    """Rename the column, then rewrite row by row."""
    op.execute(sa.text("ALTER TABLE ledger RENAME COLUMN rung TO action_kind"))
    _rewrite("incidents", "id", (), _incident)
    _rewrite("intents", "id", ("reason",), _action)
    _rewrite("ledger", "action_id", ("verdict",), _entry)
    _rewrite("decisions", "id", ("kind", "verdict"), _decision)
    _rewrite("approvals", "id", (), _approval)


def downgrade() -> None:
    """There is no way back: what is new has no former word."""
    raise RuntimeError("a journal with the words of today cannot be read by Observer 0.1.0")


def _rewrite(name: str, key: str, words: tuple[str, ...], change: Callable[[Body], None]) -> None:
    """Change the body of every row, and the columns that hold single words."""
    table = sa.table(name, *(sa.column(column, sa.Text) for column in (key, "body", *words)))
    known, connection = table.c[key], op.get_bind()
    last = ""
    while (
        rows := connection.execute(sa.select(table).where(known > last).order_by(known).limit(_AT_ONCE))
        .mappings()
        .all()
    ):
        for row in rows:
            if (body := _object(row["body"])) is None:
                continue  # whoever reads this row is told that it is damaged
            change(body)
            new = {"body": json.dumps(body, separators=(",", ":"), ensure_ascii=False)}
            new |= {column: WORDS.get(row[column], row[column]) for column in words}
            connection.execute(sa.update(table).where(known == row[key]).values(new))
        last = rows[-1][key]


def _object(text: str) -> Body | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _renamed(body: Body, kind: str) -> None:
    """Give the members of a value of this (former) type their names of today, in their places."""
    fields = FIELDS.get(kind, {})
    members = list(body.items())
    body.clear()
    body.update((fields.get(name, name), value) for name, value in members)


def _reworded(body: Body, *names: str) -> None:
    """Members that hold words: one, or a mapping from words to something."""
    for name in names:
        body[name] = _words(body.get(name))


def _words(value: object) -> object:
    if isinstance(value, str):
        return WORDS.get(value, value)
    if isinstance(value, Mapping):
        return {_words(key): _words(one) for key, one in value.items()}
    return value


def _bodies(value: object) -> list[Body]:
    """The objects in a list of them; nothing for anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _incident(body: Body) -> None:
    _renamed(body, "Incident")
    _reworded(body, "blocked", "closing", "restoring", "ceiling_reason")
    if isinstance(check := body.get("check"), dict):
        _reworded(check, "verdict")
    attribution = body.get("attribution")
    for cause in _bodies(attribution.get("ranked") if isinstance(attribution, dict) else None):
        _renamed(cause, "Attribution")
        for line in _bodies(cause.get("lines")):
            _renamed(line, "EvidenceLine")
            _reworded(line, "word")


def _action(body: Body) -> None:
    _renamed(body, "Action")
    _reworded(body, "reason")
    _aimed(body)


def _aimed(body: Body) -> None:
    """What was a pod by its name says so."""
    if isinstance(pod := body.get("target"), dict):
        body["target"] = {"kind": "pod", **pod}


def _entry(body: Body) -> None:
    _renamed(body, "LedgerEntry")
    _reworded(body, "verdict")
    _aimed(body)


def _approval(body: Body) -> None:
    _renamed(body, "Approval")
    _aimed(body)


def _decision(body: Body) -> None:
    _renamed(body, "Decision")
    _reworded(body, "kind", "verdict", "reason", "figures")
    for blocked in _bodies(body.get("blocked_by")):
        _reworded(blocked, "guard", "reason")
    if isinstance(action := body.get("action"), dict):
        _action(action)
    if isinstance(outcome := body.get("outcome"), dict):
        _reworded(outcome, "reason")
