"""``observer approve``: what waits for a person's word, and the word itself, given to the daemon that leads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec

from observer.cli.door import ApiClient
from observer.cli.failures import ApiError
from observer.cli.output import EXIT_BAD_INPUT, EXIT_FINDINGS, EXIT_NOT_FOUND

Reply = tuple[int, dict[str, Any], str]
"""Exit code, JSON body, text."""
LOOK = "look again with `observer approve`"


async def waiting(door: ApiClient) -> Reply:
    """Everything that waits."""
    found = await door.ask("/api/v1/approvals")
    plans = found["plans"]
    text = "\n\n".join(_shown(plan) for plan in plans) if plans else "nothing waits for a person's word"
    return 0, found, text


async def approve(door: ApiClient, incident: str, shown: str, *, sure: Callable[[str], bool]) -> Reply:
    """
    Give a word for what waits in ``incident``. ``shown`` is the plan's hash if the person has seen it elsewhere, else
    the plan is put before ``sure``.
    """
    plan = await _waiting_in(door, incident)
    if plan is None:
        return EXIT_NOT_FOUND, {}, f"nothing waits for a person's word in incident {incident}; {LOOK}"
    if shown and shown != plan["plan"]:
        return EXIT_FINDINGS, plan, f"what would be done now is another act than {shown}:\n{_shown(plan)}"
    if not shown and not sure(_shown(plan)):
        return EXIT_FINDINGS, plan, "not approved"
    status, body = await _post(door, f"/api/v1/incidents/{incident}/approve", {"plan": plan["plan"]})
    if status == 201:
        return 0, body, f"approved by {body['who']} until {_time(body['until'])} UTC, if it is still due by then"
    return _refused(status, body)


async def withdraw(door: ApiClient, incident: str) -> Reply:
    """Take back every word that counts now in ``incident``."""
    found = await door.ask(f"/api/v1/incidents/{incident}/plans")
    hashes = sorted({one["plan"] for one in found["approvals"]})
    if not hashes:
        return EXIT_NOT_FOUND, {}, f"no approval counts now in incident {incident}"
    for plan in hashes:
        status, body = await _post(door, f"/api/v1/incidents/{incident}/withdraw", {"plan": plan})
        if status != 200:
            return _refused(status, body)
    return 0, {"withdrawn": hashes}, "taken back"


def asks_person(shown: str) -> bool:
    """Shows the plan and reads the answer from the terminal; without one it cannot be asked, which is no."""
    if not sys.stdin.isatty():
        sys.stderr.write("observer: nobody can be asked here: name the plan with --plan HASH\n")
        return False
    sys.stderr.write(f"{shown}\nApprove this? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


async def _waiting_in(door: ApiClient, incident: str) -> dict[str, Any] | None:
    plans: Sequence[dict[str, Any]] = (await door.ask("/api/v1/approvals"))["plans"]
    return next((plan for plan in plans if plan["incident"] == incident), None)


async def _post(door: ApiClient, path: str, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
    try:
        status, text = await door.send(path, body)
        found = msgspec.json.decode(text, type=dict[str, Any])
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise ApiError(f"{door.url} did not answer: it is not known whether it was done", LOOK) from exc
    except msgspec.DecodeError as exc:
        raise ApiError(f"{door.url} answers, but not as Observer does", LOOK) from exc
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
    head = f"incident {plan['incident']}: {plan['action']} of {subject(plan['target'])}, plan {plan['plan']}"
    return "\n".join([head, *(f"  {line}" for line in plan["diff"])])


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def subject(target: Mapping[str, str]) -> str:
    """``pod shop/cart-1``."""
    return f"{target['kind']} {'/'.join(part for part in (target['namespace'], target['name']) if part)}"
