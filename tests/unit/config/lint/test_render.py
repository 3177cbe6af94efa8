from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from observer.config.documents.faults import Fault
from observer.config.lint.check import Finding, Severity
from observer.config.lint.render import github, rows, text
from observer.config.lint.sarif import sarif

FINDINGS = [
    Finding("unreadable", Severity.ERROR, Fault("a b.yaml", 0, 0, "", "cannot be read: No such file")),
    Finding("client-errors", Severity.WARNING, Fault("dir/ä.yaml", 3, 7, "spec.x[0]", "100 %, a:b", "one\ntwo")),
    Finding("policy-shadowed", Severity.INFO, Fault("/abs/c.yaml", 1, 1, "spec.y", "never holds")),
]


def is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def is_natural(value: Any) -> bool:
    return type(value) is int and value >= 1


Shape = Callable[[Any], bool] | dict[str, Any] | list[Any]
MESSAGE: Shape = {"text": is_text}
LEVEL = ("none", "note", "warning", "error").__contains__
LOG: Shape = {
    "$schema": is_text,
    "version": lambda value: value == "2.1.0",
    "runs": [
        {
            "tool": {
                "driver": {
                    "name": is_text,
                    "semanticVersion?": is_text,
                    "rules?": [
                        {
                            "id": is_text,
                            "shortDescription?": MESSAGE,
                            "help?": MESSAGE,
                            "defaultConfiguration?": {"level?": LEVEL},
                        }
                    ],
                }
            },
            "columnKind?": ("utf16CodeUnits", "unicodeCodePoints").__contains__,
            "results": [
                {
                    "ruleId?": is_text,
                    "ruleIndex?": lambda value: type(value) is int and value >= 0,
                    "level?": LEVEL,
                    "message": MESSAGE,
                    "locations?": [
                        {
                            "physicalLocation?": {
                                "artifactLocation?": {"uri?": lambda value: is_text(value) and " " not in value},
                                "region?": {"startLine?": is_natural, "startColumn?": is_natural},
                            }
                        }
                    ],
                }
            ],
        }
    ],
}
"""The part of SARIF 2.1.0 that is used: required keys, optional keys with ``?``, nothing else."""


def fits(value: Any, shape: Any, path: str = "log") -> None:
    if isinstance(shape, dict):
        assert isinstance(value, dict), path
        required = {key for key in shape if not key.endswith("?")}
        known = {key.removesuffix("?"): inner for key, inner in shape.items()}
        assert required <= set(value) <= set(known), path
        for key, inner in value.items():
            fits(inner, known[key], f"{path}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), path
        for index, inner in enumerate(value):
            fits(inner, shape[0], f"{path}[{index}]")
    else:
        assert shape(value), f"{path}: {value!r}"


def test_sarif_has_the_shape_of_the_standard() -> None:
    log = json.loads(json.dumps(sarif(FINDINGS, "1.2.3")))

    fits(log, LOG)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result, finding in zip(run["results"], FINDINGS, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding.check


def test_sarif_places() -> None:
    body: Any = sarif(FINDINGS, "1.2.3")
    results = body["runs"][0]["results"]

    places = [result["locations"][0]["physicalLocation"] for result in results]
    assert places == [
        {"artifactLocation": {"uri": "a%20b.yaml"}},
        {"artifactLocation": {"uri": "dir/%C3%A4.yaml"}, "region": {"startLine": 3, "startColumn": 7}},
        {"artifactLocation": {"uri": "file:///abs/c.yaml"}, "region": {"startLine": 1, "startColumn": 1}},
    ]
    assert [result["level"] for result in results] == ["error", "warning", "note"]


@pytest.mark.parametrize("wrong", [{"version": "2.0.0"}, {"runs": {}}, {"extra": 1}])
def test_the_shape_can_fail(wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        fits(sarif(FINDINGS, "1.2.3") | wrong, LOG)


def test_github_commands_are_escaped() -> None:
    assert github(FINDINGS).splitlines() == [
        "::error file=a b.yaml,title=unreadable::cannot be read: No such file",
        "::warning file=dir/ä.yaml,line=3,col=7,title=client-errors::spec.x[0]: 100 %25, a:b (one%0Atwo)",
        "::notice file=/abs/c.yaml,line=1,col=1,title=policy-shadowed::spec.y: never holds",
    ]
    odd = Finding("unreadable", Severity.ERROR, Fault("a:b,c%.yaml", 0, 0, "", "m"))
    assert github([odd]) == "::error file=a%3Ab%2Cc%25.yaml,title=unreadable::m"


def test_text_counts_and_points_to_the_pages() -> None:
    lines = text(FINDINGS).splitlines()

    assert lines[-2] == "1 error, 1 warning, 1 info"
    assert lines[-1] == "explained in docs/checks: client-errors, policy-shadowed"
    assert text([]) == "nothing found"


def test_rows_have_stable_keys() -> None:
    assert rows(FINDINGS[1:2]) == [
        {
            "check": "client-errors",
            "severity": "warning",
            "file": "dir/ä.yaml",
            "line": 3,
            "column": 7,
            "path": "spec.x[0]",
            "message": "100 %, a:b",
            "hint": "one\ntwo",
            "page": "docs/checks/client-errors.md",
        }
    ]
