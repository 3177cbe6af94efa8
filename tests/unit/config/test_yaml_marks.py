from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer.config.documents.marks import read_marked


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("", None),
        ("-12", -12),
        ("1.5e3", 1500.0),
        ("1e3", 1000.0),
        ("on", "on"),
        ("yes", "yes"),
        ("True", "True"),
        ("012", "012"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        (".inf", ".inf"),
        ("2026-01-01", "2026-01-01"),
        ("'5'", "5"),
        ('"true"', "true"),
    ],
)
def test_scalars_are_those_of_json(text: str, value: object) -> None:
    document = read_marked(f"key: {text}\n", "f.yaml")

    assert document.faults == []
    assert document.data == {"key": value}
    assert type(document.data["key"]) is type(value)


def test_every_place_is_known() -> None:
    document = read_marked("a:\n  - x\n  - b: 1\n", "f.yaml")

    assert document.keys == {("a",): (1, 1), ("a", 1, "b"): (3, 5)}
    assert document.values[("a", 1, "b")] == (3, 8)
    assert document.values[("a", 0)] == (2, 5)


def test_a_fault_stands_at_the_nearest_known_parent() -> None:
    document = read_marked("a:\n  b: 1\n", "f.yaml")

    assert str(document.fault(("a", "missing"), "is missing", "add it")) == "f.yaml:2:3 a.missing: is missing (add it)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "f.yaml:2:1 a: duplicate key (first given in line 1)"),
        ("a: {b: 1, b: 2}\n", "f.yaml:1:11 a.b: duplicate key (first given in line 1)"),
        ("a: &x 1\nb: *x\n", "f.yaml:2:1 b: anchors and aliases are not read (write the value out)"),
        ("a: &x [*x]\n", "f.yaml:1:4 a[0]: anchors and aliases are not read (write the value out)"),
        ("a: !!python/name:os.system x\n", "f.yaml:1:4 a: tag tag:yaml.org,2002:python/name:os.system is not read"),
        ("? [a]\n: 1\n", "f.yaml:1:3: a key must be a word, not a list or mapping"),
        ("a: [1\n", "f.yaml:2:1: not YAML: while parsing a flow sequence: did not find expected ',' or ']'"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: not YAML: expected a single document in the stream"),
        ("a: \x07\n", "f.yaml: not readable as YAML"),
    ],
)
def test_faults_of_the_yaml_itself(text: str, message: str) -> None:
    faults = read_marked(text, "f.yaml").faults

    assert len(faults) == 1
    assert str(faults[0]).startswith(message)


def test_depth_is_limited() -> None:
    assert [fault.message for fault in read_marked("[" * 40 + "]" * 40, "f.yaml").faults] == [
        "nested more than 32 levels deep"
    ]


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    document = read_marked(text, "f.yaml")

    assert document.file == "f.yaml"
    assert all(str(fault).startswith("f.yaml") for fault in document.faults)
