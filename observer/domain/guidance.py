"""
What stands behind each reason that no guard gives, for the reference pages: figures, the setting that moves it, advice.

Guards say the same about their own reasons where they are written (``engine.guards``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from observer.domain.reasons import Reason


class Guidance(NamedTuple):
    """
    ``looks_at`` are the figures it is decided by, ``setting`` what moves it (empty = nothing does), ``advice`` what a
    person does.
    """

    looks_at: str
    setting: str
    advice: str


_PEERS: Final = "errors and requests of the pod against those of its peers in the same bins, as an evidence score"
_TIERS: Final = "`detection` in the settings: how many false actions a month are allowed"
_GROUP: Final = "the evidence score of the group against that of its best member"
_MARGIN: Final = "`detection.group_margin` in the settings"
_AGAIN: Final = "Nothing: it is tried again by itself."
_ALERTS: Final = "`alerts` of the policy"
_WORK: Final = "See whether it comes back; `observer incidents` keeps the record."

GUIDANCE: Final[Mapping[Reason, Guidance]] = {
    # guards that are asked before there is a pod to ask the others about
    Reason.POD_UNKNOWN: Guidance("the pods that Kubernetes lists", "", "Wait for the next look at Kubernetes."),
    Reason.REVISION_NAMED: Guidance(_GROUP, _MARGIN, "Look at the revision: roll it back if it is at fault."),
    Reason.NODE_NAMED: Guidance(_GROUP, _MARGIN, "Look at the node: cordon and drain it if it is at fault."),
    Reason.ZONE_NAMED: Guidance(_GROUP, _MARGIN, "Look at the zone: move traffic out of it if it is at fault."),
    Reason.WORKLOAD_NAMED: Guidance(_GROUP, _MARGIN, "Look at the workload, not at its pods."),
    # symptoms
    Reason.ERRORS: Guidance(_PEERS, _TIERS, "Look at the pod's log; Observer goes on by the policy."),
    Reason.LATENCY: Guidance(
        "the share of requests above each cut point, of the pod against its peers",
        "`detection`, and `prometheus.cuts_ms` in the settings",
        "Look for a slow disk, a full CPU or a cold cache on the pod; Observer goes on by the policy.",
    ),
    Reason.UNREACHED: Guidance(
        "callers' lost requests (UF, UC, timeouts) while exactly one pod's sidecar is silent",
        "",
        "Look at the pod and its node by hand: what it does cannot be measured, so nothing is done to it.",
    ),
    Reason.SAME_SYMPTOM_ON_PEER: Guidance(
        "a peer with the same symptom within `guards.same_symptom_seconds` of an eviction",
        "`guards.same_symptom_seconds`",
        "Look at the traffic, not at the pods: the eviction counts as useless.",
    ),
    # suppression
    Reason.CORRELATED_FAILURE: Guidance(
        "the share of bad replicas of the service (more than `detection.bad_share`)",
        "`detection.bad_share` in the settings",
        "Look for what the replicas share: a release, a dependency, a node pool, the network.",
    ),
    Reason.WORKLOAD_FAILING: Guidance(
        "the error rate of the whole service against its own history, where its replicas do not differ",
        _TIERS,
        "Look at the last release and at what the service calls; no single pod explains it.",
    ),
    Reason.INHERITED: Guidance(
        "errors of the services below against those of this one, along the calls between them",
        "",
        "Look at the service that is named; this one recovers with it.",
    ),
    # ceilings
    Reason.NO_RECHECK: Guidance(
        "the last minutes asked again from Prometheus, by caller",
        "`prometheus.timeout` in the settings",
        "Nothing, if it passes in a tick; else see the gap `recheck` in `observer status`.",
    ),
    Reason.NO_HISTORY: Guidance(
        "the service's error rate of the last days; with two replicas both tests are needed",
        "",
        "Wait until Prometheus has a history of the service, or run a third replica.",
    ),
    Reason.NO_PEERS: Guidance(
        "the number of judged replicas of the service", "", "Run at least two replicas; a single one is only told."
    ),
    Reason.TIE_GROUP: Guidance(
        "the evidence against the group around the pod, within `detection.group_margin` of the pod's own",
        "`detection.group_margin` in the settings",
        "Look at the group that is named beside the pod; the pod may be drained, not evicted.",
    ),
    Reason.TIE_NODE: Guidance(
        "bad pods of other services on the pod's node, where no peer of the pod runs on it",
        "",
        "Look at the node that is named; the pod may be drained, not evicted.",
    ),
    Reason.TIE_REVISION: Guidance(
        "the age of the pod's revision, where no peer runs the same one",
        "`detection.young_revision` in the settings",
        "Look at the release; the pod may be drained, not evicted.",
    ),
    # drain, readmission, restore
    Reason.SUSPICION: Guidance(_PEERS, _TIERS, "Nothing: the drain is an experiment and is taken back by itself."),
    Reason.ERRORS_RETURNED: Guidance(
        "evidence since the pod was readmitted", "`escalation.readmit_seconds` of the policy", "Nothing."
    ),
    Reason.CANNOT_DRAIN: Guidance(
        "whether the pod has a sidecar and is no gateway, and whether the policy allows a drain",
        "`escalation.actions` of the policy",
        "Give the pod a sidecar if a drain is to come first.",
    ),
    Reason.TRAFFIC_LEFT: Guidance(
        "the pod's requests against its usual share", "`escalation.effective_share` of the policy", "Nothing."
    ),
    Reason.DROPPED: Guidance(
        "the callers' bad requests with and without the pod, as odds",
        "`escalation.experiment_odds` of the policy",
        "Nothing: an eviction follows where the policy allows it.",
    ),
    Reason.NOT_DROPPED: Guidance(
        "the callers' bad requests with and without the pod, as odds",
        "`escalation.experiment_odds` of the policy",
        "Look elsewhere: the pod is restored and cleared for a while.",
    ),
    Reason.NOT_EFFECTIVE: Guidance(
        "the pod's requests after the drain, within `escalation.effective_within`",
        "`escalation.effective_within` of the policy",
        "See whether the callers have sidecars and do not hold long-lived connections.",
    ),
    Reason.CANNOT_TELL: Guidance(
        "how many of the callers' requests were seen during the drain",
        "`escalation.experiment_seconds`, `escalation.experiment_requests` of the policy",
        "Look at the evidence yourself (`observer why`).",
    ),
    Reason.EXPIRED: Guidance(
        "how long the drain has lasted", "`escalation.drain_seconds` of the policy", "Look at the pod if it goes on."
    ),
    Reason.READMIT: Guidance(
        "whether the evidence reaches the eviction tier", "`escalation.readmit_seconds` of the policy", "Nothing."
    ),
    Reason.PEER_GONE: Guidance("peers that serve, against when the drain began", "", "Bring the other replica back."),
    Reason.SCALED_DOWN: Guidance("replicas that the workload asks for", "", "Nothing: the pod is needed again."),
    Reason.PEERS_WORSE: Guidance(
        "the peers' bad rate against what is usual", "", "Scale the workload up: its replicas cannot carry the load."
    ),
    Reason.PEERS_OVERLOADED: Guidance(
        "requests a second of the busiest peer against the most it served healthily", "", "Scale the workload up."
    ),
    Reason.ORPHAN: Guidance("pods with Observer's annotation and no open incident", "", "Nothing: it is restored."),
    Reason.MODE: Guidance("the mode of the policy", "`mode` of the policy", "Nothing: the pod is restored."),
    Reason.DRAIN_FOUND: Guidance("Observer's annotation on the pod after a start", "", "Nothing."),
    Reason.EVICT_NOT_ALLOWED: Guidance(
        "the policy's actions", "`escalation.actions` of the policy", "Add `evict`, or replace the pod by hand."
    ),
    Reason.HELD_FOR_HUMAN: Guidance(
        "the policy and the annotation `observer.dev/hold-for-human`",
        "`escalation.hold_for_human` of the policy",
        "Look at the pod now: it is restored when the drain expires.",
    ),
    Reason.LOOK_UP: Guidance("an intent in the journal without an outcome", "", _AGAIN),
    # how incidents end
    Reason.FIXED: Guidance(
        "bad requests of the replacement against the pod's, as odds",
        "`escalation.verify_odds` of the policy",
        "Nothing.",
    ),
    Reason.NO_CHANGE: Guidance(
        "bad requests of the replacement against the pod's, as odds",
        "`escalation.verify_odds` of the policy",
        "Look at what the replicas share: replacing them does not help.",
    ),
    Reason.WORSE: Guidance(
        "bad requests of the replacement, the peers and the callers; how long the replacement takes to be Ready",
        "`escalation.start_factor` of the policy",
        "Look at the workload now: it is frozen until a person has.",
    ),
    Reason.UNKNOWN: Guidance(
        "requests of the replacement", "`escalation.verify_requests`, `escalation.verify_seconds` of the policy", _WORK
    ),
    Reason.REPLACEMENT_READY: Guidance("the new pod's Ready condition", "", "Nothing: it is verified next."),
    Reason.ENDED_BY_ITSELF: Guidance("evidence that did not grow", "`detection.fade_seconds` in the settings", _WORK),
    Reason.POD_GONE: Guidance("the pods that Kubernetes lists", "", "Nothing."),
    Reason.PERSON_TOOK_IT: Guidance("the drain label, gone while the annotation stays", "", "The pod is yours."),
    Reason.RESTORED_BY_PERSON: Guidance("label and annotation, gone before the expiry", "", "The pod is yours."),
    Reason.SUPERSEDED: Guidance("uid and state of the pod before the write", "", "Nothing."),
    Reason.BLOCKED_TOO_LONG: Guidance(
        "how long guards have blocked the action",
        "`guards.hold_max` of the policy",
        "Clear what blocks it (the guards are named), or act by hand.",
    ),
    # outcomes
    Reason.APPLIED: Guidance("the API server's answer", "", "Nothing."),
    Reason.ALREADY: Guidance("label and annotation of the pod", "", "Nothing."),
    Reason.GONE: Guidance("the pod, read before the write", "", "Nothing."),
    Reason.UID_CHANGED: Guidance("the pod's uid, read before the write", "", "Nothing."),
    Reason.FORBIDDEN: Guidance(
        "the API server's answer (403)", "the ClusterRoles `observer-...`", "Grant the permission, or drop the action."
    ),
    Reason.UNAUTHORIZED: Guidance("the API server's answer (401)", "", "Renew Observer's service account token."),
    Reason.REJECTED: Guidance("the answer to a write, or the check of edited files", "", "Read the detail and fix it."),
    Reason.UNREADABLE: Guidance("the API server's answer to the read", "", _AGAIN),
    Reason.POD_UNREADABLE: Guidance("the API server's answer to the read", "", _AGAIN),
    Reason.PDB: Guidance("the Eviction API's answer (429)", "the PodDisruptionBudget", "Bring other replicas back."),
    Reason.API_PRIORITY: Guidance("the API server's answer (429)", "", "See what loads the API server."),
    Reason.LOST_RACE: Guidance("resourceVersion and uid at the write", "", _AGAIN),
    Reason.NOT_APPLIED: Guidance("the pod, looked up after an unanswered write", "", _AGAIN),
    Reason.NOT_KNOWN: Guidance("a write without an answer", "", "Nothing: it is looked up."),
    Reason.NOT_DRAINED: Guidance("label and annotation of the pod", "", "Nothing."),
    Reason.NOT_EXPIRED: Guidance("the expiry in the annotation", "", "Wait, or name the pod."),
    Reason.NOT_OURS: Guidance("the drain label without Observer's annotation", "", "Ask who drains the pod."),
    Reason.OTHER_INCIDENT: Guidance("the incident in the annotation", "", "Nothing."),
    Reason.LOOK_UP_FAILED: Guidance("the API server's answer to the read", "", _AGAIN),
    Reason.STALE_DECISION: Guidance("the age of the decision at the write", "", _AGAIN),
    Reason.NOT_APPROVED: Guidance("the approvals, read again before the write", "", "Approve it again if it is due."),
    Reason.EVIDENCE_NOT_SAVED: Guidance(
        "the folder for evidence, and the pod's log", "`evidence.path` in the settings", "Make the folder writable."
    ),
    Reason.JOURNAL_UNAVAILABLE: Guidance(
        "the journal's answer", "`journal` in the settings", "Bring the database back: nothing is done without it."
    ),
    Reason.NO_ANSWER: Guidance("a write without an answer", "", "Nothing: it is looked up before anything else."),
    Reason.NOT_CARRIED_OUT: Guidance("a replay", "", "Nothing."),
    # suggestions
    Reason.EXTERNAL_DEPENDENCY: Guidance("calls to what no sidecar sees from inside", "", "Look there."),
    Reason.CHECK_WAY: Guidance(
        "calls that callers sent and nobody received", "", "Look at the network between the two."
    ),
    Reason.CHECK_CALLER: Guidance("failures by caller", "", "Look at what this caller asks for."),
    Reason.DEPENDENCY: Guidance("the trouble of services below", "", "Look at the service below."),
    Reason.ROLL_BACK: Guidance("evidence against the revision", "", "Roll the revision back."),
    Reason.CORDON_NODE: Guidance("evidence against the node, over all services", "", "Cordon and drain the node."),
    Reason.LEAVE_ZONE: Guidance("evidence against the zone, over all services", "", "Move traffic out of the zone."),
    Reason.WHOLE_WORKLOAD: Guidance("the error rate of all replicas", "", "Look at the workload, not at its pods."),
    # alerts
    Reason.UNKNOWN_TARGET: Guidance("the alert's labels", "", "Give the alert the labels `namespace` and `service`."),
    Reason.NOT_ALLOWED: Guidance("the alert's name", _ALERTS, "List the alert in the policy if it is to start work."),
    Reason.RESOLVED: Guidance("whether the alert still fires", _ALERTS, "Nothing."),
    Reason.LOOKING: Guidance("the pods and callers of the service", _ALERTS, "Nothing."),
    Reason.FOUND: Guidance("the suspicions behind the service", _ALERTS, "See the incident that is named."),
    Reason.NOTHING_FOUND: Guidance("the suspicions behind the service", _ALERTS, "Look yourself: no pod stands out."),
    # Observer itself
    Reason.PERSON: Guidance("who asked, and how that was proven", "", "Nothing."),
    Reason.RELOADED: Guidance("the files, read again", "", "Nothing."),
    Reason.UNCHANGED: Guidance("the files, read again", "", "Nothing."),
    Reason.RESUMED: Guidance("open intents of the journal after a start", "", "Nothing."),
    Reason.RECOVERED: Guidance("the gaps of the tick", "", "Nothing."),
}
