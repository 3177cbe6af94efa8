"""The shop in a story's hands: its pods, its faults, its load, and the way back to how it began."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import requests

from tests.lab.harness.cluster import DRAIN_ANNOTATION, DRAIN_LABEL, Cluster, Pod, eventually
from tests.lab.harness.metrics import Metrics
from tests.lab.harness.outcomes import LabUnfit
from tests.lab.stack import control, telemetry
from tests.lab.stack.errors import LabError
from tests.lab.stack.lab import Lab
from tests.lab.stack.loss import end_loss
from tests.lab.stack.places import ISTIO_NAMESPACE, NODES, OBSERVER_NAMESPACE, PROMETHEUS
from tests.lab.stack.shop import NAMESPACE, RATE, REPLICAS, deployment

_HEALTHY: Final = {"err": 0.0, "delay": 0.0, "code": 500}
_OWN_KEYS: Final = (DRAIN_ANNOTATION, "observer.dev/opt-out", "observer.dev/hold-for-human")
_READY_SECONDS: Final = 150.0
_CALM_SECONDS: Final = 10


class Shop:
    """Pods are named by app (``catalog``) and version (``v1``)."""

    def __init__(self, lab: Lab, cluster: Cluster, metrics: Metrics) -> None:
        self._lab, self._cluster, self._metrics = lab, cluster, metrics

    def pods(self, app: str, version: str = "") -> list[Pod]:
        return self._cluster.pods(app, version)

    def fault(self, pod: Pod, **fault: float) -> None:
        """``err`` (rate), ``code`` (status), ``delay`` (seconds); what is not named stays."""
        control.set_fault(pod.ip, **fault)

    def heal(self, pod: Pod) -> None:
        control.set_fault(pod.ip, **_HEALTHY)

    def load(self, rate: float) -> None:
        control.set_load(self._cluster.pods("load")[0].ip, rate)

    def scale(self, name: str, replicas: int) -> None:
        self._cluster.patch_deployment(name, {"spec": {"replicas": replicas}})

    def ready(self) -> bool:
        """Every Deployment has exactly its replicas, all Ready, none on its way out."""
        items = self._cluster.get(f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
        leaving = any("deletionTimestamp" in item["metadata"] for item in items)
        pods = self._cluster.pods()
        return not leaving and len(pods) == sum(self._replicas().values()) and all(pod.ready for pod in pods)

    def calm(self) -> bool:
        """Load arrives at the front and nothing failed anywhere in the last ten seconds."""
        requests_, failed = self._metrics.called("front", _CALM_SECONDS)
        anywhere = self._metrics.value(
            f'sum(rate(istio_requests_total{{reporter="source",response_code=~"5..|0"}}[{_CALM_SECONDS}s]))'
        )
        return requests_ > 1.0 and failed == 0.0 and anywhere == 0.0

    def reset(self) -> None:
        """Back to how the lab began; ``LabUnfit`` when it cannot be brought there."""
        try:
            self._revive()
            self._tidy_objects()
            self._recreate_changed()
            eventually(self.ready, "every pod of the shop is Ready", within=_READY_SECONDS)
            for pod in self._cluster.pods():
                if pod.app != "load":
                    self.heal(pod)
            self.load(RATE)
            eventually(self.calm, "the healthy shop serves without errors", within=90.0, every=2.0)
        except (AssertionError, LabError, requests.RequestException) as exc:
            raise LabUnfit(f"the shop cannot be brought back to health: {exc}") from exc

    @contextmanager
    def image_missing(self, image: str) -> Iterator[None]:
        """No node has the image any more, and nothing can be pulled."""
        for node in self._lab.nodes.values():
            node.hide_image(image)
        try:
            yield
        finally:
            for node in self._lab.nodes.values():
                node.show_image(image)

    def _replicas(self) -> dict[str, int]:
        return {name: int(item["spec"]["replicas"]) for name, item in self._cluster.deployments().items()}

    def _revive(self) -> None:
        for name in ("etcd", "apiserver", "prometheus"):
            if not self._lab.daemons.alive(name):
                self._lab.daemons.again(name)
        eventually(lambda: self._cluster.call("GET", "/readyz").ok, "the API server is ready", within=60.0)
        telemetry.write_scrape_configuration(self._lab.places)
        eventually(lambda: requests.post(f"{PROMETHEUS}/-/reload", timeout=5).ok, "Prometheus reloads", within=30.0)

    def _tidy_objects(self) -> None:
        for node in NODES:
            self._cluster.cordon(node, on=False)
            end_loss(node)
        self._cluster.call("DELETE", f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets")
        self._cluster.call("DELETE", f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events")
        self._cluster.call("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/{OBSERVER_NAMESPACE}/leases/observer")
        istiod = f"/apis/apps/v1/namespaces/{ISTIO_NAMESPACE}/deployments/istiod"
        if self._cluster.get(istiod)["spec"]["replicas"] != 1:
            self._cluster.patch(istiod, {"spec": {"replicas": 1}})
        self._lab.kubectl.rolled_out(ISTIO_NAMESPACE, "istiod")
        for pod in self._cluster.pods():
            if pod.drained or any(key in pod.annotations for key in _OWN_KEYS):
                gone: dict[str, Any] = {"labels": {DRAIN_LABEL: None}, "annotations": dict.fromkeys(_OWN_KEYS)}
                self._cluster.patch_pod(pod, gone)

    def _recreate_changed(self) -> None:
        """A Deployment that was edited counts as touched by a person for half an hour: it is made anew."""
        found = self._cluster.deployments()
        for name in REPLICAS:
            if name in found and found[name]["metadata"]["generation"] == 1:
                continue
            path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
            self._cluster.call("DELETE", f"{path}/{name}?propagationPolicy=Foreground")
            eventually(partial(self._absent, name), f"{name} is gone", within=60.0)
            self._cluster.call("POST", path, deployment(name)).raise_for_status()

    def _absent(self, name: str) -> bool:
        return name not in self._cluster.deployments()


def pause(seconds: float) -> None:
    """Time that a story is about: a fault of twelve seconds, a minute in which nothing may happen."""
    time.sleep(seconds)
