"""``observer check``: what the settings allow, what is wrong with documents, and what holds for one workload."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct

from observer import __version__
from observer.app.commands import look_at_cluster, now
from observer.app.sources import series_catalogue
from observer.cli.application import Config, Json, app, awaited, settings_from, settings_path
from observer.cli.completion import workloads
from observer.cli.output import EXIT_BAD_INPUT, EXIT_FINDINGS, fail, json_text, show
from observer.config.documents.faults import Fault
from observer.config.policies.document import Place, Subject, Value
from observer.domain.errors import ConfigError
from observer.domain.ids import WorkloadRef
from observer.domain.names import NAMESPACE_ENABLED

if TYPE_CHECKING:
    from observer.config.lint.check import Finding
    from observer.config.policies.effective import PolicySet
    from observer.config.policies.inherit import EffectiveValues
    from observer.config.settings.model import Settings


class Output(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


_POLICIES: Final = "name files or directories of policies and objectives; without one those of the settings are checked"


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
    Check settings, policies and objectives and print the false actions a month that they allow, or what holds for one.

    Exit codes: 0 clean, 1 a finding is an error, 2 a file cannot be read.
    """
    if json and output not in (Output.TEXT, Output.JSON):
        fail(f"--json and --output {output} contradict each other", EXIT_BAD_INPUT, "leave one of them out")
    if (label or namespace_label) and not effective:
        fail("--label, --namespace-label: only with --effective", EXIT_BAD_INPUT, "add --effective NAMESPACE/WORKLOAD")
    settings = settings_from(config)
    if paths:
        settings = replace(settings, policies=named(paths))
    if effective:
        query = EffectiveQuery(effective, kind, tuple(label or ()), tuple(namespace_label or ()), live)
        work = explain(settings, settings_path(config), query)
        body, text = awaited(work) if live else asyncio.run(work)
        show(body, text, json=json)
        return
    result = awaited(run_live_checks(settings, now())) if live else run_checks(settings, now())
    typer.echo(printed(settings, result, Output.JSON if json else output))
    raise SystemExit(result.code)


def allowed_report(settings: Settings) -> tuple[dict[str, object], str]:
    """Returns what ``--json`` and the terminal show."""
    from observer.config.policies.load import load
    from observer.domain.suspect import Tier
    from observer.engine.detect.tiers import allowed_per_month, tier_scores

    engine, policies = settings.engine, load(settings)
    names = sorted(policy.name for policy in policies.policies)
    needed = tier_scores(engine)
    allowed = allowed_per_month(engine)
    tiers = (Tier.ANNOTATE, Tier.DRAIN, Tier.EVICT, Tier.NODE)
    body: dict[str, object] = {
        "ok": True,
        "mode": engine.mode.value,
        "identity": engine.identity,
        "tick_seconds": engine.tick,
        "tests": engine.detection.tests,
        "actions": [action_kind.value for action_kind in engine.escalation.actions],
        "tiers": [
            {
                "tier": tier.name.lower(),
                "evidence_score": round(needed[tier], 2),
                "false_actions_per_month": allowed[tier],
            }
            for tier in tiers
        ],
        "policies": names,
        "policies_identity": policies.identity,
    }
    actions = ", ".join(action_kind.value for action_kind in engine.escalation.actions)
    lines = [
        f"settings {engine.identity}: valid; mode {engine.mode.value}, tick {engine.tick:g} s, actions {actions}",
        f"tier      evidence needed   false actions a month ({engine.detection.tests} pods and groups judged at once)",
    ]
    lines += [f"{tier.name.lower():<9} {needed[tier]:15.1f}   {allowed[tier]:g}" for tier in tiers]
    if names:
        lines.append(f"policies {policies.identity}: valid; {', '.join(names)}")
    if engine.mode.value == "shadow":
        lines.append("mode is shadow: everything is decided and reported, nothing is written to the cluster")
    return body, "\n".join(lines)


def named(paths: Sequence[Path], option: str = "") -> tuple[str, ...]:
    """
    Files and directories that a person names instead of ``policies`` of the settings.

    Raises: ConfigError for what is not there, or holds nothing that could be read: no finding would say that it
    is valid.
    """
    from observer.config.policies.load import policy_files
    from observer.config.settings.model import SHIPPED

    for path in paths:
        if str(path) != SHIPPED and not path.exists():
            raise ConfigError(f"{option}{path}: there is no such file or directory", step=_POLICIES)
        if not policy_files([str(path)]):
            why = "holds no YAML file outside folders named tests"
            raise ConfigError(f"{option}{path}: {why}", step=_POLICIES)
    return tuple(map(str, paths))


@dataclass(frozen=True, slots=True)
class CheckResult:
    """``code`` is 0, 1 for a finding that is an error, 2 for a file that could not be read."""

    findings: Sequence[Finding]
    code: int


def run_checks(settings: Settings, at: float) -> CheckResult:
    """What the offline checks say about policies and objectives; ``at`` is now, Unix seconds. Raises: ConfigError."""
    from observer.config.lint.check import Finding, Severity
    from observer.config.lint.registry import lint
    from observer.config.lint.render import UNREADABLE
    from observer.config.lint.subject import subject_of

    subject, faults = subject_of(settings, at)
    if faults:
        return CheckResult(
            [Finding(UNREADABLE, Severity.ERROR, fault) for fault in sorted(set(faults))], EXIT_BAD_INPUT
        )
    return with_code(lint(subject))


async def run_live_checks(settings: Settings, at: float) -> CheckResult:
    """The same, and what the metric server of the settings says about the queries."""
    from observer.config.lint.check import in_order
    from observer.config.lint.live.registry import lint_live
    from observer.config.lint.subject import subject_of

    offline = run_checks(settings, at)
    if offline.code == EXIT_BAD_INPUT:
        return offline
    subject, _ = subject_of(settings, at)
    catalogue = series_catalogue(settings, at)
    try:
        live = await lint_live(subject, catalogue)
    finally:
        await catalogue.close()
    return with_code(in_order(iter([*offline.findings, *live])))


def with_code(findings: Sequence[Finding]) -> CheckResult:
    """The findings with their exit code."""
    from observer.config.lint.check import Severity

    bad = any(finding.severity is Severity.ERROR for finding in findings)
    return CheckResult(findings, EXIT_FINDINGS if bad else 0)


def printed(settings: Settings, result: CheckResult, output: Output) -> str:
    """The whole standard output; text and JSON hold what the settings allow, too, when all could be read."""
    from observer.config.lint.render import github, rows, text
    from observer.config.lint.sarif import sarif
    from observer.config.settings.model import SHIPPED

    readable = result.code != EXIT_BAD_INPUT
    match output:
        case Output.SARIF:
            return json_text(sarif(result.findings, __version__))
        case Output.GITHUB:
            return github(result.findings)
        case Output.JSON:
            body = allowed_report(settings)[0] if readable else {}
            return json_text({**body, "ok": result.code == 0, "findings": rows(result.findings)})
        case Output.TEXT:
            allowed = allowed_report(settings)[1] if readable else ""
            return (
                allowed
                if not result.findings and settings.policies == (SHIPPED,)
                else f"{text(result.findings)}\n\n{allowed}"
            )


@dataclass(frozen=True, slots=True)
class EffectiveQuery:
    """
    About whom it is asked. Offline a person gives the labels; ``live`` takes them from the cluster.

    ``labels`` and ``namespace_labels`` are ``KEY=VALUE``.
    """

    workload: str
    kind: str = "Deployment"
    labels: tuple[str, ...] = ()
    namespace_labels: tuple[str, ...] = ()
    live: bool = False


async def explain(settings: Settings, config: Path | None, query: EffectiveQuery) -> tuple[EffectiveBody, str]:
    """Returns what ``--json`` and the terminal show. Raises: ConfigError, also where two policies tie."""
    from observer.config.policies.load import load

    policies = load(settings, places=_places(config))
    subject = await _live(settings, query) if query.live else _offline(query)
    effective = policies.effective(subject)
    _refuse(policies, effective)
    body = _effective_body(subject, effective)
    return body, _effective_text(subject, body)


def _places(config: Path | None) -> dict[str, Place]:
    from observer.config.documents.marks import read_text
    from observer.config.settings.read import places

    text = read_text(config) if config is not None else ""
    if isinstance(text, Fault):
        raise ConfigError(str(text))
    return {path: Place(str(config), *mark) for path, mark in places(text, str(config)).items()}


def _ref(query: EffectiveQuery) -> WorkloadRef:
    namespace, _, name = query.workload.partition("/")
    if not namespace or not name or "/" in name:
        raise ConfigError(f"{query.workload!r}: expected NAMESPACE/WORKLOAD, for example shop/cart")
    return WorkloadRef(namespace, query.kind, name)


def _offline(query: EffectiveQuery) -> Subject:
    """As if the namespace were on-boarded, unless a label given says otherwise."""
    enabled = {NAMESPACE_ENABLED: "true"}
    return Subject(_ref(query), _pairs(query.labels), enabled | _pairs(query.namespace_labels))


async def _live(settings: Settings, query: EffectiveQuery) -> Subject:
    from observer.config.policies.effective import subjects

    ref = _ref(query)
    by_ref = {it.ref: it for it in subjects(await look_at_cluster(settings))}
    if ref not in by_ref:
        near = sorted(str(it) for it in by_ref if it.name == ref.name or it.namespace == ref.namespace)
        there = f"; there is {', '.join(near[:5])}" if near else ""
        raise ConfigError(f"{ref}: the cluster has no such workload{there}")
    return by_ref[ref]


def _pairs(texts: Iterable[str]) -> dict[str, str]:
    pairs = {}
    for pair in texts:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise ConfigError(f"{pair!r}: expected KEY=VALUE, for example app=cart")
        pairs[key] = value
    return pairs


def _refuse(policies: PolicySet, effective: EffectiveValues) -> None:
    from observer.config.policies.rules import contradictions

    faults = [tie.other.place.fault(f"spec.{tie.path}", str(tie)) for tie in effective.ties]
    settings = policies.settings
    for path, message, hint in contradictions(effective, settings.engine, max(settings.prometheus.cuts_ms)):
        value = effective.values[path]
        if value.policy:
            faults.append(value.place.fault(f"spec.{path}", message, hint))
    if faults:
        raise ConfigError("\n".join(str(fault) for fault in sorted(set[Fault](faults))))


class EffectiveValue(Struct, frozen=True):
    """One value with the file and line it came from; ``policy`` is empty for a built-in default."""

    path: str
    value: object
    file: str
    line: int
    policy: str


class EffectiveBody(Struct, frozen=True):
    """What ``--effective --json`` prints."""

    workload: str
    enabled: bool
    policies: tuple[str, ...]
    mode: str
    inside_percent: bool
    values: tuple[EffectiveValue, ...]
    holds: tuple[EffectiveValue, ...]


def _effective_body(subject: Subject, effective: EffectiveValues) -> EffectiveBody:
    from observer.config.policies.inherit import inside

    included = inside(subject.ref, effective.values["percent"].value)
    return EffectiveBody(
        workload=str(subject.ref),
        enabled=subject.enabled,
        policies=tuple(effective.policies),
        mode=effective.values["mode"].value.value if included else "shadow",
        inside_percent=included,
        values=tuple(_row(path, value) for path, value in effective.values.items()),
        holds=tuple(_row("hold", value) for value in effective.holds),
    )


def _row(path: str, value: Value) -> EffectiveValue:
    from observer.config.policies.inherit import written

    place = value.place
    return EffectiveValue(path, written(path, value.value), place.file, place.line, value.policy)


def _effective_text(subject: Subject, body: EffectiveBody) -> str:
    from observer.config.policies.inherit import shown

    lines = [f"{body.workload}: mode {body.mode}, policies {', '.join(body.policies) or 'none'}"]
    if not body.inside_percent:
        lines.append("it is outside the percentage that the mode is for, so it is in shadow")
    if not subject.enabled:
        lines.append(f"namespace {subject.ref.namespace} lacks {NAMESPACE_ENABLED}=true: no actions there")
    rows = [(row, shown(row.value)) for row in (*body.values, *body.holds)]
    left, middle = max(len(row.path) for row, _ in rows), max(len(value) for _, value in rows)
    for row, value in rows:
        place = f"{row.file}:{row.line}" if row.line else row.file
        lines.append(
            f"{row.path:<{left}}  {value:<{min(middle, 40)}}  {place}{f'  {row.policy}' if row.policy else ''}"
        )
    return "\n".join(lines)
