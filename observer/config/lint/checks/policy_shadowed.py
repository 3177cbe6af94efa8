"""A value that a policy of higher rank sets again wherever it would be in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject, policy_hit
from observer.config.policies.document import Policy


def shadowed(policy: Policy, policies: Sequence[Policy]) -> Mapping[str, Policy]:
    """The paths that ``policy`` sets in vain, each with the policy that sets it again."""
    above = [
        other
        for other in policies
        if other is not policy and other.rank > policy.rank and other.selector.covers(policy.selector)
    ]
    return {path: other for path in policy.values for other in above if path in other.values}


def _run(subject: Subject) -> Iterator[Hit]:
    for policy in subject.policies:
        over = shadowed(policy, subject.policies)
        if len(over) == len(policy.values):
            continue  # policy-dead says it once
        for path, other in over.items():
            place = other.values[path].place
            yield policy_hit(
                policy.values[path].place,
                f"spec.{path}",
                f"never in force: policy {other.name} sets it again for every workload of {policy.name}",
                f"at {place.file}:{place.line}",
            )


CHECK = Check("policy-shadowed", Severity.INFO, "a policy's value is never in force", _run)
