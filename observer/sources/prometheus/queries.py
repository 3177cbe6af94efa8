"""
The questions as PromQL: at most six a tick, whatever the number of workloads.

Only selectors, ``sum/max/min/count by``, ``increase``, ``timestamp``, arithmetic and ``or`` between vectors without a
common label set are used, so that every dialect answers alike.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Final

from observer.domain.ids import ServiceRef
from observer.sources.prometheus.profiles import Matcher, MetricProfile

UNKNOWN: Final = "unknown"
_SPECIAL: Final = frozenset(r"\.+*?()|[]{}^$")
CLASS_ROLES: Final = ("response_code", "response_flags", "grpc_status")
CALLER_ROLES: Final = ("target_namespace", "target_pod", "service", "service_namespace", "host", "host_namespace")


def quoted(value: str) -> str:
    """A PromQL string literal."""
    return json.dumps(value, ensure_ascii=False)


def escaped(value: str) -> str:
    """``value`` as a literal inside a PromQL (RE2) regular expression."""
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in value)


def any_of(values: Iterable[str]) -> str:
    """A regular expression that matches exactly these texts."""
    return "|".join(escaped(value) for value in sorted(set(values)))


def le_pattern(cuts_ms: Iterable[float], unit: float) -> str:
    """
    A regular expression for the ``le`` values of these cut points, in both spellings (``25`` and ``25.0``).

    ``unit`` converts milliseconds to the histogram's unit.
    """
    numbers = (f"{cut * unit:.12g}" for cut in cuts_ms)
    spelled = [escaped(number) + ("" if "." in number else r"(\.0)?") for number in numbers]
    return "|".join([*spelled, r"\+Inf"])


class Queries:
    """Writes the questions of one profile; ``selector`` and ``up_selector`` are matcher lists without braces."""

    def __init__(self, profile: MetricProfile, *, selector: str = "", up_selector: str = "") -> None:
        self._profile, self._selector, self._up = profile, selector.strip().strip(","), up_selector.strip().strip(",")

    def requests(self) -> str:
        """Requests of each pod as its own sidecar counted them, by what tells their class."""
        return self._each_pod(self._profile.requests, CLASS_ROLES)

    def buckets(self, cuts_ms: tuple[float, ...]) -> str:
        """Requests of each pod at most as slow as each cut point."""
        only = Matcher("le", "=~", le_pattern(cuts_ms, self._profile.unit))
        return self._each_pod(self._profile.buckets, ("le",), only)

    def scrapes(self) -> str:
        """Time of each target's last scrape, 0 for a target that is down; one series a target, with all its labels."""
        up = self.up()
        return f"timestamp({up}) * {up}"

    def up(self) -> str:
        """The selector of the scrape targets."""
        return f"up{{{self._up}}}"

    def callers(self, services: Iterable[ServiceRef]) -> str:
        """Requests towards ``services`` by calling pod, by what tells service and class."""
        return self._sum((*CALLER_ROLES, *CLASS_ROLES), self._selected(self._profile.requests, self._towards(services)))

    def caller_buckets(self, services: Iterable[ServiceRef], cuts_ms: tuple[float, ...]) -> str:
        """The same by latency."""
        only = Matcher("le", "=~", le_pattern(cuts_ms, self._profile.unit))
        selected = self._selected(self._profile.buckets, (*self._towards(services), only))
        return self._sum((*CALLER_ROLES, "le"), selected)

    def objective_calls(self, services: Iterable[ServiceRef]) -> str:
        """Calls towards ``services`` as their callers counted them, by calling pod, protocol and class."""
        roles = (*CALLER_ROLES, *CLASS_ROLES, "protocol")
        return self._sum(roles, self._selected(self._profile.requests, self._towards(services)))

    def objective_served(self, services: Iterable[ServiceRef]) -> str:
        """Calls of ``services`` as their own pods counted them, by pod."""
        roles = (*self.service_roles, "namespace", "pod")
        return self._sum(roles, self._own(self._profile.requests, *self._served(services)))

    def objective_buckets(self, services: Iterable[ServiceRef], cuts_ms: Iterable[float]) -> str:
        """The same by latency, at the given cut points."""
        only = Matcher("le", "=~", le_pattern(cuts_ms, self._profile.unit))
        roles = (*self.service_roles, "namespace", "pod", "le")
        return self._sum(roles, self._own(self._profile.buckets, only, *self._served(services)))

    def objective_gateways(self, gateways: Iterable[ServiceRef]) -> str:
        """Calls that the given workloads made, by pod, protocol and what tells the class."""
        listed = sorted(set(gateways))
        only = (
            Matcher("source_namespace", "=~", any_of(workload.namespace for workload in listed)),
            Matcher("source_workload", "=~", any_of(workload.name for workload in listed)),
        )
        roles = ("source_namespace", "source_workload", "target_namespace", "target_pod", *CLASS_ROLES, "protocol")
        return self._sum(roles, self._selected(self._profile.requests, (*self._profile.callers, *only)))

    def calls(self, window: float) -> str:
        """All calls within the window by caller and callee, by what tells their class."""
        roles = ("source_namespace", "source_workload", "source_service")
        called = ("service", "service_namespace", "host", "host_namespace")
        selected = self._selected(self._profile.requests, self._profile.callers)
        return self._sum((*roles, *called, *CLASS_ROLES), f"increase({selected}[{math.ceil(window)}s])")

    def recheck(self, pods: Iterable[tuple[str, str]]) -> str:
        """
        Requests of the given pods by calling workload and by what tells their class, and beside them, told apart by
        their ``le``, all buckets by calling workload: one question, so that both are of the same instant.
        """
        listed = list(pods)
        only = (
            Matcher("namespace", "=~", any_of(namespace for namespace, _ in listed)),
            Matcher("pod", "=~", any_of(pod for _, pod in listed)),
        )
        callers, called = ("source_workload", "source_namespace"), ("service", "service_namespace")
        requests = self._each_pod(self._profile.requests, CLASS_ROLES, *only, own=callers, gateways=called)
        return f"{requests} or {self._each_pod(self._profile.buckets, ('le',), *only, own=callers, gateways=called)}"

    @property
    def service_roles(self) -> tuple[str, ...]:
        """What names a service in its pods' own view; without a label for it, namespace and pod."""
        if self._profile.label("service") and self._profile.label("service_namespace"):
            return ("service_namespace", "service")
        return ("namespace", "pod")

    def past_requests(self, window: float, namespaces: Iterable[str]) -> str:
        """Requests within each window by service, by what tells their class."""
        return self._sum((*self.service_roles, *CLASS_ROLES), self._increase(window, namespaces))

    def past_peaks(self, window: float, namespaces: Iterable[str]) -> str:
        """Requests of the busiest pod of each service within each window."""
        roles = tuple(dict.fromkeys((*self.service_roles, "namespace", "pod")))
        inner = self._sum(roles, self._increase(window, namespaces))
        return f"max by ({self._names(self.service_roles)}) ({inner})"

    def count_own(self, window: float | None = None) -> str:
        """How many series the own view has; with ``window``, how many have two samples within it."""
        if window is None:
            return f"count({self._own(self._profile.requests)})"
        return f"count({self._increase(window, ())})"

    def sample_of(self, metric: str, roles: tuple[str, ...], *, own: bool = True) -> str:
        """How many series of ``metric`` carry each combination of the given labels."""
        matchers = self._profile.own if own else self._profile.callers
        return f"count by ({self._names(roles)}) ({self._selected(metric, matchers)})"

    def _increase(self, window: float, namespaces: Iterable[str]) -> str:
        listed = sorted(set(namespaces))
        role = self.service_roles[0]
        only = (Matcher(role, "=~", any_of(listed)),) if listed else ()
        return f"increase({self._own(self._profile.requests, *only)}[{math.ceil(window)}s])"

    def _towards(self, services: Iterable[ServiceRef]) -> tuple[Matcher, ...]:
        """A call that reached no pod names no canonical service: those are asked too and told apart by host."""
        listed = sorted(services)
        profile = self._profile
        if profile.host_is_cluster:
            hosts = "|".join(f"{escaped(service.name)}\\.{escaped(service.namespace)}" for service in listed)
            return (Matcher("host", "=~", rf"outbound\|[^|]*\|[^|]*\|({hosts})(\..*)?"),)
        names, spaces = any_of(service.name for service in listed), any_of(service.namespace for service in listed)
        if profile.label("service") is None:
            return (*profile.callers, Matcher("host", "=~", names), Matcher("host_namespace", "=~", spaces))
        return (
            *profile.callers,
            Matcher("service", "=~", f"{names}|{UNKNOWN}|"),
            Matcher("service_namespace", "=~", f"{spaces}|{UNKNOWN}|"),
        )

    def _each_pod(
        self, metric: str, roles: tuple[str, ...], *only: Matcher, own: tuple[str, ...] = (),
        gateways: tuple[str, ...] = (),
    ) -> str:  # fmt: skip
        """Each pod's own view, and beside it that of gateways: only these series carry ``reporter``."""
        inside = self._sum(("namespace", "pod", *own, *roles), self._own(metric, *only))
        if not self._profile.gateways:
            return inside
        selected = self._selected(metric, (*self._profile.gateways, *only))
        return f"{inside} or {self._sum(('namespace', 'pod', 'reporter', *gateways, *roles), selected)}"

    def _served(self, services: Iterable[ServiceRef]) -> tuple[Matcher, ...]:
        """Restricts the pods' own view to services, where the mesh names them."""
        listed = sorted(set(services))
        if "service" not in self.service_roles:
            return (Matcher("namespace", "=~", any_of(service.namespace for service in listed)),)
        return (
            Matcher("service_namespace", "=~", any_of(service.namespace for service in listed)),
            Matcher("service", "=~", any_of(service.name for service in listed)),
        )

    def _own(self, metric: str, *more: Matcher) -> str:
        return self._selected(metric, (*self._profile.own, *more))

    def _selected(self, metric: str, matchers: Iterable[Matcher]) -> str:
        written = [
            f"{label}{matcher.op}{quoted(matcher.value)}"
            for matcher in matchers
            if (label := self._profile.label(matcher.role)) is not None
        ]
        return f"{metric}{{{', '.join([*written, self._selector] if self._selector else written)}}}"

    def _sum(self, roles: Iterable[str], selected: str) -> str:
        return f"sum by ({self._names(roles)}) ({selected})"

    def _names(self, roles: Iterable[str]) -> str:
        return ", ".join(dict.fromkeys(label for role in roles if (label := self._profile.label(role)) is not None))
