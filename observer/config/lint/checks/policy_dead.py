"""A policy of which nothing ever holds."""

from __future__ import annotations

from collections.abc import Iterator

from observer.config.lint.check import Check, Severity
from observer.config.lint.checks.policy_shadowed import shadowed
from observer.config.lint.subject import Hit, Subject, policy_hit


def _run(subject: Subject) -> Iterator[Hit]:
    for policy in subject.policies:
        reached = set(policy.selector.namespaces)
        if reached and reached <= subject.refused:
            listed = ", ".join(sorted(reached))
            message = f"policy {policy.name} reaches only {listed}, where the settings let nothing be done"
            yield policy_hit(policy.place, "spec.selector", message, "guards.refused_namespaces")
            continue
        over = shadowed(policy, subject.policies)
        if policy.values and len(over) == len(policy.values):
            listed = ", ".join(sorted({other.name for other in over.values()}))
            yield policy_hit(
                policy.place, "metadata.name", f"nothing of policy {policy.name} holds: all is set again by {listed}"
            )


CHECK = Check("policy-dead", Severity.WARNING, "nothing of a policy ever holds", _run)
