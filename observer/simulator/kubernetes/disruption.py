"""PodDisruptionBudgets: what they count, and whether an eviction may pass."""

from __future__ import annotations

import math
from typing import Final

from observer.simulator.kubernetes import pods as kube_pods
from observer.simulator.kubernetes.kinds import Obj, parse_time, rfc3339
from observer.simulator.kubernetes.pods import controller_of, is_ready
from observer.simulator.kubernetes.selectors import matches_selector
from observer.simulator.kubernetes.status import Refused
from observer.simulator.kubernetes.store import Store

PLURAL: Final = "poddisruptionbudgets"
DISRUPTED_SECONDS: Final = 120.0
"""How long an allowed eviction counts as a disruption although its pod still stands."""


class BudgetController:
    """Keeps the status of every budget, namespace by namespace, when its pods or workloads changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._dirty: set[str] = {item["metadata"]["namespace"] for item in store.list(PLURAL)}
        store.subscribe(self._seen)

    def tick(self, now: float) -> None:
        """Bring the status of budgets in changed namespaces up to date."""
        dirty, self._dirty = self._dirty, set()
        for namespace in sorted(dirty):
            budgets = self._store.list(PLURAL, namespace)
            if budgets:
                pods = self._store.list("pods", namespace)
                for budget in budgets:
                    self._count(budget, pods, now)

    def _seen(self, plural: str, _kind: str, obj: Obj) -> None:
        if plural in (PLURAL, "pods", "deployments", "replicasets"):
            self._dirty.add(obj["metadata"]["namespace"])

    def _count(self, budget: Obj, pods: list[Obj], now: float) -> None:
        spec, old = budget["spec"], budget.get("status", {})
        mine = [pod for pod in pods if matches_selector(spec.get("selector"), pod["metadata"].get("labels", {}))]
        expected, desired = self._wanted(spec, mine)
        disrupted = _still_disrupted(old.get("disruptedPods", {}), mine, now)
        healthy = sum(
            1
            for pod in mine
            if is_ready(pod) and "deletionTimestamp" not in pod["metadata"] and pod["metadata"]["name"] not in disrupted
        )
        allowed = max(healthy - desired, 0) if expected > 0 else 0
        meta = budget["metadata"]

        def write(new: Obj) -> None:
            status = {
                "conditions": [_condition(old, allowed, meta["generation"], now)],
                "currentHealthy": healthy,
                "desiredHealthy": desired,
                "disruptionsAllowed": allowed,
                "expectedPods": expected,
                "observedGeneration": meta["generation"],
            }
            if disrupted:
                status["disruptedPods"] = disrupted
            new["status"] = status

        self._store.modify(PLURAL, meta["namespace"], meta["name"], write, subresource="status")
        if disrupted:
            self._dirty.add(meta["namespace"])

    def _wanted(self, spec: Obj, pods: list[Obj]) -> tuple[int, int]:
        """``(expectedPods, desiredHealthy)``."""
        least = spec.get("minAvailable")
        if isinstance(least, int):
            return len(pods), least
        expected = self._scale_of(pods)
        if least is not None:
            return expected, _share(least, expected)
        most = spec.get("maxUnavailable", 0)
        return expected, max(expected - (most if isinstance(most, int) else _share(most, expected)), 0)

    def _scale_of(self, pods: list[Obj]) -> int:
        """Replicas that the controllers of these pods want, each controller once; bare pods do not count."""
        wanted: dict[str, int] = {}
        for pod in pods:
            ref = controller_of(pod)
            if ref is None:
                continue
            top = self._store.get("replicasets", pod["metadata"]["namespace"], ref["name"])
            above = controller_of(top) if top is not None else None
            if above is not None:
                top = self._store.get("deployments", pod["metadata"]["namespace"], above["name"]) or top
            if top is not None:
                wanted[top["metadata"]["uid"]] = int(top["spec"].get("replicas", 1))
        return sum(wanted.values())


def check(store: Store, pod: Obj, *, spend: bool) -> None:
    """
    Refuses an eviction of ``pod`` that a budget forbids: 429, or 500 when several budgets select it.

    ``spend`` takes one disruption from the budget when the eviction passes.
    """
    meta = pod["metadata"]
    if "deletionTimestamp" in meta or pod["status"].get("phase") in ("Pending", "Succeeded", "Failed"):
        return
    labels = meta.get("labels", {})
    budgets = [
        item for item in store.list(PLURAL, meta["namespace"]) if matches_selector(item["spec"].get("selector"), labels)
    ]
    if len(budgets) > 1:
        raise Refused(
            500,
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            reason="",
        )
    if not budgets:
        return
    budget = budgets[0]
    if not is_ready(pod) and _may_go_unready(budget):
        return
    _check_budget(budget)
    if spend:
        _spend(store, budget, meta["name"])


def _may_go_unready(budget: Obj) -> bool:
    status = budget.get("status", {})
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    return bool(status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0) > 0)


def _check_budget(budget: Obj) -> None:
    status, meta = budget.get("status", {}), budget["metadata"]
    if status.get("observedGeneration", 0) < meta.get("generation", 1):
        message = "Cannot evict pod as it would violate the pod's disruption budget."
        cause = f"The disruption budget {meta['name']} is still being processed by the server."
        raise Refused(429, message, causes=[{"reason": "DisruptionBudget", "message": cause}], retry_after=10)
    allowed = status.get("disruptionsAllowed", 0)
    if allowed < 0:
        raise Refused(403, "pdb disruptions allowed is negative", name=meta["name"], kind=PLURAL, group="policy")
    if allowed == 0:
        needs, has = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        cause = f"The disruption budget {meta['name']} needs {needs} healthy pods and has {has} currently"
        message = "Cannot evict pod as it would violate the pod's disruption budget."
        raise Refused(429, message, causes=[{"reason": "DisruptionBudget", "message": cause}])


def _spend(store: Store, budget: Obj, pod: str) -> None:
    meta = budget["metadata"]

    def take(new: Obj) -> None:
        status = new["status"]
        status["disruptionsAllowed"] -= 1
        status.setdefault("disruptedPods", {})[pod] = rfc3339(store.now())

    store.modify(PLURAL, meta["namespace"], meta["name"], take, subresource="status")


def _still_disrupted(disrupted: dict[str, str], pods: list[Obj], now: float) -> dict[str, str]:
    standing = {pod["metadata"]["name"] for pod in pods if kube_pods.is_active(pod)}
    return {
        name: since
        for name, since in disrupted.items()
        if name in standing and parse_time(since) > now - DISRUPTED_SECONDS
    }


def _condition(old: Obj, allowed: int, generation: int, now: float) -> Obj:
    status = "True" if allowed > 0 else "False"
    before = next(iter(old.get("conditions") or ()), None)
    moved = before["lastTransitionTime"] if before and before["status"] == status else rfc3339(now)
    return {
        "lastTransitionTime": moved,
        "message": "",
        "observedGeneration": generation,
        "reason": "SufficientPods" if allowed > 0 else "InsufficientPods",
        "status": status,
        "type": "DisruptionAllowed",
    }


def _share(percent: str, whole: int) -> int:
    """``"25%"`` of ``whole``, rounded up."""
    return math.ceil(int(percent.removesuffix("%")) * whole / 100)
