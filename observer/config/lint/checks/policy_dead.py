"""A policy of which nothing is ever in force."""

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
            message = f"policy {policy.name} selects only {listed}, where the settings forbid every action"
            yield policy_hit(policy.place, "spec.selector", message, "guards.refused_namespaces")
            continue
        over = shadowed(policy, subject.policies)
        if policy.values and len(over) == len(policy.values):
            listed = ", ".join(sorted({other.name for other in over.values()}))
            yield policy_hit(
                policy.place,
                "metadata.name",
                f"no value of policy {policy.name} is ever in force: {listed} sets all of them again",
            )


CHECK = Check("policy-dead", Severity.WARNING, "no value of a policy is ever in force", _run)
