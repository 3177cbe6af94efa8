"""
Dashboards into a running Grafana, by its API of resources (12 and newer) or by the older one, whichever it has.

Nobody's work is overwritten unseen: what is there is read first, an equal dashboard is left alone, and a write carries
the version that was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from observer.domain import names
from observer.domain.json_values import mapping, rows
from observer.sinks.grafana.client import (
    GrafanaClient,
    GrafanaRefused,
    GrafanaResponse,
    refusal,
)

_GROUP: Final = "dashboard.grafana.app"
_FOLDERS: Final = "folder.grafana.app"
_CLASSIC: Final = ("v1", "v1beta1", "v1alpha1")
"""Versions that take the classic model, the best first; those of v2 take another."""
_SERVERS_OWN: Final = ("id", "uid", "version")
_AGAIN: Final = "run the command again, or with --overwrite"


class Published(StrEnum):
    """What became of one dashboard."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Api:
    """How this Grafana takes dashboards: ``version`` empty = by the older API; the same for folders."""

    version: str
    folders: str


class Publisher:
    """
    Args:
        folder: uid of the folder, and its title when it has to be made; empty uid = leave each where it is.
        namespace: of the newer API: ``default``, ``org-2``, ``stacks-7``.
        overwrite: also what others have changed or own.
    """

    def __init__(
        self,
        client: GrafanaClient,
        *,
        folder: str = "observer",
        title: str = "Observer",
        namespace: str = "default",
        overwrite: bool = False,
    ) -> None:
        self._client, self._folder, self._title = client, folder, title
        self._namespace, self._overwrite = namespace, overwrite
        self._api: Api | None = None

    async def api(self) -> Api:
        """Asked once. Raises: GrafanaRefused, SourceUnavailable."""
        if self._api is None:
            self._api = Api(await self._version(_GROUP), await self._version(_FOLDERS))
        return self._api

    async def publish(self, dashboard: Mapping[str, object]) -> Published:
        """
        Bring one dashboard (Grafana's classic model with its ``uid``) into Grafana; the folder is made if need be.

        Raises: GrafanaRefused with what to do, SourceUnavailable.
        """
        api = await self.api()
        if api.version:
            return await self._by_resource(dashboard, api.version)
        return await self._by_database(dashboard)

    async def make_folder(self) -> bool:
        """True when it had to be made. Raises as ``publish`` does."""
        if not self._folder:
            return False
        version = (await self.api()).folders
        if version:
            path = f"/apis/{_FOLDERS}/{version}/namespaces/{self._namespace}/folders"
            body: dict[str, object] = {"metadata": {"name": self._folder}, "spec": {"title": self._title}}
        else:
            path, body = "/api/folders", {"uid": self._folder, "title": self._title}
        there = await self._client.request("GET", f"{path}/{self._folder}")
        if there.ok:
            return False
        if there.status != 404:
            raise refusal(there, f"folder {self._folder}")
        made = await self._client.request("POST", path, body=body)
        if not made.ok and made.status not in (409, 412):  # somebody else made it meanwhile
            raise refusal(made, f"making folder {self._folder}")
        return made.ok

    async def _version(self, group: str) -> str:
        response = await self._client.request("GET", f"/apis/{group}")
        if response.status == 401:
            raise refusal(response, "asking for its APIs")
        if not response.ok:
            return ""  # an older Grafana answers 404 here, or the page of its login
        offered = {str(row.get("version")) for row in rows(response.mapping().get("versions"))}
        return next((version for version in _CLASSIC if version in offered), "")

    async def _by_resource(self, dashboard: Mapping[str, object], version: str) -> Published:
        uid = str(dashboard["uid"])
        path = f"/apis/{_GROUP}/{version}/namespaces/{self._namespace}/dashboards"
        there = _existing(await self._client.request("GET", f"{path}/{uid}"), uid)
        annotations = {"grafana.app/message": _message()}
        if self._folder:
            annotations["grafana.app/folder"] = self._folder
        meta: dict[str, object] = {"name": uid, "annotations": annotations}
        body = {"metadata": meta, "spec": _bare(dashboard)}
        if there is None:
            return _done(await self._client.request("POST", path, body=body), uid, Published.CREATED)
        standing, spec = mapping(there.get("metadata")), mapping(there.get("spec"))
        self._check_ours(spec, uid)
        folder = str(mapping(standing.get("annotations")).get("grafana.app/folder", ""))
        if _blocks(spec, dashboard) and self._folder in ("", folder):
            return Published.UNCHANGED
        if folder:
            annotations.setdefault("grafana.app/folder", folder)
        if not self._overwrite:
            meta["resourceVersion"] = str(standing.get("resourceVersion", ""))
        return _done(await self._client.request("PUT", f"{path}/{uid}", body=body), uid, Published.UPDATED)

    async def _by_database(self, dashboard: Mapping[str, object]) -> Published:
        uid = str(dashboard["uid"])
        there = _existing(await self._client.request("GET", f"/api/dashboards/uid/{uid}"), uid)
        standing = mapping(there.get("dashboard")) if there is not None else {}
        current = str(mapping(there.get("meta")).get("folderUid", "")) if there is not None else ""
        # Left out, the folder of an existing dashboard would become the root.
        folder = self._folder or current
        sent: dict[str, object] = {**_bare(dashboard), "id": None, "uid": uid}
        if there is not None:
            self._check_ours(standing, uid)
            if _blocks(standing, dashboard) and folder == current:
                return Published.UNCHANGED
            sent |= {"id": standing.get("id"), "version": standing.get("version", 0)}
        body = {"dashboard": sent, "folderUid": folder, "message": _message(), "overwrite": self._overwrite}
        response = await self._client.request("POST", "/api/dashboards/db", body=body)
        return _done(response, uid, Published.UPDATED if there is not None else Published.CREATED)

    def _check_ours(self, dashboard: Mapping[str, object], uid: str) -> None:
        tags = dashboard.get("tags")
        if not (isinstance(tags, list) and names.GRAFANA_TAG in tags) and not self._overwrite:
            raise GrafanaRefused(
                f"grafana: dashboard {uid} is there and is not Observer's (no tag {names.GRAFANA_TAG}): "
                "rename it, or use --overwrite",
                409,
            )


def _existing(response: GrafanaResponse, uid: str) -> Mapping[str, object] | None:
    """What is there under this uid, None = nothing. Raises: GrafanaRefused, SourceUnavailable."""
    if response.status == 404:
        return None
    if not response.ok:
        raise refusal(response, f"reading dashboard {uid}")
    return response.mapping()


def _done(response: GrafanaResponse, uid: str, good: Published) -> Published:
    if response.ok:
        return good
    reason, dashboard = str(response.mapping().get("status", "")), f"grafana: dashboard {uid}"
    match response.status, reason:
        case (409, _) | (412, "version-mismatch"):
            text = f"somebody saved it meanwhile: {_AGAIN}"
        case (412, "name-exists"):
            text = "another of the same title is in that folder: remove it, or use another folder"
        case (412, "plugin-dashboard"):
            text = "belongs to a plugin, which alone may change it"
        case (404, _):
            text = f"the folder does not exist: {response.message()}"
        case _:
            raise refusal(response, f"writing dashboard {uid}")
    raise GrafanaRefused(f"{dashboard}: {text}", response.status)


def _bare(dashboard: Mapping[str, object]) -> dict[str, object]:
    """The dashboard without what servers add to it."""
    return {key: value for key, value in dashboard.items() if key not in _SERVERS_OWN}


def _blocks(standing: Mapping[str, object], dashboard: Mapping[str, object]) -> bool:
    """``found`` says all that ``dashboard`` does; what a server added by itself does not count."""
    return all(standing.get(key) == value for key, value in _bare(dashboard).items())


def _message() -> str:
    return "written by observer dashboards"
