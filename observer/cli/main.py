"""The commands and their options; each body lives in a file of its own and is imported when it is called."""

from __future__ import annotations

import asyncio
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from observer import __version__
from observer.cli.output import EXIT_BAD_INPUT, EXIT_NOT_FOUND, EXIT_UNREACHABLE, Output, fail, show
from observer.domain.errors import ConfigError, JournalUnavailable, ObserverError

if TYPE_CHECKING:
    from observer.config.model import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Finds the pod that passes its probes and still fails its users, replaces it, and proves that it helped.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file; default: $OBSERVER_CONFIG, else the built-in defaults."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


class SchemaOf(StrEnum):
    """What ``observer schema`` knows."""

    SETTINGS = "settings"
    OPENSLO = "openslo"


def main() -> None:
    """Entry point: turns Observer's own errors into one clear line and a stable exit code."""
    try:
        app()
    except ConfigError as exc:
        fail(str(exc), EXIT_BAD_INPUT)
    except JournalUnavailable as exc:
        fail(f"journal: {exc}", EXIT_UNREACHABLE)
    except ObserverError as exc:
        fail(str(exc), EXIT_UNREACHABLE)


def settings_from(config: Path | None) -> Settings:
    """The settings of ``--config``, of ``$OBSERVER_CONFIG``, or the defaults."""
    from observer.config.settings import default, load

    path = config or (Path(named) if (named := os.environ.get("OBSERVER_CONFIG")) else None)
    return load(path) if path is not None else default()


@app.command()
def version(json: Json = False) -> None:
    """Print the version."""
    show({"version": __version__}, f"observer {__version__}", json=json)


@app.command()
def run(config: Config = None) -> None:
    """Run the daemon until SIGTERM."""
    from observer.app import run_daemon

    raise SystemExit(asyncio.run(run_daemon(settings_from(config))))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep mesh and Observer running until Ctrl-C.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the simulated mesh.")] = 7,
    json: Json = False,
) -> None:
    """Run the whole story on a simulated mesh: a gray pod is found, drained, proven, evicted, replaced, verified."""
    from observer.cli.demo import run_demo

    raise SystemExit(asyncio.run(run_demo(keep=keep, seed=seed, json=json)))


@app.command()
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="OpenSLO and policy files or directories.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Ask the metric server about the queries, too.")] = False,
    output: Annotated[Output, typer.Option(help="How findings are printed.")] = Output.TEXT,
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Check the settings and print the false acts a month that they allow; check the documents in PATHS.

    Exit codes: 0 clean, 1 a finding is an error, 2 a file cannot be read.
    """
    from observer.app import now
    from observer.cli.check import judge, judge_live, printed

    settings, form, named = settings_from(config), Output.JSON if json else output, paths or []
    found = asyncio.run(judge_live(settings, named, now())) if live else judge(settings, named, now())
    typer.echo(printed(settings, found, form, asked=bool(paths)))
    raise SystemExit(found.code)


@app.command()
def convert(
    files: Annotated[list[Path], typer.Argument(help="Files or directories of Sloth, Pyrra or OpenSLO documents.")],
    source: Annotated[str, typer.Option("--from", help="Format of the files; default: what they say.")] = "",
    folder: Annotated[Path | None, typer.Option("--out", "-o", help="Write files here instead of printing.")] = None,
) -> None:
    """Print objectives of other tools as OpenSLO v1; what cannot be carried is an error or a note, never silent."""
    from observer.cli.convert import convert as convert_files
    from observer.cli.convert import save
    from observer.exchange.formats import Format

    if source and source not in set(Format):
        fail(f"--from {source!r}: must be one of {', '.join(Format)}", EXIT_BAD_INPUT)
    result = convert_files(files, Format(source) if source else None)
    for note in result.notes:
        typer.echo(note, err=True)
    if folder is None:
        typer.echo("---\n".join(result.files.values()), nl=False)
        return
    for path in save(result, folder):
        typer.echo(str(path))


@app.command()
def schema(
    kind: Annotated[SchemaOf, typer.Argument(help="Which file the schema is for.")] = SchemaOf.SETTINGS,
) -> None:
    """Print the JSON Schema of the settings file or of OpenSLO documents."""
    if kind is SchemaOf.OPENSLO:
        from observer.config.openslo.schema import schema as openslo_schema

        show(openslo_schema(), "", json=True)
    else:
        from observer.config.settings import schema as settings_schema

        show(settings_schema(), "", json=True)


@app.command()
def doctor(config: Config = None, json: Json = False) -> None:
    """Ask each source: reachable, authenticated, fresh, right metrics and labels? Says what to do about red lines."""
    from observer.cli.doctor import examine, rows, text

    findings = asyncio.run(examine(settings_from(config)))
    show(rows(findings), text(findings), json=json)
    if any(finding.ok is False for finding in findings):
        raise SystemExit(EXIT_UNREACHABLE)


@app.command()
def status(config: Config = None, json: Json = False) -> None:
    """Print what Observer is doing now: mode, sources, open incidents; from the daemon, else from the journal."""
    from observer.cli.status import current

    body, text = asyncio.run(current(settings_from(config)))
    show(body, text, json=json)


@app.command()
def why(
    subject: Annotated[str, typer.Argument(help="KIND/NAME or KIND/NAMESPACE/NAME, for example pod/shop/cart-1.")],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace of NAME.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many decisions.")] = 50,
    config: Config = None,
    json: Json = False,
) -> None:
    """Print every decision about something, to act and not to act, with evidence and where the evidence is kept."""
    from observer.cli.why import explain

    body, text = asyncio.run(explain(settings_from(config), subject, namespace, limit))
    show(body, text, json=json)
    if not body["decisions"]:
        raise SystemExit(EXIT_NOT_FOUND)


@app.command()
def pause(
    reason: Annotated[str, typer.Option(help="Why; everybody who asks is told.")] = "",
    config: Config = None,
    json: Json = False,
) -> None:
    """Throw the kill switch: Observer goes on observing and writes nothing but give-backs."""
    _switch(config, paused=True, reason=reason, json=json)


@app.command()
def resume(config: Config = None, json: Json = False) -> None:
    """Release the kill switch."""
    _switch(config, paused=False, reason="", json=json)


@app.command()
def undo(
    pod: Annotated[str, typer.Argument(help="NAMESPACE/POD that Observer drained.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Give one drained pod back now, with or without a running daemon; touches only what is Observer's."""
    from observer.cli.give_back import one_pod

    if pod.count("/") != 1 or not all(pod.split("/")):
        fail(f"{pod!r}: expected NAMESPACE/POD, for example shop/cart-1", EXIT_BAD_INPUT)
    code, body, text = asyncio.run(one_pod(settings_from(config), pod))
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
        fail("say either --expired or --all", EXIT_BAD_INPUT)
    code, body, text = asyncio.run(many_pods(settings_from(config), force=everything))
    show(body, text, json=json)
    raise SystemExit(code)


@app.command()
def migrate(config: Config = None, json: Json = False) -> None:
    """Bring the journal's schema to this version."""
    from observer.cli.migrate import upgrade

    body, text = upgrade(settings_from(config))
    show(body, text, json=json)


def _switch(config: Path | None, *, paused: bool, reason: str, json: bool) -> None:
    from observer.cli.switch import throw

    who = os.environ.get("USER") or os.environ.get("LOGNAME") or "unknown"
    body, text = asyncio.run(throw(settings_from(config), paused=paused, who=who, reason=reason))
    show(body, text, json=json)
