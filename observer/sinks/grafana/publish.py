"""
Dashboards into a running Grafana, by its API of resources (12 and newer) or by the older one, whichever it has.

Nobody's work is overwritten unseen: what is there is read first, an equal dashboard is left alone, and a write carries
the version that was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from observer.domain import names
from observer.sinks.grafana.door import GrafanaClient, GrafanaRefused, Reply, refusal

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
        door: GrafanaClient,
        *,
        folder: str = "observer",
        title: str = "Observer",
        namespace: str = "default",
        overwrite: bool = False,
    ) -> None:
        self._door, self._folder, self._title = door, folder, title
        self._namespace, self._overwrite = namespace, overwrite
        self._api: Api | None = None

    async def api(self) -> Api:
        """Asked once. Raises: GrafanaRefused, SourceUnavailable."""
        if self._api is None:
            self._api = Api(await self._version(_GROUP), await self._version(_FOLDERS))
        return self._api

    async def publish(self, dashboard: Mapping[str, Any]) -> Published:
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
            body: Any = {"metadata": {"name": self._folder}, "spec": {"title": self._title}}
        else:
            path, body = "/api/folders", {"uid": self._folder, "title": self._title}
        found = await self._door.ask("GET", f"{path}/{self._folder}")
        if found.good:
            return False
        if found.status != 404:
            raise refusal(found, f"folder {self._folder}")
        made = await self._door.ask("POST", path, body=body)
        if not made.good and made.status not in (409, 412):  # somebody else made it meanwhile
            raise refusal(made, f"making folder {self._folder}")
        return made.good

    async def _version(self, group: str) -> str:
        reply = await self._door.ask("GET", f"/apis/{group}")
        if reply.status == 401:
            raise refusal(reply, "asking for its APIs")
        if not reply.good:
            return ""  # an older Grafana answers 404 here, or the page of its login
        offered = {str(one.get("version")) for one in reply.mapping().get("versions") or () if isinstance(one, dict)}
        return next((version for version in _CLASSIC if version in offered), "")

    async def _by_resource(self, dashboard: Mapping[str, Any], version: str) -> Published:
        uid = dashboard["uid"]
        path = f"/apis/{_GROUP}/{version}/namespaces/{self._namespace}/dashboards"
        found = await self._door.ask("GET", f"{path}/{uid}")
        if not found.good and found.status != 404:
            raise refusal(found, f"reading dashboard {uid}")
        meta: dict[str, Any] = {"name": uid, "annotations": {"grafana.app/message": _message()}}
        if self._folder:
            meta["annotations"]["grafana.app/folder"] = self._folder
        body = {"metadata": meta, "spec": _bare(dashboard)}
        if found.status == 404:
            return _done(await self._door.ask("POST", path, body=body), uid, Published.CREATED)
        was = found.mapping()
        there = was.get("metadata") or {}
        notes = there.get("annotations") or {}
        self._check_ours(was.get("spec") or {}, uid)
        folder = notes.get("grafana.app/folder", "")
        if _holds(was.get("spec") or {}, dashboard) and self._folder in ("", folder):
            return Published.UNCHANGED
        if folder:
            meta["annotations"].setdefault("grafana.app/folder", folder)
        if not self._overwrite:
            meta["resourceVersion"] = str(there.get("resourceVersion", ""))
        return _done(await self._door.ask("PUT", f"{path}/{uid}", body=body), uid, Published.UPDATED)

    async def _by_database(self, dashboard: Mapping[str, Any]) -> Published:
        uid = dashboard["uid"]
        found = await self._door.ask("GET", f"/api/dashboards/uid/{uid}")
        if not found.good and found.status != 404:
            raise refusal(found, f"reading dashboard {uid}")
        was = found.mapping().get("dashboard") or {}
        # Left out, the folder of an existing dashboard would become the root.
        folder = self._folder or str((found.mapping().get("meta") or {}).get("folderUid", ""))
        sent: dict[str, Any] = {**_bare(dashboard), "id": None, "uid": uid}
        if found.good:
            self._check_ours(was, uid)
            at = str((found.mapping().get("meta") or {}).get("folderUid", ""))
            if _holds(was, dashboard) and folder == at:
                return Published.UNCHANGED
            sent |= {"id": was.get("id"), "version": was.get("version", 0)}
        body = {"dashboard": sent, "folderUid": folder, "message": _message(), "overwrite": self._overwrite}
        reply = await self._door.ask("POST", "/api/dashboards/db", body=body)
        return _done(reply, uid, Published.UPDATED if found.good else Published.CREATED)

    def _check_ours(self, found: Mapping[str, Any], uid: str) -> None:
        if names.GRAFANA_TAG not in (found.get("tags") or ()) and not self._overwrite:
            raise GrafanaRefused(
                f"grafana: dashboard {uid} is there and is not Observer's (no tag {names.GRAFANA_TAG}): "
                "rename it, or use --overwrite",
                409,
            )


def _done(reply: Reply, uid: str, good: Published) -> Published:
    if reply.good:
        return good
    reason = str(reply.mapping().get("status", ""))
    if reply.status == 409 or (reply.status == 412 and reason == "version-mismatch"):
        raise GrafanaRefused(f"grafana: dashboard {uid}: somebody saved it meanwhile: {_AGAIN}", reply.status)
    if reply.status == 412 and reason == "name-exists":
        raise GrafanaRefused(
            f"grafana: dashboard {uid}: another of the same title is in that folder: remove it, or use another folder",
            reply.status,
        )
    if reply.status == 412 and reason == "plugin-dashboard":
        raise GrafanaRefused(f"grafana: dashboard {uid}: belongs to a plugin, which alone may change it", reply.status)
    if reply.status == 404:
        raise GrafanaRefused(f"grafana: dashboard {uid}: the folder does not exist: {reply.told()}", reply.status)
    raise refusal(reply, f"writing dashboard {uid}")


def _bare(dashboard: Mapping[str, Any]) -> dict[str, Any]:
    """The dashboard without what servers add to it."""
    return {key: value for key, value in dashboard.items() if key not in _SERVERS_OWN}


def _holds(found: Mapping[str, Any], dashboard: Mapping[str, Any]) -> bool:
    """``found`` says all that ``dashboard`` does; what a server added by itself does not count."""
    return all(found.get(key) == value for key, value in _bare(dashboard).items())


def _message() -> str:
    return "written by observer dashboards"
