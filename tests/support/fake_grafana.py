"""A stateful Grafana on the loopback interface: both generations of its API, permissions, versions and annotations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

TOKEN = "glsa_canary_of_the_tests"
Json = dict[str, Any]


@dataclass
class FakeGrafana:
    """
    ``old`` and ``new`` say which generation answers; ``rights`` is what the token may do. ``broken`` holds statuses
    that the next requests get, whatever they ask; ``lost`` = so many writes are done and their answers are lost;
    ``repeats`` = refusals show the credentials that were sent. ``before_write`` is called before every write of a
    dashboard: somebody else's chance.
    """

    old: bool = True
    new: bool = True
    versions: tuple[str, ...] = ("v2beta1", "v1beta1")
    rights: frozenset[str] = frozenset({"read", "write", "annotate"})
    broken: list[int] = field(default_factory=list)
    lost: int = 0
    repeats: bool = False
    dashboards: dict[str, Json] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    annotations: dict[int, Json] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    before_write: Callable[[str], None] = lambda _uid: None

    async def started(self) -> TestServer:
        app = web.Application(middlewares=[self._manners], client_max_size=16 << 20)
        add = app.router.add_route
        add("GET", "/api/health", self._health)
        if self.old:
            add("GET", "/api/dashboards/uid/{uid}", self._read)
            add("POST", "/api/dashboards/db", self._save)
            add("GET", "/api/folders/{uid}", self._folder)
            add("POST", "/api/folders", self._make_folder)
            add("GET", "/api/annotations", self._search)
            add("POST", "/api/annotations", self._annotate)
            add("PATCH", "/api/annotations/{id}", self._change)
        if self.new:
            for group in ("dashboard", "folder"):
                add("GET", f"/apis/{group}.grafana.app", self._group)
            spaces = "/apis/{group}/{version}/namespaces/default"
            add("GET", f"{spaces}/dashboards/{{uid}}", self._resource)
            add("POST", f"{spaces}/dashboards", self._create)
            add("PUT", f"{spaces}/dashboards/{{uid}}", self._replace)
            add("GET", f"{spaces}/folders/{{uid}}", self._folder)
            add("POST", f"{spaces}/folders", self._make_folder)
        server = TestServer(app)
        await server.start_server()
        return server

    def put(self, spec: Json, *, folder: str = "") -> None:
        """A dashboard that is there already, or that somebody saves."""
        known = self.dashboards.get(spec["uid"])
        version = known["version"] + 1 if known else 1
        self.dashboards[spec["uid"]] = {"spec": dict(spec), "folder": folder, "version": version}

    @web.middleware
    async def _manners(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if self.broken:
            return _no(self.broken.pop(0), "not today")
        if request.path != "/api/health":
            if request.headers.get("Authorization") != f"Bearer {TOKEN}":
                return _no(401, f"Invalid API key{request.headers.get('Authorization', '') if self.repeats else ''}")
            writes = request.method != "GET"
            needed = "annotate" if writes and "annotations" in request.path else "write" if writes else "read"
            if needed not in self.rights:
                return _no(403, f"You'll need additional permissions: {needed}")
        answer = await handler(request)
        if request.method != "GET" and self.lost:
            self.lost -= 1
            assert request.transport is not None
            request.transport.abort()
        return answer

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"database": "ok", "version": "13.0.0"})

    async def _group(self, request: web.Request) -> web.Response:
        return web.json_response({"kind": "APIGroup", "versions": [{"version": one} for one in self.versions]})

    # The older API

    async def _read(self, request: web.Request) -> web.Response:
        known = self.dashboards.get(request.match_info["uid"])
        if known is None:
            return _no(404, "Dashboard not found")
        spec = {**known["spec"], "id": 7, "version": known["version"]}
        return web.json_response({"dashboard": spec, "meta": {"folderUid": known["folder"]}})

    async def _save(self, request: web.Request) -> web.Response:
        body = await request.json()
        spec, folder = body["dashboard"], body.get("folderUid", "")
        self.before_write(spec["uid"])
        if len(spec["uid"]) > 40:
            return _no(400, "uid too long, max 40 characters")
        if folder and folder not in self.folders:
            return _no(404, "folder not found")
        known = self.dashboards.get(spec["uid"])
        if known is not None and not body.get("overwrite") and spec.get("version", 0) != known["version"]:
            return _no(412, "The dashboard has been changed by someone else", status="version-mismatch")
        twin = [
            uid
            for uid, one in self.dashboards.items()
            if uid != spec["uid"] and one["spec"]["title"] == spec["title"] and one["folder"] == folder
        ]
        if twin and not body.get("overwrite"):
            return _no(412, "A dashboard with the same name already exists", status="name-exists")
        self.put({key: value for key, value in spec.items() if key not in ("id", "version")}, folder=folder)
        version = self.dashboards[spec["uid"]]["version"]
        return web.json_response({"uid": spec["uid"], "status": "success", "version": version})

    # The newer API

    async def _resource(self, request: web.Request) -> web.Response:
        if request.match_info["version"] not in self.versions:
            return _no(404, "no such version")
        known = self.dashboards.get(request.match_info["uid"])
        return _no(404, "dashboard not found") if known is None else web.json_response(self._shown(known))

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        name, notes = body["metadata"]["name"], body["metadata"].get("annotations", {})
        self.before_write(name)
        if name in self.dashboards:
            return _no(409, "already exists")
        return self._stored(name, body["spec"], notes, status=201)

    async def _replace(self, request: web.Request) -> web.Response:
        body = await request.json()
        name, meta = request.match_info["uid"], body["metadata"]
        self.before_write(name)
        known = self.dashboards.get(name)
        if known is None:
            return _no(404, "dashboard not found")
        if meta.get("resourceVersion") not in (None, str(known["version"])):
            return _no(409, "the object has been modified")
        return self._stored(name, body["spec"], meta.get("annotations", {}), status=200)

    def _stored(self, name: str, spec: Json, notes: Json, *, status: int) -> web.Response:
        folder = notes.get("grafana.app/folder", "")
        if folder and folder not in self.folders:
            return _no(404, "folder not found")
        self.put({**spec, "uid": name}, folder=folder)
        return web.json_response(self._shown(self.dashboards[name]), status=status)

    def _shown(self, known: Json) -> Json:
        spec = {key: value for key, value in known["spec"].items() if key != "uid"}
        notes = {"grafana.app/folder": known["folder"]} if known["folder"] else {}
        meta = {"name": known["spec"]["uid"], "resourceVersion": str(known["version"]), "annotations": notes}
        return {"kind": "Dashboard", "metadata": meta, "spec": spec}

    # Folders

    async def _folder(self, request: web.Request) -> web.Response:
        uid = request.match_info["uid"]
        return web.json_response({"uid": uid}) if uid in self.folders else _no(404, "folder not found")

    async def _make_folder(self, request: web.Request) -> web.Response:
        body = await request.json()
        uid, title = (
            (body["metadata"]["name"], body["spec"]["title"]) if "metadata" in body else (body["uid"], body["title"])
        )
        if uid in self.folders:
            return _no(412, "the folder exists")
        self.folders[uid] = title
        return web.json_response({"uid": uid})

    # Annotations

    async def _search(self, request: web.Request) -> web.Response:
        wanted, query = set(request.query.getall("tags", [])), request.query
        begin, end = int(query.get("from", 0)), int(query.get("to", 1 << 62))
        found = [
            {**one, "id": number}
            for number, one in self.annotations.items()
            if wanted <= set(one["tags"]) and one["time"] <= end and one["timeEnd"] >= begin
        ]
        return web.json_response(sorted(found, key=lambda one: -one["time"])[: int(query.get("limit", 100))])

    async def _annotate(self, request: web.Request) -> web.Response:
        body = await request.json()
        if not body.get("text"):
            return _no(400, "text field should not be empty")
        number = max(self.annotations, default=0) + 1
        self.annotations[number] = {**body, "timeEnd": body.get("timeEnd", body["time"])}
        return web.json_response({"message": "Annotation added", "id": number})

    async def _change(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"])
        if number not in self.annotations:
            return _no(404, "Annotation not found")
        self.annotations[number] |= await request.json()
        return web.json_response({"message": "Annotation patched"})


def _no(code: int, message: str, **more: str) -> web.Response:
    return web.json_response({"message": message, **more}, status=code)
