"""Commands by which a person gives Observer a word."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from observer.cli.application import CaFile, Config, Json, TokenFile, Url, app, awaited, client_from, settings_from
from observer.cli.output import EXIT_BAD_INPUT, fail, show

LIST: Final = "`observer approve` alone lists what waits, with the ids"


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
    from observer.cli import approve as words
    from observer.cli.given import words as fit

    fit("INCIDENT", incident)
    fit("--plan", plan)
    if incident and not incident.isalnum():
        fail(f"{incident!r}: expected the id of an incident, as `observer approve` lists it", EXIT_BAD_INPUT, LIST)
    if (withdraw or plan) and not incident:
        fail("--plan, --withdraw: name the incident, too", EXIT_BAD_INPUT, LIST)
    if withdraw and plan:
        fail("--plan and --withdraw contradict each other", EXIT_BAD_INPUT, "leave one of them out")
    door = client_from(settings_from(config), url, token_file, ca_file)
    if not incident:
        code, body, text = awaited(words.waiting(door))
    elif withdraw:
        code, body, text = awaited(words.withdraw(door, incident))
    else:
        code, body, text = awaited(words.approve(door, incident, plan, sure=words.asks_person))
    show(body, text, json=json)
    raise SystemExit(code)
