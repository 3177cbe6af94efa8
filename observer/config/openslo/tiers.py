"""Alert policies of a document as burn rate tiers; two policies may be joined by ``observer.dev/all-of``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from observer.config.documents.faults import Fault
from observer.config.openslo.documents import Documents, Placed
from observer.config.openslo.models import ConditionSpec, PolicySpec
from observer.config.openslo.words import seconds
from observer.domain import names
from observer.domain.slo import BurnTier

SEVERITIES: Final = {"page": "page", "critical": "page", "ticket": "ticket", "warning": "ticket"}
"""OpenSLO leaves the word free; these are understood."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy with its one condition."""

    policy: Placed[PolicySpec]
    condition: Placed[ConditionSpec]

    @property
    def severity(self) -> str:
        """``page`` or ``ticket``; empty for another word."""
        return SEVERITIES.get(self.condition.spec.severity.lower(), "")

    @property
    def factor(self) -> float:
        """The burn rate above which it tells."""
        return self.condition.spec.condition.threshold

    @property
    def lookback(self) -> float:
        """Seconds."""
        return seconds(self.condition.spec.condition.lookback_window)


def rule_of(policy: Placed[PolicySpec], documents: Documents) -> tuple[Rule | None, list[Fault]]:
    """The policy with its condition looked up; targets are looked up too, so that nobody is told into the void."""
    faults = []
    for index, target in enumerate(policy.spec.notification_targets):
        if target.target_ref is not None and target.target_ref not in documents.targets:
            path = ("spec", "notificationTargets", index, "targetRef")
            faults.append(policy.fault(path, f'no AlertNotificationTarget is named "{target.target_ref}"'))
    item = policy.spec.conditions[0]
    if item.metadata is not None and item.spec is not None:
        at = (*policy.at, "spec", "conditions", 0)
        return Rule(policy, Placed("AlertCondition", item.metadata, item.spec, policy.document, at)), faults
    found = documents.conditions.get(item.condition_ref or "")
    if found is None:
        path = ("spec", "conditions", 0, "conditionRef")
        return None, [*faults, policy.fault(path, f'no AlertCondition is named "{item.condition_ref}"')]
    return Rule(policy, found), faults


def tiers_of(rules: Sequence[Rule], documents: Documents) -> tuple[tuple[BurnTier, ...], list[Fault]]:
    """The tiers of one SLO's policies, in their order; a policy that does not tell of a breach gives none."""
    faults = [fault for rule in rules for fault in _unreadable(rule)]
    tiers: list[BurnTier] = []
    joined = {name for rule in rules if (name := rule.policy.annotation(names.SLO_ALL_OF))}
    done: set[str] = set()
    for rule in rules:
        partner_name = rule.policy.annotation(names.SLO_ALL_OF)
        if rule.policy.name in done or (rule.policy.name in joined and not partner_name):
            continue
        partner = rule
        if partner_name:
            found, more = _partner(rule, partner_name, rules, documents)
            faults += more
            if found is None:
                continue
            partner = found
            done.add(partner.policy.name)
        if rule.policy.spec.alert_when_breaching and rule.severity:
            windows = (rule.lookback, partner.lookback)
            tiers.append(BurnTier(rule.policy.name, rule.severity, rule.factor, max(windows), min(windows)))
    return tuple(tiers), faults


def _unreadable(rule: Rule) -> Iterator[Fault]:
    condition = rule.condition
    if not rule.severity:
        known = ", ".join(SEVERITIES)
        yield condition.fault(("spec", "severity"), f"must be one of {known}, got {condition.spec.severity!r}")
    if condition.spec.condition.op not in {"gt", "gte"}:
        path = ("spec", "condition", "op")
        yield condition.fault(path, "must be gt or gte", "a burn rate is bad when it is high")
    if condition.spec.condition.threshold <= 0:
        yield condition.fault(("spec", "condition", "threshold"), "must be above 0")


def _partner(rule: Rule, name: str, rules: Sequence[Rule], documents: Documents) -> tuple[Rule | None, list[Fault]]:
    key = names.SLO_ALL_OF
    found = next((one for one in rules if one.policy.name == name and one is not rule), None)
    faults: list[Fault] = []
    if found is None and name in documents.policies and name != rule.policy.name:
        found, faults = rule_of(documents.policies[name], documents)
    if found is None:
        return None, [*faults, rule.policy.annotation_fault(key, f'no other AlertPolicy is named "{name}"')]
    back = found.policy.annotation(key)
    if back and back != rule.policy.name:
        faults.append(rule.policy.annotation_fault(key, f'"{name}" is joined with "{back}"', "join two policies only"))
    if found.severity and rule.severity and (found.factor, found.severity) != (rule.factor, rule.severity):
        message = f'threshold and severity of "{name}" must be the same: {rule.factor:g} and {rule.severity}'
        faults.append(rule.policy.annotation_fault(key, message))
    return found, faults
