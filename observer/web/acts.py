"""The writing routes: approve, take back, undo, pause, resume. Who may is asked of the person at the door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from observer.domain.approval import Approval, Plan
from observer.domain.errors import ActuatorUnavailable, JournalUnavailable
from observer.domain.person import Person, Role
from observer.domain.words import SCHEMA, unfit
from observer.runtime.operator_actions import PAUSE_PLAN, NoSuchIncident, NotNow, OperatorActions, SwitchState
from observer.web import bare_pages as pages
from observer.web.people.door import csrf_token, require, session_of
from observer.web.people.sign_in import inside
from observer.web.refusals import FORM, ApiProblem, form_of
from observer.web.rows import Row
from observer.web.views.models import TargetView, target_view

Hash = Annotated[str, Meta(pattern="^[0-9a-f]{24}$", description="Hash of the plan that was shown.")]
Key = Annotated[str, Meta(pattern="^[0-9a-f]{1,64}$", description="Id of an incident.")]
Reason = Annotated[str, Meta(extra_json_schema=SCHEMA, description="Why; everybody sees it.")]


class PlanConfirmation(Struct, frozen=True, forbid_unknown_fields=True):
    """A person has seen the plan with this hash and wants it."""

    plan: Hash


class PauseRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The same for a pause, with a reason."""

    plan: Hash
    reason: Reason = ""


class PlanView(Struct, frozen=True):
    """One act as it would be written now; ``diff`` are its changes of the cluster, a line each."""

    plan: Hash
    incident: str
    target: TargetView
    action: str
    dry_run: bool
    diff: tuple[str, ...]


class ApprovalView(Struct, frozen=True):
    """A word that counts until ``until`` (Unix seconds)."""

    plan: Hash
    incident: str
    who: str
    by: str
    given: float
    until: float


class PlansView(Struct, frozen=True):
    """What a person can do about one incident; null = there is nothing of the kind now."""

    approve: PlanView | None
    undo: PlanView | None
    approvals: tuple[ApprovalView, ...]


class WaitingView(Struct, frozen=True):
    """Everything that waits for a person's word, oldest incident first."""

    plans: tuple[PlanView, ...]


class SwitchView(Struct, frozen=True):
    """The kill switch, and the hashes that pause and resume must repeat."""

    paused: bool
    reason: str
    pause_plan: Hash
    resume_plan: Hash


class ResultView(Struct, frozen=True):
    """What came of it, in a fixed word."""

    result: str
    reason: str


class MeView(Struct, frozen=True):
    """Who asks. ``csrf`` is what a browser's session repeats with each unsafe request, empty for programs."""

    name: str
    by: str
    roles: tuple[str, ...]
    csrf: str
    session: bool


T = TypeVar("T")


class OperatorApi:
    """The handlers."""

    def __init__(self, desk: OperatorActions) -> None:
        self._desk = desk

    async def me(self, request: web.Request) -> web.StreamResponse:
        """Who asks."""
        person = require(request, Role.VIEWER)
        roles = tuple(sorted(role.value for role in person.roles))
        view = MeView(person.name, person.by, roles, csrf_token(request), session_of(request) is not None)
        return _json(view)

    async def waiting(self, request: web.Request) -> web.StreamResponse:
        """Everything that waits for a word."""
        require(request, Role.VIEWER)
        return _json(WaitingView(tuple(_plan(one) for one in self._desk.waiting())))

    async def plans(self, request: web.Request) -> web.StreamResponse:
        """What can be done about one incident."""
        require(request, Role.VIEWER)
        key = _key(request)
        approve, undo = await _tried(lambda: _now(self._desk.plans(key)))
        given = tuple(_approval(one) for one in self._desk.given(key))
        return _json(PlansView(_plan(approve) if approve else None, _plan(undo) if undo else None, given))

    async def switch(self, request: web.Request) -> web.StreamResponse:
        """The kill switch, read now."""
        require(request, Role.VIEWER)
        return _json(_switch(await self._desk.switch()))

    async def approve(self, request: web.Request) -> web.StreamResponse:
        """A word for one plan."""
        person, asked = await _asked(request, Role.APPROVER, PlanConfirmation)
        word = await _tried(lambda: self._desk.approve(_key(request), asked.plan, person))
        return await _done(request, _approval(word), status=201)

    async def withdraw(self, request: web.Request) -> web.StreamResponse:
        """Take it back."""
        person, asked = await _asked(request, Role.APPROVER, PlanConfirmation)
        await _tried(lambda: self._desk.withdraw(_key(request), asked.plan, person))
        return await _done(request, ResultView("withdrawn", "person"))

    async def undo(self, request: web.Request) -> web.StreamResponse:
        """Give a pod back."""
        person, asked = await _asked(request, Role.APPROVER, PlanConfirmation)
        outcome = await _tried(lambda: self._desk.undo(_key(request), asked.plan, person))
        return await _done(request, ResultView(outcome.result.value, outcome.reason))

    async def pause(self, request: web.Request) -> web.StreamResponse:
        """Throw the kill switch."""
        person, asked = await _asked(request, Role.APPROVER, PauseRequest)
        if wrong := unfit("reason", asked.reason):
            raise ApiProblem(422, "not_understood", wrong)
        state = await _tried(lambda: self._desk.pause(asked.plan, asked.reason, person))
        return await _done(request, _switch(state))

    async def resume(self, request: web.Request) -> web.StreamResponse:
        """Release it."""
        person, asked = await _asked(request, Role.ADMIN, PlanConfirmation)
        state = await _tried(lambda: self._desk.resume(asked.plan, person))
        return await _done(request, _switch(state))


_ONE: Final = "/api/v1/incidents/{id}"
_WRITES: Final = (403, 409, 415, 422, 503)
ROWS: Final = (
    Row("GET", "/api/v1/me", "Who asks, and what they may do", MeView, lambda it: it.me, tag="people"),
    Row("GET", "/api/v1/approvals", "What waits for a person's word", WaitingView, lambda it: it.waiting, tag="acts"),
    Row("GET", f"{_ONE}/plans", "What can be done about an incident", PlansView, lambda it: it.plans,
        errors=(404, 422), tag="acts"),
    Row("GET", "/api/v1/switch", "The kill switch, read now", SwitchView, lambda it: it.switch, tag="acts"),
    Row("POST", f"{_ONE}/approve", "Approve the plan that was shown", ApprovalView, lambda it: it.approve,
        status=201, body=PlanConfirmation, role=Role.APPROVER, errors=(404, *_WRITES), tag="acts"),
    Row("POST", f"{_ONE}/withdraw", "Take back the approval of a plan", ResultView, lambda it: it.withdraw,
        body=PlanConfirmation, role=Role.APPROVER, errors=(404, *_WRITES), tag="acts"),
    Row("POST", f"{_ONE}/undo", "Give the drained pod back now", ResultView, lambda it: it.undo,
        body=PlanConfirmation, role=Role.APPROVER, errors=(404, *_WRITES), tag="acts"),
    Row("POST", "/api/v1/pause", "Stop every write but give-backs", SwitchView, lambda it: it.pause,
        body=PauseRequest, role=Role.APPROVER, errors=_WRITES, tag="acts"),
    Row("POST", "/api/v1/resume", "Let Observer write again", SwitchView, lambda it: it.resume,
        body=PlanConfirmation, role=Role.ADMIN, errors=_WRITES, tag="acts"),
)  # fmt: skip


def add_acts(app: web.Application, desk: OperatorActions) -> None:
    """Serve the rows."""
    acts = OperatorApi(desk)
    for row in ROWS:
        app.router.add_route(row.method, row.path, row.handler(acts))


async def _asked(request: web.Request, role: Role, kind: type[T]) -> tuple[Person, T]:
    """Who asks and what they confirm. Raises: Refused 403, 422."""
    person = require(request, role)
    try:
        if request.content_type == FORM:
            form = await form_of(request)
            fields = {key: value for key, value in form.items() if key not in {"csrf", "next"}}
            return person, msgspec.convert(fields, kind)
        return person, msgspec.json.decode(await request.read(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ApiProblem(422, "not_understood", str(exc)) from exc


async def _tried(act: Callable[[], Awaitable[T]]) -> T:
    try:
        return await act()
    except NoSuchIncident as exc:
        raise ApiProblem(404, "no_such_incident", str(exc)) from exc
    except NotNow as exc:
        raise ApiProblem(409, exc.reason, str(exc)) from exc
    except (JournalUnavailable, ActuatorUnavailable) as exc:
        raise ApiProblem(
            503, "not_known_to_be_done", f"{exc}: look before you try again", {"Retry-After": "5"}
        ) from exc


async def _done(request: web.Request, view: Any, *, status: int = 200) -> web.StreamResponse:
    """A browser's form goes on to the page that it came for; a program gets what came of it."""
    if request.content_type == FORM:
        return pages.led_to(inside((await form_of(request)).get("next", "")))
    return _json(view, status=status)


async def _now(value: T) -> T:
    return value


def _key(request: web.Request) -> str:
    key = request.match_info["id"]
    try:
        return msgspec.convert(key, Key)
    except msgspec.ValidationError as exc:
        raise ApiProblem(422, "not_understood", f"{key[:80]!r} is no id of an incident") from exc


def _plan(one: Plan) -> PlanView:
    return PlanView(one.hash, one.incident, target_view(one.target), one.action_kind.value, one.dry_run, one.diff)


def _approval(one: Approval) -> ApprovalView:
    return ApprovalView(one.plan, one.incident, one.who, one.by, one.given, one.until)


def _switch(state: SwitchState) -> SwitchView:
    return SwitchView(state.paused, state.reason, PAUSE_PLAN, state.resume_plan)


def _json(view: Any, *, status: int = 200) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(status=status, body=msgspec.json.encode(view), content_type="application/json", headers=headers)
