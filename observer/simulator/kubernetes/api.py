"""The simulated Kubernetes API server: one aiohttp application over a store and its controllers."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web

from observer.simulator.kubernetes import discovery, pods
from observer.simulator.kubernetes.controllers import Controllers
from observer.simulator.kubernetes.faults import Answer, Delay, Effect, Forbid, Hang, KubeFaults, Plain, Reset
from observer.simulator.kubernetes.kinds import Obj
from observer.simulator.kubernetes.requests import Target, number, parse_path, read_object, verb_of
from observer.simulator.kubernetes.status import Refused
from observer.simulator.kubernetes.store import Instant, Store
from observer.simulator.kubernetes.watches import Lists, Watches, cut, show
from observer.simulator.kubernetes.writes import Writes

MOST_CALLS: Final = 20_000
MAX_BODY: Final = 3 * 1024 * 1024
ANONYMOUS: Final = "system:anonymous"


@dataclass(slots=True)
class Call:
    """
    One request, as tests look back on it.

    Attributes:
        at: the simulator's Unix seconds.
        code: HTTP status of the answer, also of one that was cut off on its way; 0 while it is open.
        body: what was sent, raw.
    """

    at: float
    user: str
    agent: str
    verb: str
    resource: str
    namespace: str
    name: str
    query: dict[str, str]
    code: int = 0
    body: bytes = b""


class KubeApi:
    """
    Answers every request of one API server.

    Attributes:
        calls: what was asked, oldest first (the newest ``MOST_CALLS``).
        logs: container logs that ``pods/NAME/log`` answers.
    """

    def __init__(self, store: Store, controllers: Controllers, clock: Instant, faults: KubeFaults) -> None:
        self.store = store
        self.faults = faults
        self.calls: deque[Call] = deque(maxlen=MOST_CALLS)
        self.logs = PodLogs()
        self._clock = clock
        self._lists = Lists(store, faults)
        self.watches = Watches(store, clock, faults)
        self._writes = Writes(store, controllers)

    def deletes(self, resource: str = "pods") -> list[Call]:
        """Every plain delete that was asked for: Observer must never be among the callers."""
        return [call for call in self.calls if call.verb == "delete" and call.resource == resource]

    def compact(self) -> None:
        """Forget history and list snapshots: old watches and continue tokens are told 410."""
        self.store.compact()
        self._lists.forget()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The one handler of the application."""
        call = Call(self._clock.now(), "", request.headers.get("User-Agent", ""), "", "", "", "", dict(request.query))
        try:
            response = await self._answer(request, call)
        except Refused as refused:
            response = _refusal(refused)
        call.code = call.code or response.status
        return response

    async def _answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        page = discovery.page(request.path) if request.method == "GET" else None
        if isinstance(page, str):
            return web.Response(text=page)
        call.user = self._user(request)
        if page is not None:
            return _json(200, page)
        call.body = await request.read()
        if request.path in discovery.REVIEWS and request.method == "POST":
            call.verb, call.resource = "create", request.path.rpartition("/")[2]
            self.calls.append(call)
            return _json(201, discovery.review(request.path, read_object(call.body), self.faults))
        target = parse_path(request.path)
        call.verb = verb_of(request.method, target, request.query)
        call.resource, call.namespace, call.name = target.resource, target.namespace, target.name
        self.calls.append(call)
        effect = self.faults.effect(call.verb, target.resource, target.namespace, target.name)
        refused = await self._before(effect, request, call, target)
        if refused is not None:
            return refused
        response = await self._dispatch(request, call, target)
        if isinstance(effect, Reset):
            cut(request)
        return response

    def _user(self, request: web.Request) -> str:
        if not self.faults.tokens:
            return ANONYMOUS
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        user = self.faults.tokens.get(token) if scheme.lower() in ("bearer", "") else None
        if user is None:
            raise Refused(401, "Unauthorized")
        return user

    async def _before(
        self, effect: Effect | None, request: web.Request, call: Call, target: Target
    ) -> web.StreamResponse | None:
        """Let a misbehaviour have its way; an answer when that was all, None when the request goes on."""
        if isinstance(effect, Forbid):
            raise _forbidden(call, target)
        if isinstance(effect, Answer):
            raise Refused(effect.code, effect.message, reason=effect.reason, retry_after=effect.retry_after)
        if isinstance(effect, Plain):
            headers = {"Retry-After": str(effect.retry_after)} if effect.retry_after else None
            return web.Response(status=effect.code, text=effect.text, headers=headers)
        if isinstance(effect, Delay):
            await asyncio.sleep(effect.seconds)
        if isinstance(effect, Hang):
            await asyncio.sleep(effect.seconds)
        if isinstance(effect, Hang) or (isinstance(effect, Reset) and not effect.after):
            cut(request)
            return web.Response(status=500)
        return None

    async def _dispatch(self, request: web.Request, call: Call, target: Target) -> web.StreamResponse:
        query, raw = request.query, call.body
        if call.verb == "watch":
            call.code = 200
            return await self.watches.serve(request, target)
        if call.verb == "list":
            return _raw(200, self._lists.answer(target, query))
        if call.verb == "get":
            return self._get(target, query)
        if target.subresource == "eviction":
            return _json(*self._writes.evict(target, query, raw))
        if call.verb == "create":
            return _json(*self._writes.create(target, query, call.agent, raw))
        if call.verb == "update":
            return _json(*self._writes.update(target, query, call.agent, raw))
        if call.verb == "patch":
            return _json(*self._writes.patch(target, query, call.agent, raw, request.content_type))
        return _json(*self._writes.delete(target, query, raw))

    def _get(self, target: Target, query: Mapping[str, str]) -> web.Response:
        entry = self.store.entry(target.kind.plural, target.namespace, target.name)
        if target.subresource == "log":
            return web.Response(body=self.logs.read(entry.object, query), content_type="text/plain")
        if target.subresource == "scale":
            return _json(200, self._writes.scale(target))
        return _raw(200, show(target.kind, entry))


API: Final = web.AppKey("API", KubeApi)
"""Where the application keeps its ``KubeApi``: ``app[API].calls``."""


def make_app(
    store: Store, controllers: Controllers, clock: Instant, *, faults: KubeFaults | None = None
) -> web.Application:
    """The application; ``faults`` are its switches (none by default). Controllers are ticked by whoever owns them."""
    api = KubeApi(store, controllers, clock, faults or KubeFaults())
    app = web.Application(client_max_size=MAX_BODY)
    app[API] = api
    app.router.add_route("*", "/{path:.*}", api.handle)

    async def close(_: web.Application) -> None:
        api.watches.close()

    app.on_shutdown.append(close)
    return app


def _forbidden(call: Call, target: Target) -> Refused:
    group = target.kind.group
    what = f'cannot {call.verb} resource "{target.resource}" in API group "{group}"'
    where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    name = f' "{target.name}"' if target.name else ""
    text = f'{target.kind.resource}{name} is forbidden: User "{call.user}" {what} {where}'
    return Refused(403, text, name=target.name, kind=target.kind.plural, group=group)


def _refusal(refused: Refused) -> web.Response:
    headers = {"Retry-After": str(refused.retry_after)} if refused.retry_after else None
    body = msgspec.json.encode(refused.status())
    return web.Response(status=refused.code, body=body, content_type="application/json", headers=headers)


def _json(status: int, body: Obj) -> web.Response:
    return _raw(status, msgspec.json.encode(body))


def _raw(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")


# --- Container logs: what was told to them, or a few lines that every server writes


class PodLogs:
    """Log lines by pod uid and container."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], list[str]] = defaultdict(list)

    def write(self, uid: str, container: str, line: str) -> None:
        """Append one line."""
        self._lines[(uid, container)].append(line)

    def read(self, pod: Obj, query: Mapping[str, str]) -> bytes:
        """The log as ``pods/NAME/log`` answers it; refuses with 400 as the API server and its kubelets do."""
        name = pod["metadata"]["name"]
        container = query.get("container") or _only_container(pod)
        row = pods.status_of(pod, container)
        names = [item["name"] for field in ("containers", "initContainers") for item in pod["spec"].get(field, ())]
        if container not in names:
            raise Refused(400, f"container {container} is not valid for pod {name}")
        if row is None or "waiting" in row["state"]:
            reason = row["state"]["waiting"]["reason"] if row is not None else "ContainerCreating"
            raise Refused(400, f'container "{container}" in pod "{name}" is waiting to start: {reason}')
        if query.get("previous") == "true" and row["restartCount"] == 0:
            raise Refused(400, f'previous terminated container "{container}" in pod "{name}" not found')
        lines = self._lines.get((pod["metadata"]["uid"], container)) or _usual(row)
        tail = number(query, "tailLines")
        text = "".join(f"{line}\n" for line in (lines[-tail:] if "tailLines" in query and tail else lines)).encode()
        return text[: number(query, "limitBytes")] if "limitBytes" in query else text


def _only_container(pod: Obj) -> str:
    containers = [item["name"] for item in pod["spec"]["containers"]]
    if len(containers) > 1:
        name, choice = pod["metadata"]["name"], " ".join(containers)
        raise Refused(400, f"a container name must be specified for pod {name}, choose one of: [{choice}]")
    return str(containers[0])


def _usual(row: Obj) -> list[str]:
    since = row["state"].get("running", row["state"].get("terminated", {})).get("startedAt", "")
    return [f"{since} {row['name']}: started", f"{since} {row['name']}: listening"]
