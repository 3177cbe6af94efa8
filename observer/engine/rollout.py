"""Is a rollout under way?"""

from __future__ import annotations

from observer.domain.cluster import Workload


def rolling(workload: Workload, at: float) -> str:
    """Why the workload counts as being rolled out; empty when it is not, or when its progress deadline is over."""
    if workload.paused:
        return "its rollout is paused"
    if at - workload.progressing_since > workload.progress_deadline:
        return ""
    if not workload.observed:
        return "its newest spec is not observed yet"
    if workload.updated < workload.desired:
        return f"{workload.updated} of {workload.desired} replicas are of the newest revision"
    if workload.replicas > workload.updated:
        return f"{workload.replicas - workload.updated} old replicas are still there"
    return ""
