"""Commands for the person at the terminal: what happened, is the trail whole; bodies live in files of their own."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from observer.cli.application import CaFile, Config, Json, TokenFile, Url, app, awaited, client_from, settings_from
from observer.cli.completion import Shell, namespaces, pods
from observer.cli.output import EXIT_BAD_INPUT, ReportForm, fail, show
from observer.cli.paint import PLAIN, paint_for

audit = typer.Typer(no_args_is_help=True, help="The audit trail.", rich_markup_mode=None)
app.add_typer(audit, name="audit")


@app.command()
def incidents(
    *,
    since: Annotated[
        str, typer.Option("--since", help="How far back: a duration (24h, 7d) or an instant with its zone.")
    ] = "",
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Only those of this namespace.", autocompletion=namespaces)
    ] = "",
    open_only: Annotated[bool, typer.Option("--open", help="Only those that are not closed.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 100,
    config: Config = None,
    json: Json = False,
) -> None:
    """List incidents, newest first: who was suspected of what, where it stands or how it ended; from the journal."""
    from observer.app import now
    from observer.cli.incidents import Wanted, listed
    from observer.cli.moments import since as instant_of

    at = now()
    wanted = Wanted(at, instant_of(since, at) if since else 0.0, namespace, open_only, limit)
    body, text = awaited(listed(settings_from(config), wanted, paint_for(sys.stdout)))
    show(body, text, json=json)


@app.command()
def report(
    *,
    since: Annotated[
        str, typer.Option("--since", help="How far back: a duration (24h, 7d) or an instant with its zone.")
    ] = "24h",
    form: Annotated[ReportForm, typer.Option("--format", help="How it is written.")] = ReportForm.TEXT,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write a file instead of printing.")] = None,
    send: Annotated[
        str, typer.Option("--send", help="Send it to the receiver of this name under `notify` of the settings.")
    ] = "",
    url: Url = "",
    token_file: TokenFile = "",
    ca_file: CaFile = "",
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Tell the morning after: what was hurt, budgets spent, what Observer did and whether it helped, what it held back
    and why, what it wants of people, and how long it was blind; from the journal.
    """
    from observer.app import now, send_report
    from observer.cli.moments import since as instant_of
    from observer.cli.report.forms import written
    from observer.cli.report.gather import gather

    if json and form not in (ReportForm.TEXT, ReportForm.JSON):
        fail(f"--json and --format {form} contradict each other", EXIT_BAD_INPUT, "leave one of them out")
    settings, at = settings_from(config), now()
    door = client_from(settings, url, token_file, ca_file)
    found = awaited(gather(settings, instant_of(since, at), at, door))
    paint = paint_for(sys.stdout) if out is None else PLAIN
    text = written(found, ReportForm.JSON if json else form, paint)
    if send:
        from observer.cli.report.forms import outgoing

        awaited(send_report(settings, send, outgoing(found)))
        show(None, f"sent to {send}", json=False)
    elif out is None:
        show(None, text, json=False)
    else:
        _save(out, text)


@app.command()
def top(
    *,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Only workloads of this namespace.", autocompletion=namespaces)
    ] = "",
    text: Annotated[str, typer.Option("--filter", help="Only workloads whose namespace/name holds this text.")] = "",
    every: Annotated[float, typer.Option(min=0.5, max=3600, help="Seconds between two pictures.")] = 2.0,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of the full screen.")] = False,
    url: Url = "",
    token_file: TokenFile = "",
    ca_file: CaFile = "",
    config: Config = None,
) -> None:
    """
    Watch the daemon live: what it wants of you, open incidents, workloads, what it did; needs the extra `tui`.

    Where standard output is no terminal it prints once. Keys: arrows and enter (why), i, w, / (filter), space, r, q.
    """
    from observer.cli.top.board import WorkloadFilter
    from observer.cli.top.run import run as run_top

    door = client_from(settings_from(config), url, token_file, ca_file)
    interactive = sys.stdout.isatty() and sys.stdin.isatty()
    with suppress(KeyboardInterrupt):
        run_top(door, WorkloadFilter(namespace, text), every=every, plain=plain, interactive=interactive)


@app.command()
def silence(
    *,
    pod: Annotated[str, typer.Argument(help="NAMESPACE/POD whose own alerts are to be silent.", autocompletion=pods)],
    lasting: Annotated[str, typer.Option("--for", help="How long, at most 5m.")] = "5m",
    reason: Annotated[str, typer.Option(help="Why; Alertmanager shows it.")] = "",
    alertmanager: Annotated[str, typer.Option(help="Its address; default: the first of `alertmanager.urls`.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Silence a pod's own alerts in Alertmanager for at most 5 minutes; never those of objectives or of Observer.

    Shows what it will match and asks. Exit codes: 0 silenced, 1 you said no, 2 bad input, 4 Alertmanager is not there.
    """
    from observer.cli.silence import Wanted as Quiet
    from observer.cli.silence import asking, pod_of, seconds_of
    from observer.cli.silence import silence as silence_pod

    pod_of(pod)
    seconds_of(lasting)
    settings = asking(settings_from(config), alertmanager)
    if not yes and not sys.stdin.isatty():
        fail("nobody is here to be asked", EXIT_BAD_INPUT, "say --yes, or run it in a terminal")

    def confirm(preview: str) -> bool:
        if not json:
            typer.echo(preview)
        return yes or typer.confirm("Silence them?", err=True)

    wanted = Quiet(pod, lasting, reason, alertmanager)
    code, body, text = awaited(silence_pod(settings, wanted, confirm, paint_for(sys.stdout)))
    show(body, text, json=json)
    raise SystemExit(code)


@app.command()
def completion(
    shell: Annotated[Shell, typer.Argument(help="Which shell.")],
) -> None:
    """
    Print what a shell reads to complete commands, options and, where the daemon answers, namespaces and names.

    For bash: `observer completion bash > ~/.local/share/bash-completion/completions/observer`.
    """
    from observer.cli.completion import script

    show(None, script(shell), json=False)


@audit.command()
def verify(
    *,
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files of one trail, oldest first, instead of those of the settings.")
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="The oldest files may be missing.")] = False,
    contains: Annotated[
        str, typer.Option("--contains", help="A last_hash that was noted earlier and must still be in the trail.")
    ] = "",
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Check the audit trail over all its files, rotated and compressed ones too: names file, line and what broke.

    Exit codes: 0 whole, 1 broken, 2 a file cannot be read or is no audit log, 3 there is no trail.
    """
    from observer.cli.audit import verify as verify_files

    settings, paint = settings_from(config), paint_for(sys.stdout)
    code, body, text = verify_files(settings, files or (), partial=partial, contains=contains, paint=paint)
    show(body, text, json=json)
    raise SystemExit(code)


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as exc:
        fail(
            f"--out: {path} cannot be written: {exc.strerror}", EXIT_BAD_INPUT, "name a file in a folder that is there"
        )
