"""Findings as SARIF 2.1.0, which code hosts show beside the lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from observer.config.lint.check import Check, Finding, Severity
from observer.config.lint.live.queries import LiveCheck
from observer.config.lint.live.registry import CHECKS
from observer.config.lint.render import UNREADABLE, sentence

_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(findings: Sequence[Finding], version: str) -> dict[str, object]:
    """One run with every check as a rule; ``version`` is Observer's."""
    ids = [*CHECKS, UNREADABLE]
    rules = [_rule(check) for check in CHECKS.values()]
    rules.append(
        {
            "id": UNREADABLE,
            "shortDescription": {"text": "a file could not be read"},
            "defaultConfiguration": {"level": "error"},
        }
    )
    driver = {"name": "observer", "semanticVersion": version, "rules": rules}
    results = [_result(finding, ids.index(finding.check)) for finding in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(check: Check | LiveCheck) -> dict[str, object]:
    return {
        "id": check.id,
        "shortDescription": {"text": check.title},
        "help": {"text": f"See {check.page} in the repository of Observer."},
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
    }


def _result(finding: Finding, index: int) -> dict[str, object]:
    fault = finding.fault
    place: dict[str, object] = {"artifactLocation": {"uri": _uri(fault.file)}}
    if fault.line:
        place["region"] = {"startLine": fault.line, "startColumn": fault.column}
    return {
        "ruleId": finding.check,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": sentence(finding)},
        "locations": [{"physicalLocation": place}],
    }


def _uri(file: str) -> str:
    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
