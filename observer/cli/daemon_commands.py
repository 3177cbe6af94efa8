"""Commands around the daemon and the cluster; each body lives in a file of its own, imported when it is called."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from observer import __version__
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
    settings_path,
)
from observer.cli.completion import namespaces, pods, subjects
from observer.cli.output import EXIT_BAD_INPUT, EXIT_NOT_FOUND, EXIT_UNREACHABLE, fail, show
from observer.cli.paint import paint_for
from observer.domain.names import DRAIN_LABEL

DRAINED: Final = f"`observer incidents --open` and `kubectl get pods -A -l {DRAIN_LABEL}` name what is drained"


@app.command()
def version(json: Json = False) -> None:
    """Print the version."""
    show({"version": __version__}, f"observer {__version__}", json=json)


@app.command()
def run(config: Config = None) -> None:
    """Run the daemon until SIGTERM."""
    from observer.app import run_daemon

    raise SystemExit(asyncio.run(run_daemon(settings_from(config), settings_path(config))))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep mesh and Observer running until Ctrl-C.")] = False,
    day: Annotated[
        Path | None, typer.Option("--day", help="Record a day with many incidents into this file instead.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated mesh.")] = 7,
    json: Json = False,
) -> None:
    """Run the whole story on a simulated mesh: a gray pod is found, drained, proven, evicted, replaced, verified."""
    if day is not None:
        from observer.cli.day import run_day

        raise SystemExit(asyncio.run(run_day(day, seed)))
    from observer.cli.demo import run_demo

    raise SystemExit(asyncio.run(run_demo(keep=keep, seed=seed, json=json)))


@app.command()
def page(
    recording: Annotated[Path, typer.Option("--recording", "-r", help="A recording, for example of `demo --day`.")],
    listen: Annotated[str, typer.Option(help="Address on the loopback interface.")] = "127.0.0.1:8090",
) -> None:
    """Show a recording on the page and the reading API, as the daemon showed it at its end; nothing can be written."""
    from observer.cli.page import run_page

    raise SystemExit(asyncio.run(run_page(recording, listen)))


@app.command()
def doctor(config: Config = None, json: Json = False) -> None:
    """Ask each source: reachable, authenticated, fresh, right metrics and labels? Says what to do about red lines."""
    from observer.cli.doctor import examine, rows, text

    findings = awaited(examine(settings_from(config)))
    show(rows(findings), text(findings, paint_for(sys.stdout)), json=json)
    if any(finding.ok is False for finding in findings):
        raise SystemExit(EXIT_UNREACHABLE)


@app.command()
def status(
    url: Url = "", token_file: TokenFile = "", ca_file: CaFile = "", config: Config = None, json: Json = False
) -> None:
    """Print what Observer is doing now: mode, sources, open incidents; from the daemon, else from the journal."""
    from observer.cli.status import current

    settings = settings_from(config)
    door = client_from(settings, url, token_file, ca_file)
    body, text = awaited(current(settings, door, paint_for(sys.stdout)))
    show(body, text, json=json)


@app.command()
def why(
    subject: Annotated[
        str,
        typer.Argument(help="KIND/NAME or KIND/NAMESPACE/NAME, for example pod/shop/cart-1.", autocompletion=subjects),
    ],
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace of NAME.", autocompletion=namespaces)
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many decisions.")] = 50,
    config: Config = None,
    json: Json = False,
) -> None:
    """Print every decision about something, to act and not to act, with evidence and where the evidence is kept."""
    from observer.cli.why import explain

    settings, paint = settings_from(config), paint_for(sys.stdout)
    body, text = awaited(explain(settings, subject, namespace, limit, paint))
    show(body, text, json=json)
    if not body["decisions"]:
        raise SystemExit(EXIT_NOT_FOUND)


@app.command()
def pause(
    reason: Annotated[str, typer.Option(help="Why; everybody who asks is told.")] = "",
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Throw the kill switch: Observer goes on observing and writes nothing but give-backs.

    Exit codes: 0 paused, 1 somebody else paused it in the same instant and theirs stands, 4 the cluster is silent.
    """
    _switch(config, paused=True, reason=reason, json=json)


@app.command()
def resume(config: Config = None, json: Json = False) -> None:
    """
    Release the kill switch, as it says now; a pause that comes meanwhile stays.

    Exit codes: 0 released, 1 somebody else changed it meanwhile, 4 the cluster is silent.
    """
    _switch(config, paused=False, reason="", json=json)


@app.command()
def undo(
    pod: Annotated[str, typer.Argument(help="NAMESPACE/POD that Observer drained.", autocompletion=pods)],
    config: Config = None,
    json: Json = False,
) -> None:
    """Give one drained pod back now, with or without a running daemon; touches only what is Observer's."""
    from observer.cli.give_back import one_pod
    from observer.cli.given import words

    words("POD", pod)
    if pod.count("/") != 1 or not all(pod.split("/")):
        fail(f"{pod!r}: expected NAMESPACE/POD, for example shop/cart-1", EXIT_BAD_INPUT, DRAINED)
    code, body, text = awaited(one_pod(settings_from(config), pod))
    show(body, text, json=json)
    raise SystemExit(code)


@app.command()
def restore(
    expired: Annotated[bool, typer.Option("--expired", help="Give back every pod whose drain has expired.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Give back every pod that Observer drained.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Give drained pods back even when the daemon is dead; run by a CronJob."""
    from observer.cli.give_back import many_pods

    if expired == everything:
        step = "--expired gives back what is overdue and is harmless; --all ends every drain that Observer began"
        fail("say either --expired or --all", EXIT_BAD_INPUT, step)
    code, body, text = awaited(many_pods(settings_from(config), force=everything))
    show(body, text, json=json)
    raise SystemExit(code)


@app.command()
def record(
    folder: Annotated[Path, typer.Option("--out", "-o", help="Folder for the recording; it is made.")],
    seconds: Annotated[float, typer.Option(min=1, help="Stop after so long.")] = 600.0,
    config: Config = None,
) -> None:
    """Watch in shadow mode and record what is seen and decided, for `observer replay`; writes nothing else."""
    from observer.cli.record import run_record

    raise SystemExit(asyncio.run(run_record(settings_from(config), folder, seconds)))


@app.command()
def migrate(config: Config = None, json: Json = False) -> None:
    """Bring the journal's schema to this version."""
    from observer.cli.migrate import upgrade

    body, text = upgrade(settings_from(config))
    show(body, text, json=json)


def _switch(config: Path | None, *, paused: bool, reason: str, json: bool) -> None:
    from observer.cli.given import who_is_here, words
    from observer.cli.switch import throw

    who, reason = who_is_here(), words("--reason", reason)
    body, text = awaited(throw(settings_from(config), paused=paused, who=who, reason=reason))
    show(body, text, json=json)
