"""What a check is, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from observer.config.documents.faults import Fault
from observer.config.lint.subject import Hit, Subject


class Severity(StrEnum):
    """How bad it is: only an error changes the exit code."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Check:
    """``id`` names the page ``docs/checks/ID.md``; ``title`` is one line for lists."""

    id: str
    severity: Severity
    title: str
    run: Callable[[Subject], Iterator[Hit]]

    @property
    def page(self) -> str:
        """Where the check is explained, from the root of the repository."""
        return f"docs/checks/{self.id}.md"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is told. Ordered by place, then by check."""

    check: str
    severity: Severity
    fault: Fault

    def __str__(self) -> str:
        return f"{self.fault} [{self.severity.value} {self.check}]"


def in_order(findings: Iterator[Finding]) -> list[Finding]:
    """Without repetitions, in the order of the files."""
    return sorted(set(findings), key=lambda one: (one.fault, one.check))
