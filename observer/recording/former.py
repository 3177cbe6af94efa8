"""
The words of recordings of format 1, which Observer 0.1.0 wrote, and what they are called today.

Nothing is added here when names change again: a new format number gets a table of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

TYPES: Final[Mapping[str, str]] = {
    "AppliedPolicy": "EffectivePolicy",
    "Attribution": "RankedCause",
    "Backdrop": "Baseline",
    "Blame": "Attribution",
    "EvidenceKept": "EvidenceSaved",
    "Hold": "Blocked",
    "LadderSettings": "EscalationSettings",
    "Looking": "PendingAlert",
    "PolicyBook": "EffectivePolicies",
    "Roster": "ComparisonGroups",
    "Ruling": "RulesInForce",
}
"""Names of types."""

FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "Action": {"rung": "action_kind", "pod": "target"},
    "Approval": {"rung": "action_kind", "pod": "target"},
    "AppliedPolicy": {"ladder": "escalation"},
    "Attribution": {"nats": "score"},
    "Backdrop": {
        "sibling_requests": "peer_requests", "sibling_errors": "peer_errors", "sibling_slow": "peer_slow",
        "mates_since": "peers_since", "calls_since": "callers_since",
    },
    "Decision": {"rung": "action_kind", "holds": "blocked_by"},
    "DetectionSettings": {
        "tilts": "effect_sizes", "acting_tilt": "acting_effect_size", "dispersion_cap": "overdispersion_cap",
    },
    "DetectorState": {"roster": "comparison", "tilts": "effect_sizes"},
    "EngineSettings": {"ladder": "escalation"},
    "EvidenceLine": {"nats": "score"},
    "GuardSettings": {"hold_max": "blocked_max"},
    "Incident": {"nats": "evidence_score", "held": "blocked", "giving_back": "restoring", "blame": "attribution"},
    "LadderSettings": {"rungs": "actions", "acquit_seconds": "cleared_seconds"},
    "FloorChecked": {"ruling": "rules"},
    "LedgerEntry": {"rung": "action_kind", "pod": "target"},
    "Losses": {"lately": "recent"},
    "Memory": {"backdrops": "baselines", "acquitted": "cleared", "told": "published"},
    "Recovered": {"ruling": "rules"},
    "ObjectiveStatus": {"told": "alert"},
    "TierStatus": {"held": "withheld"},
    "Ruling": {"book": "policies"},
    "Settled": {"ruling": "rules"},
    "Ticked": {"ruling": "rules", "kept": "retained"},
}  # fmt: skip
"""Names of fields, by the former name of their type."""

WORDS: Final[Mapping[str, str]] = {
    "acquitted": "cleared",
    "again_nats": "recheck_score",
    "blame": "attribution",
    "blame_at": "attribution_at",
    "blame_evidence": "attribution_evidence",
    "blame_gaps": "attribution_gaps",
    "blame_inherited": "attribution_inherited",
    "blame_probability": "attribution_probability",
    "blame_ranked": "attribution_ranked",
    "blame_unknown": "attribution_unknown",
    "caller_blamed": "caller_likelier",
    "edge_blamed": "edge_likelier",
    "external_blamed": "external_likelier",
    "given_back_by_person": "restored_by_person",
    "held": "blocked",
    "history_nats": "history_score",
    "hold": "blocked",
    "hold_outlived": "blocked_too_long",
    "kill_odds": "removal_odds",
    "nats": "evidence_score",
    "no-change": "no_change",
    "no_siblings": "no_peers",
    "node_blamed": "node_likelier",
    "other_pod_blamed": "other_pod_likelier",
    "revision_blamed": "revision_likelier",
    "same_symptom_on_sibling": "same_symptom_on_peer",
    "sibling_bad_rate": "peer_bad_rate",
    "sibling_gone": "peer_gone",
    "siblings_before": "peers_before",
    "siblings_overloaded": "peers_overloaded",
    "siblings_since": "peers_since",
    "siblings_worse": "peers_worse",
    "slow_siblings_before": "slow_peers_before",
    "slow_siblings_since": "slow_peers_since",
    "sighted": "recovered",
    "workload_blamed": "workload_likelier",
    "zone_blamed": "zone_likelier",
}
"""Verdicts, kinds, reasons, names of guards and of figures."""

ENUMS: Final = frozenset({"GuardName", "Kind", "Reason", "Verdict", "Verification"})
"""Enumerations of which a member was renamed."""

PODS: Final = frozenset({"Action", "Approval", "LedgerEntry"})
"""Types of today whose ``target`` was a pod without saying so."""

WORDED: Final[Mapping[str, frozenset[str]]] = {
    "Action": frozenset({"reason"}),
    "Blocked": frozenset({"guard", "reason"}),
    "Decision": frozenset({"kind", "reason", "figures"}),
    "EvidenceLine": frozenset({"word"}),
    "Incident": frozenset({"blocked", "closing", "restoring", "ceiling_reason"}),
    "LedgerEntry": frozenset({"verdict"}),
    "Memory": frozenset({"published"}),
    "Outcome": frozenset({"reason"}),
}
"""Fields of today's types that hold such words; elsewhere a text that happens to be one stays as it is."""


def types_of_today(recorded: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """A recording's list of types and their fields under the names of today."""
    return {
        TYPES.get(name, name): [FIELDS.get(name, {}).get(field, field) for field in fields]
        for name, fields in recorded.items()
    }


def reworded(value: object) -> object:
    """The value with every former word in it replaced, in tuples, sets and mappings too."""
    if isinstance(value, str):
        return WORDS.get(value, value)
    if isinstance(value, tuple):
        return tuple(map(reworded, value))
    if isinstance(value, frozenset):
        return frozenset(map(reworded, value))
    if isinstance(value, Mapping):
        return {reworded(key): reworded(one) for key, one in value.items()}
    return value
