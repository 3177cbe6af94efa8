"""The checks that need no server, in the order in which they are listed, and how they are run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from observer.config.lint.check import Check, Finding, in_order
from observer.config.lint.checks import (
    alert_after,
    alert_silent,
    bucket_le_missing,
    bucket_le_spelling,
    bucket_le_unknown,
    burn_single_request,
    burn_unreachable,
    client_errors,
    counter_twice,
    counter_without_rate,
    datasource_unknown,
    objective_duplicate,
    objective_unusable,
    policy_collision,
    policy_dead,
    policy_shadowed,
    promql_syntax,
    reporter_missing,
    target_high,
    threshold_histogram,
    window_short,
)
from observer.config.lint.subject import Hit, Subject
from observer.domain import names

OFFLINE: Final[tuple[Check, ...]] = (
    alert_after.CHECK,
    alert_silent.CHECK,
    bucket_le_missing.CHECK,
    bucket_le_spelling.CHECK,
    bucket_le_unknown.CHECK,
    burn_single_request.CHECK,
    burn_unreachable.CHECK,
    client_errors.CHECK,
    counter_twice.CHECK,
    counter_without_rate.CHECK,
    datasource_unknown.CHECK,
    objective_duplicate.CHECK,
    objective_unusable.CHECK,
    policy_collision.CHECK,
    policy_dead.CHECK,
    policy_shadowed.CHECK,
    promql_syntax.CHECK,
    reporter_missing.CHECK,
    target_high.CHECK,
    threshold_histogram.CHECK,
    window_short.CHECK,
)


def lint(subject: Subject, checks: Iterable[Check] = OFFLINE) -> list[Finding]:
    """What the checks find, in the order of the files."""
    return in_order(finding for check in checks for finding in findings_of(check, check.run(subject)))


def findings_of(check: Check, hits: Iterable[Hit]) -> Iterator[Finding]:
    """The hits that their owner does not ask to be left alone with."""
    return (Finding(check.id, check.severity, hit.fault) for hit in hits if not ignores(hit, check.id))


def ignores(hit: Hit, check: str) -> bool:
    """Whether the document asks this check to leave it alone."""
    words = hit.owner.annotation(names.LINT_IGNORE) if hit.owner is not None else ""
    return check in {word.strip() for word in words.split(",")}
