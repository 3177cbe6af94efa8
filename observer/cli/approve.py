"""``observer approve``: what waits for approval, and the approval itself, given to the daemon that leads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from observer.cli.application import (
    CaFile,
    Config,
    Json,
    TokenFile,
    Url,
    app,
    awaited,
    client_from,
    settings_from,
    words,
)
from observer.cli.moments import clock
from observer.cli.output import EXIT_BAD_INPUT, EXIT_FINDINGS, EXIT_NOT_FOUND, fail, show

if TYPE_CHECKING:
    from observer.cli.api_client import ApiClient
    from observer.web.models.operator import PlanView
    from observer.web.models.rows import Problem

LIST: Final = "`observer approve` alone lists what waits, with the ids"


Reply = tuple[int, object, str]
"""Exit code, JSON body, text."""
LOOK = "look again with `observer approve`"


@app.command()
def approve(
    *,
    incident: Annotated[str, typer.Argument(help="Incident in which something waits; without it, what waits.")] = "",
    plan: Annotated[str, typer.Option("--plan", help="Hash of the plan that you have seen; else you are asked.")] = "",
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take approvals of the incident back.")] = False,
    url: Url = "",
    token_file: TokenFile = "",
    ca_file: CaFile = "",
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Approve an action that a policy requires approval for, or list what waits; an approval is for one action and lasts
    15 minutes.

    Exit codes: 0 done, 1 rejected or another action waits now, 2 no permission, 3 nothing waits, 4 no daemon
    answers.
    """
    words("INCIDENT", incident)
    words("--plan", plan)
    if incident and not incident.isalnum():
        fail(f"{incident!r}: expected the id of an incident, as `observer approve` lists it", EXIT_BAD_INPUT, LIST)
    if (withdraw or plan) and not incident:
        fail("--plan, --withdraw: name the incident, too", EXIT_BAD_INPUT, LIST)
    if withdraw and plan:
        fail("--plan and --withdraw contradict each other", EXIT_BAD_INPUT, "leave one of them out")
    client = client_from(settings_from(config), url, token_file, ca_file)
    if not incident:
        code, body, text = awaited(list_waiting(client))
    elif withdraw:
        code, body, text = awaited(withdraw_all(client, incident))
    else:
        code, body, text = awaited(approve_plan(client, incident, plan, confirm=ask_person))
    show(body, text, json=json)
    raise SystemExit(code)


async def list_waiting(client: ApiClient) -> Reply:
    """Everything that waits."""
    plans = await _waiting(client)
    text = "\n\n".join(_shown(plan) for plan in plans) if plans else "nothing waits for approval"
    return 0, {"plans": plans}, text


async def approve_plan(client: ApiClient, incident: str, shown: str, *, confirm: Callable[[str], bool]) -> Reply:
    """
    Approve what waits in ``incident``. ``shown`` is the plan's hash if the person has seen it elsewhere, else the plan
    is put before ``confirm``.
    """
    from observer.web.models.operator import ApprovalView, PlanConfirmation
    from observer.web.models.rows import Problem

    plan = next((plan for plan in await _waiting(client) if plan.incident == incident), None)
    if plan is None:
        return EXIT_NOT_FOUND, {}, f"nothing waits for approval in incident {incident}; {LOOK}"
    if shown and shown != plan.plan:
        return EXIT_FINDINGS, plan, f"the plan {shown} no longer applies; what waits now is:\n{_shown(plan)}"
    if not shown and not confirm(_shown(plan)):
        return EXIT_FINDINGS, plan, "not approved"
    path = f"/api/v1/incidents/{incident}/approve"
    answer = await client.post(path, PlanConfirmation(plan.plan), ApprovalView)
    if isinstance(answer, Problem):
        return _refused(answer)
    return 0, answer, f"approved by {answer.who} until {clock(answer.until)} UTC, if it is still due by then"


async def withdraw_all(client: ApiClient, incident: str) -> Reply:
    """Take back every approval that counts now in ``incident``."""
    from observer.web.models.operator import PlanConfirmation, PlansView, ResultView
    from observer.web.models.rows import Problem

    plans = await client.get(f"/api/v1/incidents/{incident}/plans", PlansView)
    hashes = sorted({approval.plan for approval in plans.approvals})
    if not hashes:
        return EXIT_NOT_FOUND, {}, f"no approval counts now in incident {incident}"
    for plan in hashes:
        answer = await client.post(f"/api/v1/incidents/{incident}/withdraw", PlanConfirmation(plan), ResultView)
        if isinstance(answer, Problem):
            return _refused(answer)
    return 0, {"withdrawn": hashes}, "withdrawn"


def ask_person(shown: str) -> bool:
    """Shows the plan and reads the answer from the terminal; without one it cannot be asked, which is no."""
    if not sys.stdin.isatty():
        sys.stderr.write("observer: not a terminal; name the plan with --plan HASH\n")
        return False
    sys.stderr.write(f"{shown}\nApprove this? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


async def _waiting(client: ApiClient) -> Sequence[PlanView]:
    from observer.web.models.operator import WaitingView

    return (await client.get("/api/v1/approvals", WaitingView)).plans


def _refused(problem: Problem) -> Reply:
    detail = problem.detail or problem.title
    if problem.status == 404:
        return EXIT_NOT_FOUND, problem, detail
    if problem.status in {401, 403}:
        step = "give a token that may approve with --token-file or $OBSERVER_TOKEN_FILE"
        return EXIT_BAD_INPUT, problem, f"{detail}; {step}"
    return EXIT_FINDINGS, problem, f"{detail}; {LOOK}"


def _shown(plan: PlanView) -> str:
    head = f"incident {plan.incident}: {plan.action} {plan.target}, plan {plan.plan}"
    return "\n".join([head, *(f"  {line}" for line in plan.diff)])
