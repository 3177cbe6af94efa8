"""What a story can do and what it can hold Observer to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.lab.harness.cluster import Cluster, Pod, Write, eventually
from tests.lab.harness.daemon import Daemon
from tests.lab.harness.fitness import Fitness
from tests.lab.harness.metrics import Metrics
from tests.lab.harness.outcomes import Harm
from tests.lab.harness.shop import Shop
from tests.lab.harness.witness import Witness
from tests.lab.stack.lab import Lab
from tests.lab.stack.places import OBSERVER_NAMESPACE
from tests.lab.stack.shop import NAMESPACE

DRAIN_SECONDS: Final = 120.0
EVICT_SECONDS: Final = 240.0
VERIFY_SECONDS: Final = 240.0
_OWN: Final = {"leases", "configmaps"}


@dataclass
class Story:
    """
    One story on the lab. ``began`` (Unix seconds) is after the shop was brought back to health and before Observer ran;
    everything that Observer writes after it is held against ``allowed``.
    """

    lab: Lab
    cluster: Cluster
    metrics: Metrics
    shop: Shop
    witness: Witness
    fitness: Fitness
    folder: Path
    kubeconfig: Path
    began: float = field(default_factory=time.time)
    allowed: set[str] = field(default_factory=set)
    daemons: list[Daemon] = field(default_factory=list)
    faulted: float = 0.0
    """When the newest fault began, Unix seconds; 0 = none yet."""

    def observe(self, **changes: Any) -> Daemon:
        """Start Observer with a fresh journal and default guards but for ``changes``; returns when it is awake."""
        daemon = self.start(**changes)
        daemon.awake()
        return daemon

    def start(self, **changes: Any) -> Daemon:
        """The same, without waiting for anything but its first answer."""
        folder = self.folder / f"observer-{len(self.daemons)}"
        folder.mkdir()
        daemon = Daemon(folder, self.kubeconfig, changes)
        self.daemons.append(daemon)
        daemon.start()
        return daemon

    @property
    def daemon(self) -> Daemon:
        return self.daemons[-1]

    def gray(self, pod: Pod, **fault: float) -> float:
        """Make this pod gray and wait until Prometheus shows it; returns when it began. Observer may touch this pod."""
        self.allowed.add(pod.name)
        return self.spoil(pod, **fault)

    def spoil(self, pod: Pod, **fault: float) -> float:
        """The same, but Observer may not touch it."""
        self.fitness.excuse([pod])
        self.shop.fault(pod, **fault)
        began = self.faulted = time.time()
        if fault.get("err"):
            eventually(
                lambda: self.metrics.served(pod.name)[1] > 0, f"Prometheus shows errors of {pod.name}", within=45
            )
        if fault.get("delay"):
            wanted = 500 * fault["delay"]
            eventually(lambda: self._mean_ms(pod) > wanted, f"Prometheus shows {pod.name} as slow", within=45)
        return began

    def drained(self, pod: Pod, *, since: float = 0.0, within: float = DRAIN_SECONDS) -> float:
        """Wait for Observer's drain of this pod; seconds since ``since``, or the instant when ``since`` is 0."""

        def seen() -> float | None:
            self.check_harm()
            return self.witness.drained(self.began).get(pod.name)

        at = float(eventually(seen, f"Observer drains {pod.name}; {self._said(pod)}", within=within))
        self._tell(f"{pod.name} drained", at)
        return at - since

    def evicted(self, pod: Pod, *, within: float = EVICT_SECONDS) -> Write:
        """Wait until the API server has let Observer evict this very pod."""

        def asked() -> Write | None:
            self.check_harm()
            return next((write for write in self.evictions() if write.name == pod.name), None)

        write: Write = eventually(asked, f"Observer evicts {pod.name}", within=within)
        self._tell(f"{pod.name} evicted", write.at)
        eventually(lambda: self.witness.leaving(pod.uid), f"{pod.name} leaves", within=30)
        return write

    def evictions(self) -> list[Write]:
        return [write for write in self.cluster.writes(self.began) if write.resource == "pods/eviction"]

    def decision(self, what: str, fits: Callable[[Mapping[str, Any]], bool], *, within: float) -> dict[str, Any]:
        """Wait for a decision of this story that fits."""

        def found() -> dict[str, Any] | None:
            self.check_harm()
            return next((one for one in self.daemon.decisions(self.began) if fits(one)), None)

        return dict(eventually(found, f"Observer decides: {what}", within=within, every=1.0))

    def held(self, reason: str, *, within: float = DRAIN_SECONDS) -> dict[str, Any]:
        """Wait until a brake holds for this reason."""

        def fits(one: Mapping[str, Any]) -> bool:
            return any(hold["reason"] == reason for hold in one["blocked_by"])

        return self.decision(f"held by {reason}", fits, within=within)

    def verified(self, pod: Pod, verdict: str = "fixed", *, within: float = VERIFY_SECONDS) -> dict[str, Any]:
        def fits(one: Mapping[str, Any]) -> bool:
            return (
                one["kind"] == "verified" and one["reason"].replace("_", "-") == verdict and pod.name in one["subject"]
            )

        told = self.decision(f"verified {verdict}", fits, within=within)
        self._tell(f"{pod.name} verified {verdict}", told["at"])
        return told

    def untouched(self, seconds: float) -> None:
        """So long Observer goes on ticking and writes nothing about any pod but what the story allows."""
        ticks, end = self.daemon.complete_ticks(), time.monotonic() + seconds
        while time.monotonic() < end:
            self.check_harm()
            time.sleep(1.0)
        assert self.daemon.status()["ticks"] > ticks, "Observer stopped ticking"

    def check_harm(self) -> None:
        """Whatever Observer wrote that the story does not allow is harm; bookkeeping of its own is none."""
        wrong = [str(write) for write in self.cluster.writes(self.began) if not self._may_write(write)]
        if wrong:
            raise Harm(f"Observer touched what it must not touch: {'; '.join(wrong)}")

    def _may_write(self, write: Write) -> bool:
        if write.resource in _OWN:
            return write.namespace == OBSERVER_NAMESPACE
        if write.resource == "pods" or write.resource == "pods/eviction":
            return write.namespace == NAMESPACE and write.name in self.allowed
        return write.resource == "events"

    def drains_a_real_gray_pod(self, app: str = "catalog", node: str = "") -> None:
        """
        The proof that it was awake all along: the same Observer finds the next pod that is truly gray.

        ``node``: where the pod runs, for a story after which the other node is rightly suspected for a while.
        """
        assert self.daemon.complete_ticks() >= 30, "too few complete ticks to speak of an Observer that was awake"
        pod = [one for one in self.shop.pods(app) if node in ("", one.node)][-1]
        self.gray(pod, err=0.5)
        self.drained(pod, within=180)

    def picture(self) -> dict[str, tuple[str, bool]]:
        """Uid and drain label of every pod of the shop, by name."""
        return {pod.name: (pod.uid, pod.drained) for pod in self.cluster.pods()}

    def _mean_ms(self, pod: Pod) -> float:
        name, by = "istio_request_duration_milliseconds", f'reporter="destination",pod="{pod.name}"'
        return self.metrics.value(f"sum(rate({name}_sum{{{by}}}[10s])) / sum(rate({name}_count{{{by}}}[10s]))")

    def _tell(self, what: str, at: float) -> None:
        """For people: how long after the newest fault it happened."""
        print(f"\n    {what} {at - self.faulted:.1f} s after the fault", flush=True)

    def _said(self, pod: Pod) -> str:
        return f"see {self.daemon.log}" if self.daemons else "no Observer runs"
