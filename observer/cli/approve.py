"""``observer approve``: what waits for approval, and the approval itself, given to the daemon that leads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
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
from observer.cli.failures import ApiError
from observer.cli.output import EXIT_BAD_INPUT, EXIT_FINDINGS, EXIT_NOT_FOUND, fail, show

if TYPE_CHECKING:
    from observer.cli.api_client import ApiClient

LIST: Final = "`observer approve` alone lists what waits, with the ids"


Reply = tuple[int, dict[str, Any], str]
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
    Approve what a policy wants a person for, or list what waits; an approval is for one act and lasts 15 minutes.

    Exit codes: 0 done, 1 refused or another act waits now, 2 no permission, 3 nothing waits, 4 the daemon is silent.
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
    found = await client.ask("/api/v1/approvals")
    plans = found["plans"]
    text = "\n\n".join(_shown(plan) for plan in plans) if plans else "nothing waits for a person's word"
    return 0, found, text


async def approve_plan(client: ApiClient, incident: str, shown: str, *, confirm: Callable[[str], bool]) -> Reply:
    """
    Give a word for what waits in ``incident``. ``shown`` is the plan's hash if the person has seen it elsewhere, else
    the plan is put before ``confirm``.
    """
    plan = await _waiting_in(client, incident)
    if plan is None:
        return EXIT_NOT_FOUND, {}, f"nothing waits for a person's word in incident {incident}; {LOOK}"
    if shown and shown != plan["plan"]:
        return EXIT_FINDINGS, plan, f"what would be done now is another act than {shown}:\n{_shown(plan)}"
    if not shown and not confirm(_shown(plan)):
        return EXIT_FINDINGS, plan, "not approved"
    status, body = await _post(client, f"/api/v1/incidents/{incident}/approve", {"plan": plan["plan"]})
    if status == 201:
        return 0, body, f"approved by {body['who']} until {_time(body['until'])} UTC, if it is still due by then"
    return _refused(status, body)


async def withdraw_all(client: ApiClient, incident: str) -> Reply:
    """Take back every word that counts now in ``incident``."""
    found = await client.ask(f"/api/v1/incidents/{incident}/plans")
    hashes = sorted({one["plan"] for one in found["approvals"]})
    if not hashes:
        return EXIT_NOT_FOUND, {}, f"no approval counts now in incident {incident}"
    for plan in hashes:
        status, body = await _post(client, f"/api/v1/incidents/{incident}/withdraw", {"plan": plan})
        if status != 200:
            return _refused(status, body)
    return 0, {"withdrawn": hashes}, "taken back"


def ask_person(shown: str) -> bool:
    """Shows the plan and reads the answer from the terminal; without one it cannot be asked, which is no."""
    if not sys.stdin.isatty():
        sys.stderr.write("observer: nobody can be asked here: name the plan with --plan HASH\n")
        return False
    sys.stderr.write(f"{shown}\nApprove this? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


async def _waiting_in(client: ApiClient, incident: str) -> dict[str, Any] | None:
    plans: Sequence[dict[str, Any]] = (await client.ask("/api/v1/approvals"))["plans"]
    return next((plan for plan in plans if plan["incident"] == incident), None)


async def _post(client: ApiClient, path: str, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
    from aiohttp import ClientError

    try:
        status, text = await client.send(path, body)
        found = msgspec.json.decode(text, type=dict[str, Any])
    except (ClientError, TimeoutError, OSError) as exc:
        raise ApiError(f"{client.url} did not answer: it is not known whether it was done", LOOK) from exc
    except msgspec.DecodeError as exc:
        raise ApiError(f"{client.url} answers, but not as Observer does", LOOK) from exc
    return status, found


def _refused(status: int, body: dict[str, Any]) -> Reply:
    detail = str(body.get("detail") or body.get("title") or f"HTTP {status}")
    if status == 404:
        return EXIT_NOT_FOUND, body, detail
    if status in {401, 403}:
        step = "give a token that may approve with --token-file or $OBSERVER_TOKEN_FILE"
        return EXIT_BAD_INPUT, body, f"{detail}; {step}"
    return EXIT_FINDINGS, body, f"{detail}; {LOOK}"


def _shown(plan: dict[str, Any]) -> str:
    head = f"incident {plan['incident']}: {plan['rung']} of pod {plan['namespace']}/{plan['pod']}, plan {plan['plan']}"
    return "\n".join([head, *(f"  {line}" for line in plan["diff"])])


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")
