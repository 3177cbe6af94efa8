"""Turns the shop's screws over HTTP: faults of one pod, load on the front. To be called inside the hub."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.lab.stack.errors import LabError
from tests.lab.stack.shop import CONTROL_PORT


def set_fault(address: str, **fault: float) -> dict[str, float]:
    """``err`` (rate of failed requests), ``code`` (their status), ``delay`` (seconds) of the pod at this address."""
    return _ask(address, "fault", fault)


def set_load(address: str, rate: float | None = None) -> dict[str, Any]:
    """Requests a second; without a rate only the counts by status so far."""
    return _ask(address, "load", {} if rate is None else {"rate": rate})


def _ask(address: str, path: str, query: dict[str, float]) -> dict[str, Any]:
    url = f"http://{address}:{CONTROL_PORT}/{path}?{urlencode(query)}"
    try:
        with urlopen(url, timeout=5) as answer:
            return dict(json.loads(answer.read()))
    except (OSError, ValueError) as exc:
        raise LabError(f"{url}: {exc}") from exc
