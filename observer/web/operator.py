"""The handlers of the routes that write: approve, withdraw, undo, pause, resume. Who may is asked of the person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from observer.domain.approval import Approval, Plan
from observer.domain.errors import ActuatorUnavailable, JournalUnavailable
from observer.domain.person import Person, Role
from observer.domain.words import unfit
from observer.runtime.operator_actions import PAUSE_PLAN, NoSuchIncident, NotNow, OperatorActions, SwitchState
from observer.web import bare_pages as pages
from observer.web.models import operator as models
from observer.web.people.auth import csrf_token, require, session_of
from observer.web.people.sign_in import inside
from observer.web.problems import FORM, ApiProblem, form_of
from observer.web.views.rows import target_view

T = TypeVar("T")


class OperatorApi:
    """One handler a route."""

    def __init__(self, actions: OperatorActions) -> None:
        self._actions = actions

    async def me(self, request: web.Request) -> web.StreamResponse:
        """Who asks."""
        person = require(request, Role.VIEWER)
        roles = tuple(sorted(role.value for role in person.roles))
        in_session = session_of(request) is not None
        return _json(models.PersonView(person.name, person.by, roles, csrf_token(request), in_session))

    async def waiting(self, request: web.Request) -> web.StreamResponse:
        """Everything that waits for approval."""
        require(request, Role.VIEWER)
        return _json(models.WaitingView(tuple(plan_view(plan) for plan in self._actions.waiting())))

    async def plans(self, request: web.Request) -> web.StreamResponse:
        """What can be done about one incident."""
        require(request, Role.VIEWER)
        incident = _incident(request)
        approve, undo = await _tried(lambda: _now(self._actions.plans(incident)))
        approvals = tuple(_approval(approval) for approval in self._actions.given(incident))
        return _json(
            models.PlansView(plan_view(approve) if approve else None, plan_view(undo) if undo else None, approvals)
        )

    async def switch(self, request: web.Request) -> web.StreamResponse:
        """The kill switch, read now."""
        require(request, Role.VIEWER)
        return _json(_switch(await self._actions.switch()))

    async def approve(self, request: web.Request) -> web.StreamResponse:
        """Approve one plan."""
        person, confirmed = await _confirmed(request, Role.APPROVER, models.PlanConfirmation)
        approval = await _tried(lambda: self._actions.approve(_incident(request), confirmed.plan, person))
        return await _done(request, _approval(approval), status=201)

    async def withdraw(self, request: web.Request) -> web.StreamResponse:
        """Take an approval back."""
        person, confirmed = await _confirmed(request, Role.APPROVER, models.PlanConfirmation)
        await _tried(lambda: self._actions.withdraw(_incident(request), confirmed.plan, person))
        return await _done(request, models.ResultView("withdrawn", "person"))

    async def undo(self, request: web.Request) -> web.StreamResponse:
        """Restore what was drained."""
        person, confirmed = await _confirmed(request, Role.APPROVER, models.PlanConfirmation)
        outcome = await _tried(lambda: self._actions.undo(_incident(request), confirmed.plan, person))
        return await _done(request, models.ResultView(outcome.result.value, outcome.reason))

    async def pause(self, request: web.Request) -> web.StreamResponse:
        """Pause all actions."""
        person, wanted = await _confirmed(request, Role.APPROVER, models.PauseRequest)
        if wrong := unfit("reason", wanted.reason):
            raise ApiProblem(422, "not_understood", wrong)
        state = await _tried(lambda: self._actions.pause(wanted.plan, wanted.reason, person))
        return await _done(request, _switch(state))

    async def resume(self, request: web.Request) -> web.StreamResponse:
        """Let actions run again."""
        person, confirmed = await _confirmed(request, Role.ADMIN, models.PlanConfirmation)
        state = await _tried(lambda: self._actions.resume(confirmed.plan, person))
        return await _done(request, _switch(state))


async def _confirmed(request: web.Request, role: Role, kind: type[T]) -> tuple[Person, T]:
    """Who asks and what they confirm. Raises: ApiProblem 403, 422."""
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
        again = {"Retry-After": "5"}
        raise ApiProblem(503, "not_known_to_be_done", f"{exc}: look before you try again", again) from exc


async def _done(request: web.Request, view: Struct, *, status: int = 200) -> web.StreamResponse:
    """A browser's form goes on to the page that it came for; a program gets what came of it."""
    if request.content_type == FORM:
        return pages.led_to(inside((await form_of(request)).get("next", "")))
    return _json(view, status=status)


async def _now(value: T) -> T:
    return value


def _incident(request: web.Request) -> str:
    key = request.match_info["id"]
    try:
        return msgspec.convert(key, models.Key)
    except msgspec.ValidationError as exc:
        raise ApiProblem(422, "not_understood", f"{key[:80]!r} is no id of an incident") from exc


def plan_view(plan: Plan) -> models.PlanView:
    """One action as it would be written now."""
    target, action = target_view(plan.target), plan.action_kind.value
    return models.PlanView(plan.hash, plan.incident, target, action, plan.dry_run, plan.diff)


def _approval(approval: Approval) -> models.ApprovalView:
    return models.ApprovalView(
        approval.plan, approval.incident, approval.who, approval.by, approval.given, approval.until
    )


def _switch(state: SwitchState) -> models.SwitchView:
    return models.SwitchView(state.paused, state.reason, PAUSE_PLAN, state.resume_plan)


def _json(view: Struct, *, status: int = 200) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(status=status, body=msgspec.json.encode(view), content_type="application/json", headers=headers)
