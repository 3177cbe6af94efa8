"""The words of `docs/glossary.md` hold: no retired word in a name that people or programs read."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
import yaml

from observer.domain import names
from tests.tools.renames import read

ROOT: Final = Path(__file__).parents[2]
SOURCES: Final = sorted((ROOT / "observer").rglob("*.py"))

RETIRED: Final = frozenset(
    """
    nats rung rungs ladder ladders brake brakes hold holds held blame blamed blames ballot ballots inquest mate mates
    sibling siblings heir heirs acquit acquitted acquits book books bookkeeper harm harms hurt deed deeds restraint
    restraints wish wishes outlet outlets mail mails mailbox teller tell tells told telling keeper keepers kept clump
    clumps clumped tilt tilts trickle trickles trickling sight sighted sights settle settles desk door doors asker
    eyes roster bench mischief
    """.split()  # noqa: SIM905  (one word a cell of a list would be sixty lines)
)
"""Whole words of a name; ``docs/glossary.md`` says what took their place."""

OF_OTHERS: Final = {
    "holderIdentity": "Kubernetes, spec of a Lease",
    "acyclic_siblings": "import-linter, a type of contract",
    "hold_for_human": "kept on purpose: a policy may hold a drained pod for a person",
    "holdForHuman": "the same, in JSON",
    "HOLD_FOR_HUMAN": "the same, as a constant",
    "hold-for-human": "the same, as an annotation",
    "HELD_FOR_HUMAN": "the reason that belongs to it",
    "held_for_human": "the same, as a function",
    "cannot_tell": "an outcome of the drain experiment, as the design names it",
    "CANNOT_TELL": "the same, as a constant",
}
"""Parts of names that stay, and whose they are."""
ON_PURPOSE: Final = {
    "hold": "a policy's standing instruction by a person to do nothing; no guard's answer",
    "holds": "the same, several",
    "StandingHold": "the same, as a value",
    "StandingHoldKeys": "the same, as keys of a document",
    "policy_hold": "the guard that reads it",
    "POLICY_HOLD": "the same, as a constant",
    "held": "a Lease is held, as Kubernetes calls its holder",
    "HOLD": "what an objective does without data: the last state holds",
    "TELL": "a verdict, told apart from act, would and blocked; it is in journals and recordings",
}
"""Whole names that stay although a word of them is retired elsewhere."""


def words_of(name: str) -> list[str]:
    """``giveBackNow`` and ``give_back_now`` as ``[give, back, now]``."""
    spaced = re.sub(r"([a-z0-9])([A-Z])|([A-Z]+)([A-Z][a-z])", r"\1\3 \2\4", name)
    return [word.lower() for word in re.split(r"[^A-Za-z0-9]+", spaced) if word]


def retired(name: str) -> list[str]:
    """The retired words in a name, ``give back`` as two of them."""
    if name in ON_PURPOSE:
        return []
    for exempt in OF_OTHERS:
        name = name.replace(exempt, "")
    words = words_of(name)
    pairs = {f"{first} {second}" for first, second in pairwise(words)}
    return sorted(RETIRED.intersection(words) | ({"give back", "giving back", "given back"} & pairs))


def defined(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name that a file makes: functions, classes, parameters, variables, attributes, aliases."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.alias(asname=str(asname)):
                yield 0, asname


def keys(value: object) -> Iterator[str]:
    """Every key below a YAML or JSON value."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield str(key)
            yield from keys(below)
    elif isinstance(value, list):
        for below in value:
            yield from keys(below)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_in_code(path: Path) -> None:
    found = {f"{line}: {name}": bad for line, name in defined(ast.parse(path.read_text())) if (bad := retired(name))}

    assert found == {}
    assert retired(path.stem) == []


def test_keys_that_people_write_and_programs_read() -> None:
    found = set()
    for path in [*(ROOT / "rules").rglob("*.yaml"), *(ROOT / "deploy").rglob("*.yaml")]:
        for document in yaml.safe_load_all(path.read_text()):
            found |= {f"{path.name}: {key}" for key in keys(document) if retired(key)}
    for path in (ROOT / "dashboards").glob("*.json"):
        found |= {f"{path.name}: {key}" for key in keys(json.loads(path.read_text())) if retired(key)}

    assert found == set()


def test_metrics_labels_and_annotations() -> None:
    values = {str(getattr(names, name)) for name in dir(names) if name.isupper()}

    assert [value for value in sorted(values) if retired(value)] == []


def test_the_table_of_renames_makes_no_retired_word() -> None:
    made = {row.new: bad for row in read().rows if (bad := retired(row.new.rpartition(":")[2].rpartition(".")[2]))}

    assert made == {}


def test_the_glossary_lists_what_is_retired() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text().partition("## Retired words")[2]
    listed = {word for row in re.findall(r"^\| (.*?) \|", text, re.MULTILINE) for word in words_of(row)}

    assert {"nats", "rung", "ladder", "blame", "hold", "mates", "siblings", "heir", "book", "harm"} <= listed & RETIRED


def test_a_retired_word_is_found_and_a_longer_one_is_none() -> None:
    assert retired("giving_back") == ["giving back"]
    assert retired("siblingBadRate") == ["sibling"]
    assert [retired(name) for name in ("threshold", "estimate", "harmful", "holderIdentity", "hold_for_human")] == [
        []
    ] * 5
