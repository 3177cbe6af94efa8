"""Multi-window burn rate alerts as pairs of OpenSLO alert policies, joined by ``observer.dev/all-of``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from observer.domain import names
from observer.exchange.conversion import Plain, document

TARGET_NAME: Final = "alerts"


@dataclass(frozen=True, slots=True)
class Tier:
    """``long`` and ``short`` as OpenSLO durations."""

    name: str
    severity: str
    factor: float
    long: str
    short: str


def policies(prefix: str, tiers: Sequence[Tier]) -> tuple[list[Plain], list[Plain]]:
    """The policy documents, and the references to put into ``alertPolicies``."""
    documents, references = list[Plain](), list[Plain]()
    for tier in tiers:
        long, short = f"{prefix}-{tier.name}"[:63].strip("-"), f"{prefix}-{tier.name}-short"[:63].strip("-")
        documents += [_policy(long, tier, tier.long, partner=short), _policy(short, tier, tier.short)]
        references += [{"alertPolicyRef": long}, {"alertPolicyRef": short}]
    return documents, references


def _policy(name: str, tier: Tier, window: str, *, partner: str = "") -> Plain:
    condition = {"kind": "burnrate", "op": "gt", "threshold": tier.factor, "lookbackWindow": window}
    metadata: Plain = {"name": name}
    if partner:
        metadata["annotations"] = {names.SLO_ALL_OF: partner}
    return document(
        "AlertPolicy",
        metadata,
        {
            "alertWhenBreaching": True,
            "alertWhenResolved": True,
            "conditions": [
                {
                    "kind": "AlertCondition",
                    "metadata": {"name": name},
                    "spec": {"severity": tier.severity, "condition": condition},
                }
            ],
            "notificationTargets": [
                {"kind": "AlertNotificationTarget", "metadata": {"name": TARGET_NAME}, "spec": {"target": "observer"}}
            ],
        },
    )
