"""A client that hides nothing: statuses, bodies and watch lines as they come, from the simulator or a real server."""

from __future__ import annotations

import json
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from observer.simulator.kubernetes import objects as kube_objects
from tests.support.kube_sim import simulated_kube
from tests.support.kube_worlds import REAL

Obj = dict[str, Any]
JSON_PATCH, MERGE = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"


class Wire:
    """Requests to one server, in a namespace of their own."""

    def __init__(self, http: aiohttp.ClientSession, namespace: str) -> None:
        self._http, self.namespace = http, namespace

    def path(self, plural: str, name: str = "", group: str = "") -> str:
        """Path in the namespace; ``group`` with its version (``apps/v1``), empty for the core group."""
        root = f"/apis/{group}" if group else "/api/v1"
        return f"{root}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    async def ask(
        self, method: str, path: str, body: Any = None, *, content: str = "application/json", **query: str
    ) -> tuple[int, Obj]:
        """Status and JSON of the answer."""
        raw = None if body is None else json.dumps(body)
        headers = {"Content-Type": content, "Accept": "application/json"}
        async with self._http.request(method, path, data=raw, headers=headers, params=query) as response:
            return response.status, await response.json()

    @asynccontextmanager
    async def watch(self, path: str, **query: str) -> AsyncIterator[AsyncIterator[Obj]]:
        """An open watch, event by event."""
        async with self._http.get(path, params={"watch": "1", **query}) as response:
            yield _events(response)

    async def config_map(self, name: str, **data: str) -> Obj:
        """A new ConfigMap."""
        status, made = await self.ask("POST", self.path("configmaps"), {"metadata": {"name": name}, "data": data})
        assert status == 201, made
        return made


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[Obj]:
    assert response.status == 200, await response.text()
    rest = b""
    async for piece in response.content.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield json.loads(line)


@asynccontextmanager
async def wire(side: str) -> AsyncIterator[Wire]:
    """A fresh namespace on one side."""
    if side == "simulator":
        objects = [kube_objects.node("n1", index=1), kube_objects.namespace("wire"), kube_objects.namespace("default")]
        async with simulated_kube(objects) as kube, aiohttp.ClientSession(kube.url) as http:
            yield Wire(http, "wire")
        return
    url, trust = _real()
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(ssl=trust)) as http:
        made = Wire(http, f"wire-{secrets.token_hex(4)}")
        await made.ask("POST", "/api/v1/namespaces", {"metadata": {"name": made.namespace}})
        try:
            yield made
        finally:
            await made.ask("DELETE", f"/api/v1/namespaces/{made.namespace}", {})


def _real() -> tuple[str, ssl.SSLContext]:
    config = yaml.safe_load(Path(REAL).read_text(encoding="utf-8"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    trust = ssl.create_default_context(cafile=cluster["certificate-authority"])
    trust.load_cert_chain(user["client-certificate"], user["client-key"])
    return cluster["server"], trust
