"""Addresses of what others show about the same thing, as people's browsers reach them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from msgspec import Struct

from observer.domain.ids import ServiceRef, WorkloadRef

AROUND: Final = 300.0
"""Seconds shown before and after."""
DASHBOARD: Final = "observer-workload"


class Link(Struct, frozen=True):
    """One link: where it goes (``jaeger``, ``kiali``, ``grafana``) and the address."""

    to: str
    url: str


@dataclass(frozen=True, slots=True)
class Consoles:
    """Where people find the others; an empty address is not linked to."""

    jaeger: str = ""
    kiali: str = ""
    grafana: str = ""

    def links(
        self, workload: WorkloadRef | None, service: ServiceRef | None, since: float, until: float
    ) -> tuple[Link, ...]:
        """What shows this workload and service from some minutes before ``since`` to after ``until`` (Unix seconds)."""
        begin, end = since - AROUND, until + AROUND
        found = []
        if self.jaeger and service is not None:
            asked = {"service": f"{service.name}.{service.namespace}", "start": f"{begin * 1e6:.0f}"}
            asked |= {"end": f"{end * 1e6:.0f}", "limit": "50", "tags": '{"error":"true"}'}
            found.append(Link("jaeger", f"{self.jaeger.rstrip('/')}/search?{urlencode(asked)}"))
        if self.kiali and workload is not None:
            path = f"console/namespaces/{quote(workload.namespace)}/workloads/{quote(workload.name)}"
            found.append(Link("kiali", f"{self.kiali.rstrip('/')}/{path}?tab=info"))
        if self.grafana and workload is not None:
            asked = {"var-namespace": workload.namespace, "var-workload": workload.name}
            asked |= {"from": f"{begin * 1e3:.0f}", "to": f"{end * 1e3:.0f}"}
            found.append(Link("grafana", f"{self.grafana.rstrip('/')}/d/{DASHBOARD}?{urlencode(asked)}"))
        return tuple(found)
