"""Prometheus as the stories ask it: what the callers really got."""

from __future__ import annotations

from typing import Any

import requests

from tests.lab.stack.places import PROMETHEUS

_FAILED = 'response_code=~"5..|0"'


class Metrics:
    """Instant queries; an answer that is no vector raises."""

    def __init__(self) -> None:
        self._session = requests.Session()

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series now."""
        answer = self._session.post(f"{PROMETHEUS}/api/v1/query", data={"query": expression}, timeout=10)
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return [(one["metric"], float(one["value"][1])) for one in body["data"]["result"]]

    def value(self, expression: str) -> float:
        """The only value; 0 when there is none."""
        found = self.query(expression)
        return found[0][1] if found else 0.0

    def served(self, pod: str, window: int = 10) -> tuple[float, float]:
        """Requests a second that a pod answered, and how many of them failed, by the pod's own sidecar."""
        selector = f'istio_requests_total{{reporter="destination",pod="{pod}"'
        return self._pair(selector, window)

    def called(self, service: str, window: int = 10) -> tuple[float, float]:
        """Requests a second that callers sent to a service, and how many failed, by the callers' sidecars."""
        selector = f'istio_requests_total{{reporter="source",destination_service_name="{service}"'
        return self._pair(selector, window)

    def _pair(self, selector: str, window: int) -> tuple[float, float]:
        everything = self.value(f"sum(rate({selector}}}[{window}s]))")
        return everything, self.value(f"sum(rate({selector},{_FAILED}}}[{window}s]))")
