"""Two policies of one rank that set one value for the same workloads: neither is more specific."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject, policy_hit


def _run(subject: Subject) -> Iterator[Hit]:
    for one, other in combinations(subject.policies, 2):
        if one.rank != other.rank or not one.selector.meets(other.selector):
            continue
        for path in sorted(set(one.values) & set(other.values)):
            first, second = one.values[path], other.values[path]
            if first.value != second.value:
                yield policy_hit(
                    second.place,
                    f"spec.{path}",
                    f"policy {other.name} and policy {one.name} set it for the same workloads, and neither is more "
                    "specific",
                    f"the other stands at {first.place.file}:{first.place.line}",
                )


CHECK = Check("policy-collision", Severity.ERROR, "two policies of one rank disagree", _run)
