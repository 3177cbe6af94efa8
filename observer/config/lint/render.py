"""Findings for people, for programs and for GitHub's annotations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from observer.config.documents.faults import counted
from observer.config.lint.check import Finding, Severity
from observer.config.lint.live.registry import CHECKS

UNREADABLE: Final = "unreadable"
"""Stands where a check's id does, for a file that could not be read; it has no page: the message says all."""
_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def text(findings: Sequence[Finding]) -> str:
    """One line a finding, and what they come to."""
    counts = Counter(finding.severity for finding in findings)
    totals = ", ".join(counted(counts[severity], severity.value) for severity in Severity if counts[severity])
    pages = sorted({finding.check for finding in findings} - {UNREADABLE})
    lines = [str(finding) for finding in findings]
    lines.append(totals or "nothing found")
    if pages:
        lines.append(f"explained in docs/checks: {', '.join(pages)}")
    return "\n".join(lines)


def rows(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """Stable keys for programs."""
    return [
        {
            "check": finding.check,
            "severity": finding.severity.value,
            "file": finding.fault.file,
            "line": finding.fault.line,
            "column": finding.fault.column,
            "path": finding.fault.path,
            "message": finding.fault.message,
            "hint": finding.fault.hint,
            "page": CHECKS[finding.check].page if finding.check in CHECKS else "",
        }
        for finding in findings
    ]


def github(findings: Sequence[Finding]) -> str:
    """Workflow commands that show each finding beside its line."""
    return "\n".join(_command(finding) for finding in findings)


def sentence(finding: Finding) -> str:
    """Path, message and hint, without the place."""
    fault = finding.fault
    subject = f"{fault.path}: " if fault.path else ""
    return f"{subject}{fault.message}{f' ({fault.hint})' if fault.hint else ''}"


def _command(finding: Finding) -> str:
    fault = finding.fault
    properties = {"file": fault.file} | ({"line": fault.line, "col": fault.column} if fault.line else {})
    given = ",".join(f"{key}={_property(str(value))}" for key, value in (*properties.items(), ("title", finding.check)))
    return f"::{_COMMANDS[finding.severity]} {given}::{_data(sentence(finding))}"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
