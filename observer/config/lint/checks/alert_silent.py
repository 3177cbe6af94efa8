"""An alert policy that never alerts anybody."""

from __future__ import annotations

from collections.abc import Iterator

from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject
from observer.domain import names


def _run(subject: Subject) -> Iterator[Hit]:
    joined = {rule.policy.annotation(names.SLO_ALL_OF) for rule in subject.assembled.rules}
    for rule in subject.assembled.rules:
        spec = rule.policy.spec
        if not (spec.alert_when_breaching or spec.alert_when_no_data) and rule.policy.name not in joined:
            fault = rule.policy.fault(
                ("spec", "alertWhenBreaching"), "is not true: this policy never alerts on a breach", "true"
            )
            yield Hit(fault, rule.policy)


CHECK = Check("alert-silent", Severity.WARNING, "an alert policy never alerts anybody", _run)
