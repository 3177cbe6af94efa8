"""Every label, annotation, metric and reason spelling, once."""

from __future__ import annotations

from typing import Final

OBSERVER: Final = "observer.dev"

# Kubernetes labels and annotations
NAMESPACE_ENABLED: Final = "observer.dev/enabled"
"""Label on a namespace: "true" lets Observer act there."""
OPT_OUT: Final = "observer.dev/opt-out"
"""Annotation on a pod or its workload: "true" keeps Observer's hands off."""
HOLD_FOR_HUMAN: Final = "observer.dev/hold-for-human"
"""Annotation on a workload: "true" keeps a drained culprit for a person to look at before it is evicted."""
DRAIN_LABEL: Final = "istio.io/draining"
DRAIN_VALUE: Final = "true"
DRAIN_ANNOTATION: Final = "observer.dev/drained"
"""Annotation on a pod that we drained: JSON with incident, expires (RFC 3339), by, term."""
CANONICAL_NAME: Final = "service.istio.io/canonical-name"
CANONICAL_REVISION: Final = "service.istio.io/canonical-revision"
POD_TEMPLATE_HASH: Final = "pod-template-hash"
DO_NOT_DISRUPT: Final = "karpenter.sh/do-not-disrupt"
SAFE_TO_EVICT: Final = "cluster-autoscaler.kubernetes.io/safe-to-evict"
ZONE_LABEL: Final = "topology.kubernetes.io/zone"
CONTROL_CONFIGMAP: Final = "observer-control"
LEASE_NAME: Final = "observer"
FIELD_MANAGER: Final = "observer"
REPORTING_CONTROLLER: Final = "observer.dev/observer"

# Self metrics
TICKS_TOTAL: Final = "observer_ticks_total"
TICK_SECONDS: Final = "observer_tick_duration_seconds"
GAPS_TOTAL: Final = "observer_gaps_total"
SUSPECTS: Final = "observer_suspects"
DECISIONS_TOTAL: Final = "observer_decisions_total"
ACTIONS_TOTAL: Final = "observer_actions_total"
VERIFICATIONS_TOTAL: Final = "observer_verifications_total"
HOLDS: Final = "observer_holds"
DRAINED_PODS: Final = "observer_drained_pods"
LEADER: Final = "observer_leader"
PAUSED: Final = "observer_paused"
SOURCE_CIRCUIT: Final = "observer_source_circuit"
"""Gauge by source: 0 while it is asked, 1 while it is tried again, 2 while it is left alone."""
SINK_DROPPED_TOTAL: Final = "observer_sink_dropped_total"
