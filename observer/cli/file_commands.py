"""Commands about files: policies, objectives, rules, recordings; bodies live in files of their own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from observer.cli.application import Config, Json, app, awaited, settings_from, settings_path
from observer.cli.completion import workloads
from observer.cli.output import EXIT_BAD_INPUT, Output, fail, show
from observer.domain.slo import Preset


class SchemaOf(StrEnum):
    """What ``observer schema`` knows."""

    SETTINGS = "settings"
    POLICY = "healthpolicy"
    OPENSLO = "openslo"
    TEST = "policytest"
    OPENAPI = "openapi"
    EVENTS = "cloudevents"


@app.command()
def check(  # noqa: PLR0917  (typer gives every argument by name)
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or directories instead of what `policies` of the settings names.")
    ] = None,
    effective: Annotated[
        str,
        typer.Option("--effective", help="NAMESPACE/WORKLOAD: print what holds for it.", autocompletion=workloads),
    ] = "",
    kind: Annotated[str, typer.Option(help="With --effective: kind of the workload.")] = "Deployment",
    label: Annotated[list[str] | None, typer.Option(help="With --effective: KEY=VALUE of the workload.")] = None,
    namespace_label: Annotated[list[str] | None, typer.Option(help="The same of its namespace.")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Ask the metric server about the queries; with --effective, the cluster.")
    ] = False,
    output: Annotated[Output, typer.Option(help="How findings are printed.")] = Output.TEXT,
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Check settings, policies and objectives and print the false acts a month that they allow, or what holds for one.

    Exit codes: 0 clean, 1 a finding is an error, 2 a file cannot be read.
    """
    from observer.cli.check import named

    if json and output not in (Output.TEXT, Output.JSON):
        fail(f"--json and --output {output} contradict each other", EXIT_BAD_INPUT, "leave one of them out")
    if (label or namespace_label) and not effective:
        fail("--label, --namespace-label: only with --effective", EXIT_BAD_INPUT, "add --effective NAMESPACE/WORKLOAD")
    settings = settings_from(config)
    if paths:
        settings = replace(settings, policies=named(paths))
    if effective:
        from observer.cli.effective import Question, explain

        asked = Question(effective, kind, tuple(label or ()), tuple(namespace_label or ()), live)
        work = explain(settings, settings_path(config), asked)
        body, text = awaited(work) if live else asyncio.run(work)
        show(body, text, json=json)
        return
    from observer.app import now
    from observer.cli.check import judge, judge_live, printed

    found = awaited(judge_live(settings, now())) if live else judge(settings, now())
    typer.echo(printed(settings, found, Output.JSON if json else output))
    raise SystemExit(found.code)


@app.command("test")
def try_out(
    *,
    paths: Annotated[list[Path] | None, typer.Argument(help="Test files, or directories of them.")] = None,
    name: Annotated[str, typer.Option("--name", "-k", help="Only tests that hold this in their name.")] = "",
    init: Annotated[
        str, typer.Option("--init", help="OBJECTIVE or FILE: write starter tests of an objective, or of a file's.")
    ] = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="With --init: folder for the files.")] = Path("tests"),
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print every decision.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Run unit tests of policies and objectives: series and facts of a cluster in, verdicts and alerts out.

    Exit codes: 0 all passed, 1 one failed, 2 a file cannot be read.
    """
    from observer.cli.test import body, run_tests, text

    if init:
        from observer.cli.starters import write_starters

        show(*write_starters(settings_from(config), init, out), json=json)
        return
    if not paths:
        step = "`observer test FILE` runs tests, `observer test --init mesh-availability` writes the first ones"
        fail("name test files or directories, or --init OBJECTIVE", EXIT_BAD_INPUT, step)
    results = run_tests(paths, name)
    show(body(results), text(results, verbose=verbose), json=json)
    raise SystemExit(results.code)


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
        step = "leave it out: files say themselves what they are"
        fail(f"--from {source!r}: must be one of {', '.join(Format)}", EXIT_BAD_INPUT, step)
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
    """
    Print the JSON Schema of the settings file, health policies, their tests, OpenSLO documents or CloudEvents.

    With openapi: the API in OpenAPI 3.1, as the daemon serves it at /api/v1/openapi.json.
    """
    if kind is SchemaOf.POLICY:
        from observer.config.policies.keys import schema as policy_schema

        show(policy_schema(), "", json=True)
    elif kind is SchemaOf.OPENSLO:
        from observer.config.openslo.schema import schema as openslo_schema

        show(openslo_schema(), "", json=True)
    elif kind is SchemaOf.OPENAPI:
        from observer.web.openapi import description

        show(description(), "", json=True)
    elif kind is SchemaOf.TEST:
        from observer.policytest.keys import schema as test_schema

        show(test_schema(), "", json=True)
    elif kind is SchemaOf.EVENTS:
        from observer.exchange.event_schema import schema as event_schema

        show(event_schema(), "", json=True)
    else:
        from observer.config.settings.read import schema as settings_schema

        show(settings_schema(), "", json=True)


@app.command()
def rules(
    *,
    paths: Annotated[
        list[Path] | None, typer.Argument(help="OpenSLO files or directories; without them, a preset by options.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the rule files; one file an objective.")],
    service: Annotated[
        list[str] | None, typer.Option("--service", "-s", help="NAMESPACE/NAME; may be given many times.")
    ] = None,
    preset: Annotated[Preset | None, typer.Option(help="What counts as good; default istio-availability.")] = None,
    target: Annotated[float | None, typer.Option(help="Share of the events that must be good; default 0.999.")] = None,
    burn: Annotated[str | None, typer.Option(help="Set of tiers: sre-30d, 28d or 7d; default sre-30d.")] = None,
    cut_ms: Annotated[float | None, typer.Option(min=0, help="Bound of the latency preset, milliseconds.")] = None,
    cluster: Annotated[str, typer.Option(help="Name of the cluster, part of every identity.")] = "",
    ambient: Annotated[bool, typer.Option("--ambient", help="Waypoints report instead of sidecars.")] = False,
    dialect: Annotated[int, typer.Option(min=2, max=3, help="Major version of Prometheus.")] = 2,
    json: Json = False,
) -> None:
    """
    Write objectives as Prometheus recording and alerting rules, with Alertmanager's inhibition.

    From OpenSLO documents (templates for every --service), or a preset for every --service.
    """
    from observer.app import now
    from observer.cli.rules import documented, objectives_of, write
    from observer.exchange.prometheus_rules import Dialect, RuleOptions

    options = RuleOptions(dialect=Dialect(dialect))
    if paths:
        given = {"--preset": preset, "--target": target, "--burn": burn, "--cut-ms": cut_ms}
        if said := [name for name, value in given.items() if value is not None]:
            step = "leave it out, or leave the documents out for a preset"
            fail(f"{', '.join(said)}: documents say it themselves", EXIT_BAD_INPUT, step)
        found = documented(paths, service or (), now(), cluster=cluster, ambient=ambient)
        body, text = write(found.objectives, out, options, found.waiting)
    else:
        if not service:
            step = "`observer rules --out rules -s shop/cart` writes the rules of a first objective"
            fail("name documents, or --service NAMESPACE/NAME for a preset", EXIT_BAD_INPUT, step)
        objectives = objectives_of(
            service, preset or Preset.ISTIO_AVAILABILITY, target=0.999 if target is None else target,
            burn=burn or "sre-30d", cut_ms=cut_ms or 0.0, cluster=cluster, ambient=ambient,
        )  # fmt: skip
        body, text = write(objectives, out, options)
    show(body, text, json=json)


@app.command()
def diagnose(
    *,
    metrics: Annotated[Path | None, typer.Option(help="CSV of series: time, service, measure, value.")] = None,
    graph: Annotated[Path | None, typer.Option(help="JSON lines: who calls whom, with counts where known.")] = None,
    traces: Annotated[Path | None, typer.Option(help="JSON lines: one span each.")] = None,
    since: Annotated[float | None, typer.Option(help="Beginning of the incident, Unix seconds.")] = None,
    target: Annotated[str, typer.Option(help="The service whose users are hurt.")] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the target.")] = "",
    symptom: Annotated[str, typer.Option(help="What hurts the target's users: errors or latency.")] = "errors",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many causes.")] = 10,
    json: Json = False,
) -> None:
    """Rank who is to blame for an incident from files (formats in docs/diagnose.md); needs no cluster."""
    from observer.cli.diagnose import diagnose as run_diagnosis
    from observer.cli.diagnose import target_of
    from observer.exchange.incident_files import Files

    files = Files(metrics, graph, traces, since, target_of(target, namespace, symptom))
    body, text = run_diagnosis(files, limit)
    show(body, text, json=json)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A recording.")],
    policy: Annotated[
        list[Path] | None, typer.Option("--policy", "-p", help="What if: these policies instead of the recorded ones.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Decide a recording again; with --policy or --config print what other rules would have decided.

    Exit codes: 0 as recorded (or a what-if), 1 the same rules decide otherwise now, 2 the file cannot be read.
    """
    from observer.cli.replay import run_replay, what_if

    tried = None
    if policy or config is not None:  # $OBSERVER_CONFIG alone must not turn a proof into a what-if
        from observer.cli.check import named

        settings = settings_from(config)
        tried = what_if(replace(settings, policies=named(policy, "--policy ")) if policy else settings)
    code, body, text = run_replay(file, tried)
    show(body, text, json=json)
    raise SystemExit(code)
