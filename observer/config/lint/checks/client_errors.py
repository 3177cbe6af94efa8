"""Answers such as 404 counted as failures of the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from observer.config.lint.check import Check, Severity
from observer.config.lint.expressions import Selected
from observer.config.lint.subject import Hit, Subject

_LABELS: Final = ("response_code", "code", "status", "status_code", "http_status", "http_status_code")
_CLIENT: Final = ("400", "401", "403", "404")


def _of_clients(selected: Selected, role: str) -> str:
    """The first client error that counts against the server, empty when there is none."""
    # gRPC servers have words in a label of this name, which say nothing about HTTP.
    coded = (matcher for matcher in selected.on(*_LABELS) if any(letter.isdigit() for letter in matcher.value))
    label = next((matcher.label for matcher in coded), "")
    if not label:
        return ""
    if role == "bad":
        return next((code for code in _CLIENT if selected.takes(label, code)), "")
    if role == "good" and selected.takes(label, "200"):
        return next((code for code in _CLIENT if not selected.takes(label, code)), "")
    return ""


def _run(subject: Subject) -> Iterator[Hit]:
    for question, selected in subject.selected():
        if code := _of_clients(selected, question.role):
            verb = "counts" if question.role == "bad" else "leaves out"
            yield question.hit(
                f"{verb} {code}: a caller's mistake spends the service's budget",
                'response_code=~"5.." for failures; keep it with observer.dev/lint-ignore if it is meant',
            )


CHECK = Check("client-errors", Severity.WARNING, "client errors are counted as failures of the server", _run)
