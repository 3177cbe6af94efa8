"""Answers of Kiali, built from few words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

AT = 1_767_225_600


def workload(
    name: str, app: str = "", *, namespace: str = "shop", cluster: str = "east", **more: Any
) -> dict[str, Any]:
    """A node of a workload, or of another kind by ``nodeType``; an empty ``cluster`` is none, as before 1.48."""
    data = {"id": f"{cluster}-{namespace}-{name}", "nodeType": "workload", "namespace": namespace, "workload": name}
    data |= {"app": app} if app else {}
    data |= {"cluster": cluster} if cluster else {}
    return {"data": {**data, **more}}


def calls(source: dict[str, Any], target: dict[str, Any], traffic: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """An edge between two nodes."""
    ends = {"id": "e", "source": source["data"]["id"], "target": target["data"]["id"]}
    return {"data": {**ends, "traffic": traffic, **more}}


def http(rate: str, responses: Mapping[str, Mapping[str, str]] | None = None, **rates: str) -> dict[str, Any]:
    """HTTP traffic; ``responses`` is code -> flags -> per cent."""
    shape = {code: {"flags": flags, "hosts": {"h": "100.0"}} for code, flags in (responses or {}).items()}
    return {"protocol": "http", "rates": {"http": rate, **rates}, "responses": shape or None}


def graph(nodes: Sequence[Any], edges: Sequence[Any], **more: Any) -> bytes:
    """The whole answer."""
    body = {"timestamp": AT, "duration": 60, "graphType": "workload", **more}
    return json.dumps({**body, "elements": {"nodes": nodes, "edges": edges}}).encode()
