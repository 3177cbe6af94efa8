"""``alertAfter``: a condition that waits, which a second, shorter window does better."""

from __future__ import annotations

from collections.abc import Iterator

from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject


def _run(subject: Subject) -> Iterator[Hit]:
    for rule in subject.assembled.rules:
        after = rule.condition.spec.condition.alert_after
        if after is not None:
            fault = rule.condition.fault(
                ("spec", "condition", "alertAfter"),
                f"{after} is not waited for",
                "join a second policy with a shorter lookbackWindow by observer.dev/all-of",
            )
            yield Hit(fault, rule.policy)


CHECK = Check("alert-after", Severity.WARNING, "alertAfter is not waited for", _run)
