"""
Why something was decided, or not done: every reason, with one sentence and the page that tells more.

Adding one: write it here under its page, and say on that page's table what a person does about it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

from observer.domain.kinds import Vocabulary


class Page(StrEnum):
    """The pages below ``docs/reference/`` on which reasons are explained, each with an anchor of the reason's name."""

    CONTROL = "guards/control"
    POLICY = "guards/policy"
    ELIGIBILITY = "guards/eligibility"
    EVIDENCE = "guards/evidence"
    ATTRIBUTION = "guards/attribution"
    HISTORY = "guards/history"
    CHANGES = "guards/changes"
    CAPACITY = "guards/capacity"
    BUDGETS = "guards/budgets"
    APPROVAL = "guards/approval"
    SYMPTOMS = "detectors/symptoms"
    SUPPRESSION = "detectors/suppression"
    CEILINGS = "detectors/ceilings"
    DRAIN = "reasons/drain"
    OUTCOMES = "reasons/outcomes"
    INCIDENTS = "reasons/incidents"
    SUGGESTIONS = "reasons/suggestions"
    ITSELF = "reasons/observer"


class GuardName(Vocabulary):
    """Every guard, with what it protects. All are asked about every action; one that says no is enough to stay put."""

    KILL_SWITCH = "kill_switch", "Nothing is written while somebody paused Observer."
    LEADER = "leader", "Only the replica that holds the Lease acts."
    NAMESPACE_ENABLED = "namespace_enabled", "Observer acts only in namespaces that are labelled for it."
    SOURCES = "sources", "Data that is missing, partial or old is no basis to act on."
    DEFERRED = "deferred", "What the API server asked to wait for is waited for."
    DETECTOR = "detector", "What a switched-off detector finds is told and leads to nothing else."
    POLICY_HOLD = "policy_hold", "A policy may say: do nothing here, for now or for good."
    WINDOW = "window", "Acting is allowed inside the policy's windows only."
    OWNER = "owner", "Only pods that a ReplicaSet replaces at once are touched."
    SINGLETON = "singleton", "The only replica has nobody to take over."
    REFUSED_NAMESPACE = (
        "refused_namespace",
        "The cluster's, the mesh's and Observer's own namespaces are never touched.",
    )
    PRIORITY = "priority", "System priority classes mark what the cluster cannot do without."
    LOCAL_VOLUMES = "local_volumes", "Data on a node's own disk would be left behind."
    DISRUPTION_MARKS = "disruption_marks", "Marks that people set for other tools mean the same to Observer."
    OPT_OUT = "opt_out", "An annotation on a pod or its workload keeps Observer's hands off."
    FOREIGN_DRAIN = "foreign_drain", "A pod that somebody else drains is theirs."
    TERMINATING = "terminating", "A pod that is being deleted is left to it."
    POD = "pod", "A pod that Kubernetes does not know cannot be acted upon."
    GROUP = "group", "A member of a group that is at fault is not the culprit."
    CEILING = "ceiling", "What explains the evidence may allow less than its strength."
    IMPACT = "impact", "A pod that hurts nobody enough is annotated, not replaced."
    SUPPRESSED = "suppressed", "Where a shared cause explains the errors, no pod is removed."
    CLEARED = "cleared", "A pod that a drain showed to be innocent is left alone for a while."
    ATTRIBUTION = "attribution", "The likeliest cause is acted upon, never its victim."
    FROZEN = "frozen", "After several useless actions only a person goes on."
    FLEET_BREAKER = "fleet_breaker", "When too much is bad at once something bigger is going on."
    PERSON = "person", "Where a person is at work Observer is not."
    ROLLOUT = "rollout", "A rollout comes first."
    AUTOSCALER = "autoscaler", "An autoscaler that took replicas away must settle first."
    NODE = "node", "A node that is drained or sick is somebody else's work in progress."
    MESH = "mesh", "Without istiod no drain takes effect and no replacement gets a sidecar."
    OTHER_OWNER = "other_owner", "A controller that shifts traffic has the right of way."
    SERVING_FLOOR = "serving_floor", "Enough replicas go on serving."
    SMALL_WORKLOAD = "small_workload", "With three replicas or fewer every other one must be healthy."
    HEADROOM = "headroom", "The remaining replicas must be able to carry the load."
    IN_FLIGHT = "in_flight", "One culprit at a time, for each workload and service."
    DISRUPTION_BUDGET = (
        "disruption_budget",
        "A PodDisruptionBudget must allow one more, for a drain as for an eviction.",
    )
    NAMESPACE_RATE = "namespace_rate", "Only so many actions in one namespace in so long."
    REPLACEMENT_FIRST = "replacement_first", "No second eviction in a namespace before the first replacement serves."
    CLUSTER_RATE = "cluster_rate", "Only so many actions in the cluster in so long."
    CLUSTER_SHARE = "cluster_share", "Only a small share of all replicas is acted upon at once."
    BACK_OFF = "back_off", "After a useless action the next one waits twice as long."
    APPROVAL = "approval", "What the policy wants a person to approve waits for that approval."


class Reason(Vocabulary):
    """
    Every reason, with one sentence; ``page`` says where more stands about it.

    A word that is not listed is somebody else's: the source and the gap for which nothing is judged
    (``prometheus_timeout``), or what another version wrote.
    """

    page: Page

    def __new__(cls, word: str, page: Page = Page.ITSELF, meaning: str = "") -> Self:
        member = str.__new__(cls, word)
        member._value_, member.page, member.meaning = word, page, meaning
        return member

    NONE = "", Page.ITSELF, "There is none."
    # guards: may anything be written at all?
    PAUSED = "paused", Page.CONTROL, "Somebody paused Observer, or the kill switch cannot be read."
    NOT_LEADER = "not_leader", Page.CONTROL, "Another replica holds the Lease, or it cannot be renewed."
    NAMESPACE_NOT_ENABLED = "namespace_not_enabled", Page.CONTROL, "The namespace is not labelled for Observer."
    METRICS_INCOMPLETE = "metrics_incomplete", Page.CONTROL, "This tick lacks fresh counters of too many pods."
    KUBERNETES_NOT_SYNCED = "kubernetes_not_synced", Page.CONTROL, "Some kind of object was never listed."
    KUBERNETES_STALE = "kubernetes_stale", Page.CONTROL, "What Kubernetes said is too old to act on."
    DEFERRED = "deferred", Page.CONTROL, "The API server asked to come back later."
    # guards: the policy
    DETECTOR_OFF = "detector_off", Page.POLICY, "The policy switched this detector off."
    POLICY_HOLD = "policy_hold", Page.POLICY, "A policy says that nothing is to be done here."
    OUTSIDE_WINDOW = "outside_window", Page.POLICY, "It is outside the windows in which the workload may be touched."
    # guards: what is never touched unless somebody opted in
    OWNER_NOT_REPLACEABLE = "owner_not_replaceable", Page.ELIGIBILITY, "Nothing would make a new pod elsewhere at once."
    WORKLOAD_UNKNOWN = "workload_unknown", Page.ELIGIBILITY, "The workload above its ReplicaSet is not known."
    SINGLETON = "singleton", Page.ELIGIBILITY, "The workload has a single replica."
    REFUSED_NAMESPACE = "refused_namespace", Page.ELIGIBILITY, "The namespace is never touched."
    SYSTEM_PRIORITY = "system_priority", Page.ELIGIBILITY, "The pod has a system priority class."
    LOCAL_VOLUMES = "local_volumes", Page.ELIGIBILITY, "The pod keeps data on its node's own disk."
    DO_NOT_DISRUPT = "do_not_disrupt", Page.ELIGIBILITY, "The pod is marked for Karpenter as not to be disrupted."
    NOT_SAFE_TO_EVICT = (
        "not_safe_to_evict",
        Page.ELIGIBILITY,
        "The pod is marked for the autoscaler as not safe to evict.",
    )
    OPT_OUT = "opt_out", Page.ELIGIBILITY, "The pod or its workload opted out of Observer."
    DRAINED_BY_OTHER = "drained_by_other", Page.ELIGIBILITY, "Somebody else drains the pod."
    TERMINATING = "terminating", Page.ELIGIBILITY, "The pod is being deleted already."
    POD_UNKNOWN = "pod_unknown", Page.ELIGIBILITY, "Kubernetes does not know the pod."
    # guards: the evidence
    CEILING = "ceiling", Page.EVIDENCE, "The evidence allows less than this action needs."
    NO_IMPACT = "no_impact", Page.EVIDENCE, "The pod does not hurt users enough to be acted upon."
    CLEARED = "cleared", Page.EVIDENCE, "A drain showed that the errors stay without this pod."
    REVISION_NAMED = "revision_named", Page.EVIDENCE, "A whole revision explains the evidence better than one pod."
    NODE_NAMED = "node_named", Page.EVIDENCE, "A node explains the evidence better than one pod."
    ZONE_NAMED = "zone_named", Page.EVIDENCE, "A zone explains the evidence better than one pod."
    WORKLOAD_NAMED = "workload_named", Page.EVIDENCE, "The whole workload explains the evidence better than one pod."
    # guards: the attribution
    ATTRIBUTION_UNKNOWN = "attribution_unknown", Page.ATTRIBUTION, "The causes have not been weighed yet."
    NOT_NAMED = "not_named", Page.ATTRIBUTION, "No evidence names this pod."
    VICTIM = "victim", Page.ATTRIBUTION, "Most of its trouble comes from another service."
    OTHER_POD_LIKELIER = "other_pod_likelier", Page.ATTRIBUTION, "Another pod is the likelier cause."
    REVISION_LIKELIER = "revision_likelier", Page.ATTRIBUTION, "A revision is the likelier cause."
    NODE_LIKELIER = "node_likelier", Page.ATTRIBUTION, "A node is the likelier cause."
    ZONE_LIKELIER = "zone_likelier", Page.ATTRIBUTION, "A zone is the likelier cause."
    WORKLOAD_LIKELIER = "workload_likelier", Page.ATTRIBUTION, "The workload as a whole is the likelier cause."
    EDGE_LIKELIER = "edge_likelier", Page.ATTRIBUTION, "The way between two services is the likelier cause."
    CALLER_LIKELIER = "caller_likelier", Page.ATTRIBUTION, "One caller's requests are the likelier cause."
    EXTERNAL_LIKELIER = "external_likelier", Page.ATTRIBUTION, "Something outside the mesh is the likelier cause."
    REMOVAL_ODDS = (
        "removal_odds",
        Page.ATTRIBUTION,
        "The pod is the likeliest cause, but not by the odds that a removal needs.",
    )
    # guards: what came of earlier actions
    FROZEN = "frozen", Page.HISTORY, "Several actions here helped nothing, or one made it worse."
    BREAKER_USELESS = "breaker_useless", Page.HISTORY, "Too many of the last actions gained nothing."
    BREAKER_BAD_SHARE = (
        "breaker_bad_share",
        Page.HISTORY,
        "Too many pods of the namespace or the cluster are bad at once.",
    )
    BACK_OFF = "back_off", Page.HISTORY, "Earlier attempts at the same culprit gained nothing."
    # guards: others are at work
    PERSON_TOUCHED = (
        "person_touched",
        Page.CHANGES,
        "A person edited the workload or took the pod from Observer lately.",
    )
    ROLLOUT = "rollout", Page.CHANGES, "A workload behind the service is being rolled out."
    ROLLOUT_PAUSED = "rollout_paused", Page.CHANGES, "A rollout of a workload behind the service is paused."
    AUTOSCALER_SCALED_DOWN = "autoscaler_scaled_down", Page.CHANGES, "An autoscaler takes replicas away."
    NODE_UNKNOWN = "node_unknown", Page.CHANGES, "The pod's node is not known."
    NODE_DRAINING = "node_draining", Page.CHANGES, "A node beneath the workload is being drained."
    NODE_NOT_READY = "node_not_ready", Page.CHANGES, "The pod's node is not Ready."
    MESH_UNKNOWN = "mesh_unknown", Page.CHANGES, "The state of istiod is not known."
    MESH_UNHEALTHY = "mesh_unhealthy", Page.CHANGES, "istiod or its injector is not healthy."
    OTHER_OWNER = "other_owner", Page.CHANGES, "Flagger may be shifting traffic of a workload behind the service."
    # guards: capacity
    SERVING_FLOOR = "serving_floor", Page.CAPACITY, "Too few replicas would go on serving."
    SMALL_WORKLOAD = "small_workload", Page.CAPACITY, "The workload is small and not all other replicas are healthy."
    HEADROOM = "headroom", Page.CAPACITY, "The other replicas would carry more than they ever did healthily."
    HEADROOM_UNKNOWN = "headroom_unknown", Page.CAPACITY, "What one replica can carry is not known."
    IN_FLIGHT = "in_flight", Page.CAPACITY, "Another pod of the workload or service is being acted upon."
    # guards: budgets
    DISRUPTION_BUDGET = "disruption_budget", Page.BUDGETS, "A PodDisruptionBudget allows no disruption now."
    SEVERAL_BUDGETS = (
        "several_budgets",
        Page.BUDGETS,
        "Several PodDisruptionBudgets select the pod, which the API refuses.",
    )
    BUDGET_STALE = "budget_stale", Page.BUDGETS, "The status of the PodDisruptionBudget lags behind its spec."
    NAMESPACE_RATE = "namespace_rate", Page.BUDGETS, "The namespace has had its actions for now."
    REPLACEMENT_FIRST = "replacement_first", Page.BUDGETS, "The replacement of an evicted pod does not serve yet."
    CLUSTER_RATE = "cluster_rate", Page.BUDGETS, "The cluster has had its actions for now."
    CLUSTER_SHARE = "cluster_share", Page.BUDGETS, "Enough of all replicas are being acted upon."
    # guards: approval
    APPROVAL_NEEDED = "approval_needed", Page.APPROVAL, "The policy wants a person to approve this action."
    EVIDENCE_WEAKENED = (
        "evidence_weakened",
        Page.APPROVAL,
        "The action was approved, but the evidence no longer suffices.",
    )
    # what is suspected
    ERRORS = "errors", Page.SYMPTOMS, "It fails more of its requests than its peers."
    LATENCY = "latency", Page.SYMPTOMS, "It answers slower than its peers."
    UNREACHED = "unreached", Page.SYMPTOMS, "Its callers' requests do not arrive, and its sidecar is silent."
    SAME_SYMPTOM_ON_PEER = "same_symptom_on_peer", Page.SYMPTOMS, "A peer shows the same symptom after the eviction."
    # why nobody may be removed
    CORRELATED_FAILURE = (
        "correlated_failure",
        Page.SUPPRESSION,
        "Too many replicas are bad at once for one to be the culprit.",
    )
    WORKLOAD_FAILING = "workload_failing", Page.SUPPRESSION, "All replicas fail at the same unusual rate."
    INHERITED = "inherited", Page.SUPPRESSION, "The errors come from a service below."
    # why less is allowed than the evidence would
    NO_RECHECK = "no_recheck", Page.CEILINGS, "The second look at the last minutes is missing."
    NO_HISTORY = "no_history", Page.CEILINGS, "The service's own history is missing, and two replicas need it."
    NO_PEERS = "no_peers", Page.CEILINGS, "There is no peer to compare with."
    TIE_GROUP = "tie_group", Page.CEILINGS, "A group around the pod explains the evidence as well."
    TIE_NODE = "tie_node", Page.CEILINGS, "The pod and its node cannot be told apart."
    TIE_REVISION = "tie_revision", Page.CEILINGS, "The pod and its young revision cannot be told apart."
    # drain, readmission, restore
    SUSPICION = "suspicion", Page.DRAIN, "The evidence suffices to take the pod out of traffic."
    ERRORS_RETURNED = "errors_returned", Page.DRAIN, "The errors came back with the pod's traffic."
    CANNOT_DRAIN = "cannot_drain", Page.DRAIN, "The pod cannot be drained, so the evidence alone decides."
    TRAFFIC_LEFT = "traffic_left", Page.DRAIN, "The pod's traffic has left."
    DROPPED = "dropped", Page.DRAIN, "The callers' errors dropped with the pod's traffic: it is the culprit."
    NOT_DROPPED = "not_dropped", Page.DRAIN, "The callers' errors stayed without the pod: it is not the culprit."
    NOT_EFFECTIVE = "not_effective", Page.DRAIN, "The pod's traffic did not leave, so the drain shows nothing."
    CANNOT_TELL = "cannot_tell", Page.DRAIN, "The figures do not tell."
    EXPIRED = "expired", Page.DRAIN, "The drain has lasted as long as it may."
    READMIT = "readmit", Page.DRAIN, "The pod gets its traffic back for a while to see whether the errors return."
    PEER_GONE = "peer_gone", Page.DRAIN, "A peer stopped serving, so the pod is needed."
    SCALED_DOWN = "scaled_down", Page.DRAIN, "The workload was scaled down."
    PEERS_WORSE = "peers_worse", Page.DRAIN, "The peers got worse since the pod was drained."
    PEERS_OVERLOADED = "peers_overloaded", Page.DRAIN, "The peers carry more than they ever did healthily."
    ORPHAN = "orphan", Page.DRAIN, "The pod carries Observer's drain and no open incident asks for it."
    MODE = "mode", Page.DRAIN, "The mode no longer allows a drain."
    DRAIN_FOUND = "drain_found", Page.DRAIN, "A drain that was written just before a stop goes on."
    EVICT_NOT_ALLOWED = "evict_not_allowed", Page.DRAIN, "The policy does not allow an eviction."
    HELD_FOR_HUMAN = "held_for_human", Page.DRAIN, "The drained pod is kept for a person to look at."
    LOOK_UP = "look_up", Page.DRAIN, "What came of an earlier write is not known and is looked up."
    # how an incident ended, and what a verification showed
    FIXED = "fixed", Page.INCIDENTS, "The replacement does what the pod did not."
    NO_CHANGE = "no_change", Page.INCIDENTS, "The replacement is as bad as the pod was."
    WORSE = "worse", Page.INCIDENTS, "Things got worse after the action."
    UNKNOWN = "unknown", Page.INCIDENTS, "There were too few requests to tell whether it helped."
    REPLACEMENT_READY = "replacement_ready", Page.INCIDENTS, "The replacement is Ready."
    ENDED_BY_ITSELF = "ended_by_itself", Page.INCIDENTS, "The evidence faded without an action."
    POD_GONE = "pod_gone", Page.INCIDENTS, "The pod is gone without Observer's doing."
    PERSON_TOOK_IT = "person_took_it", Page.INCIDENTS, "A person took the drain label off."
    RESTORED_BY_PERSON = "restored_by_person", Page.INCIDENTS, "A person restored the pod before its drain expired."
    SUPERSEDED = "superseded", Page.INCIDENTS, "The pod changed, so the action no longer applies."
    BLOCKED_TOO_LONG = (
        "blocked_too_long",
        Page.INCIDENTS,
        "Guards have blocked the action for too long while users are affected.",
    )
    # what the API server, or Observer on its way there, answered
    APPLIED = "applied", Page.OUTCOMES, "The API server accepted it."
    ALREADY = "already", Page.OUTCOMES, "It was so already."
    GONE = "gone", Page.OUTCOMES, "The pod does not exist any more."
    UID_CHANGED = "uid_changed", Page.OUTCOMES, "Another pod has the name now."
    FORBIDDEN = "forbidden", Page.OUTCOMES, "Observer lacks the permission, or an admission rule refused it."
    UNAUTHORIZED = "unauthorized", Page.OUTCOMES, "The API server does not accept Observer's credentials."
    REJECTED = "rejected", Page.OUTCOMES, "The API server, or the check of edited files, refused it as wrong."
    UNREADABLE = "unreadable", Page.OUTCOMES, "The pod could not be read before the write."
    POD_UNREADABLE = "pod_unreadable", Page.OUTCOMES, "The pod could not be read before the write."
    PDB = "pdb", Page.OUTCOMES, "A PodDisruptionBudget says: not now."
    API_PRIORITY = "api_priority", Page.OUTCOMES, "The API server is too busy."
    LOST_RACE = "lost_race", Page.OUTCOMES, "Somebody changed the pod between the look and the write."
    NOT_APPLIED = "not_applied", Page.OUTCOMES, "The API server did not do it."
    NOT_KNOWN = "not_known", Page.OUTCOMES, "Whether it happened is not known."
    NOT_DRAINED = "not_drained", Page.OUTCOMES, "Nobody drains the pod."
    NOT_EXPIRED = "not_expired", Page.OUTCOMES, "The drain may last longer."
    NOT_OURS = "not_ours", Page.OUTCOMES, "The drain label is not Observer's."
    OTHER_INCIDENT = "other_incident", Page.OUTCOMES, "The pod is drained for another incident."
    LOOK_UP_FAILED = "look_up_failed", Page.OUTCOMES, "What came of the write could not be looked up."
    STALE_DECISION = "stale_decision", Page.OUTCOMES, "The decision was too old when it was to be written."
    NOT_APPROVED = "not_approved", Page.OUTCOMES, "The approval is gone or has run out."
    EVIDENCE_NOT_SAVED = "evidence_not_kept", Page.OUTCOMES, "The evidence could not be kept before the eviction."
    JOURNAL_UNAVAILABLE = "journal_unavailable", Page.OUTCOMES, "The intent could not be written down."
    NO_ANSWER = "no_answer", Page.OUTCOMES, "The API server did not answer."
    NOT_CARRIED_OUT = "not_carried_out", Page.OUTCOMES, "Only a what-if decided it."
    # what a person could do
    EXTERNAL_DEPENDENCY = "external_dependency", Page.SUGGESTIONS, "The cause is outside the mesh."
    CHECK_WAY = "check_way", Page.SUGGESTIONS, "Calls get lost between two services."
    CHECK_CALLER = "check_caller", Page.SUGGESTIONS, "One caller asks for what fails."
    DEPENDENCY = "dependency", Page.SUGGESTIONS, "The cause is a service below."
    ROLL_BACK = "roll_back", Page.SUGGESTIONS, "A revision is at fault: roll it back."
    CORDON_NODE = "cordon_node", Page.SUGGESTIONS, "A node is at fault: cordon and drain it."
    LEAVE_ZONE = "leave_zone", Page.SUGGESTIONS, "A zone is at fault: move traffic out of it."
    WHOLE_WORKLOAD = "whole_workload", Page.SUGGESTIONS, "All replicas fail alike: another pod would not help."
    # alerts that asked Observer to look
    UNKNOWN_TARGET = "unknown_target", Page.INCIDENTS, "The alert names no service, workload or pod of the mesh."
    NOT_ALLOWED = "not_allowed", Page.INCIDENTS, "The policy does not list the alert."
    RESOLVED = "resolved", Page.INCIDENTS, "The alert is over, so nothing is looked for any more."
    LOOKING = "looking", Page.INCIDENTS, "The service of the alert is being looked at."
    FOUND = "found", Page.INCIDENTS, "Something behind the service of the alert stands out."
    NOTHING_FOUND = "nobody", Page.INCIDENTS, "Nothing behind the service of the alert stands out."
    # Observer itself
    PERSON = "person", Page.ITSELF, "A person asked for it."
    RELOADED = "reloaded", Page.ITSELF, "Edited settings or policies are in force."
    UNCHANGED = "unchanged", Page.ITSELF, "Files were edited and decide as before."
    RESUMED = "resumed", Page.ITSELF, "An action that was open at a stop was looked up."
    RECOVERED = "recovered", Page.ITSELF, "The data is complete again."

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        member = super()._missing_(value)
        if member is not None:
            member.page = Page.ITSELF
        return member


TIES: Final = frozenset({Reason.TIE_GROUP, Reason.TIE_NODE, Reason.TIE_REVISION})
"""Ceilings of a pod that cannot be told from something around it."""


def page_of(reason: str) -> str:
    """Where a reason is explained, relative to ``docs/reference``: ``guards/control.md#paused``; empty if nowhere."""
    known = Reason(reason)
    return f"{known.page.value}.md#{known.value}" if known and known.listed else ""
