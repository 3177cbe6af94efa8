"""
The kill switch: one ConfigMap that is read before every write.

Only ``paused: "false"`` means that Observer may write. A ConfigMap that is missing, cannot be read or says anything
else means paused: whoever deletes it stops Observer. The manifests ship it; ``ensure`` makes it once, at the start of
``observer run``, where the service account may create ConfigMaps.
"""

from __future__ import annotations

import msgspec
import structlog

from observer.domain import names
from observer.domain.errors import ActuatorUnavailable, ConfigError, SwitchChanged
from observer.domain.snapshot import UNREADABLE
from observer.kube import paths
from observer.kube.client import KubeApi
from observer.kube.errors import Conflict, KubeError, NotFound
from observer.ports.actuators import SwitchReading

log = structlog.get_logger(__name__)

_MERGE_PATCH = "application/merge-patch+json"
_PATIENCE = 3.0


class _Edit(msgspec.Struct, gc=False):
    time: str = ""


class _Meta(msgspec.Struct, gc=False, rename="camel"):
    resource_version: str = ""
    managed_fields: list[_Edit] | None = None


class _ConfigMap(msgspec.Struct, gc=False):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    data: dict[str, str] | None = None


_DECODER = msgspec.json.Decoder(_ConfigMap)


class ConfigMapSwitch:
    """Implements ``ports.actuators.KillSwitch`` on ConfigMap ``names.CONTROL_CONFIGMAP`` of ``namespace``."""

    def __init__(self, api: KubeApi, namespace: str) -> None:
        self._api, self._namespace = api, namespace

    async def read(self) -> tuple[bool, str]:
        now = await self.look()
        return now.paused, now.why

    async def look(self) -> SwitchReading:
        where = f"ConfigMap {self._namespace}/{names.CONTROL_CONFIGMAP}"
        try:
            path = paths.config_map(self._namespace, names.CONTROL_CONFIGMAP)
            answer = await self._api.request("GET", path, within=_PATIENCE)
            config_map = _DECODER.decode(answer.body)
        except NotFound:
            return SwitchReading(True, f"{UNREADABLE}: {where} does not exist", "")
        except (KubeError, ConfigError, msgspec.DecodeError, UnicodeDecodeError) as exc:
            return SwitchReading(True, f"{UNREADABLE}: {where}: {exc}", None)
        paused, why = _said(config_map, where)
        who = (config_map.data or {}).get("who", "")
        return SwitchReading(paused, why, config_map.metadata.resource_version or None, who)

    async def write(self, *, paused: bool, who: str, reason: str, over: str | None = None) -> None:
        data = {"paused": "true" if paused else "false", "who": who, "reason": reason}
        where = f"kill switch {self._namespace}/{names.CONTROL_CONFIGMAP}"
        try:
            await (self._put(data) if over is None else self._put_over(data, over))
        except (Conflict, NotFound) as exc:
            if over is None or (not over and isinstance(exc, NotFound)):  # not even its namespace is there
                raise ActuatorUnavailable(f"{where}: {exc}") from exc
            now = await self.look()
            text = f"{where}: somebody else changed it meanwhile, nothing was written; now {now.said}"
            raise SwitchChanged(text, paused=now.paused and bool(now.version)) from exc
        except KubeError as exc:
            raise ActuatorUnavailable(f"{where}: {exc}") from exc

    async def _put(self, data: dict[str, str]) -> None:
        try:
            await self._patch({"data": data})
        except NotFound:
            await self._create(data)

    async def _put_over(self, data: dict[str, str], version: str) -> None:
        """Who deleted it meanwhile paused us, too: it is made only where there was none before."""
        if not version:
            await self._create(data)
        else:
            await self._patch({"metadata": {"resourceVersion": version}, "data": data})

    async def _patch(self, body: dict[str, dict[str, str]]) -> None:
        path = paths.config_map(self._namespace, names.CONTROL_CONFIGMAP)
        await self._api.request("PATCH", path, body=body, content_type=_MERGE_PATCH)

    async def ensure(self) -> bool:
        """Make the ConfigMap, not paused, if there is none; False when it could not be made: then we stay paused."""
        try:
            await self._create({"paused": "false", "who": "", "reason": ""})
        except Conflict:
            return True
        except KubeError as exc:
            log.info("kill_switch_not_created", reason=str(exc))
            return False
        return True

    async def _create(self, data: dict[str, str]) -> None:
        meta = {"name": names.CONTROL_CONFIGMAP, "namespace": self._namespace}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
        await self._api.request("POST", paths.config_map(self._namespace), body=body)


def _said(config_map: _ConfigMap, where: str) -> tuple[bool, str]:
    data = config_map.data or {}
    match data.get("paused"):
        case "false":
            return False, ""
        case "true":
            who, why = data.get("who") or "somebody", data.get("reason") or "no reason given"
            since = max((edit.time for edit in config_map.metadata.managed_fields or ()), default="")
            return True, f"paused by {who}{f' at {since}' if since else ''}: {why}"
    return True, f'{UNREADABLE}: {where} has no "paused" of "true" or "false"'
