"""``observer rules``: objectives as Prometheus rule files, with Alertmanager's inhibition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from observer.app.commands import now
from observer.cli.application import Json, app
from observer.cli.output import EXIT_BAD_INPUT, fail, show
from observer.config.openslo.templates import expand
from observer.domain.errors import ConfigError
from observer.domain.ids import ServiceRef
from observer.domain.slo import BURN_PRESETS, DAY, Objective, Preset, RollingWindow

if TYPE_CHECKING:
    from observer.exchange.prometheus_rules import RuleOptions

INHIBITION: Final = "alertmanager-inhibition.yaml"


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
    from observer.exchange.prometheus_rules import Dialect, RuleOptions

    options = RuleOptions(dialect=Dialect(dialect))
    if paths:
        given = {"--preset": preset, "--target": target, "--burn": burn, "--cut-ms": cut_ms}
        if repeated := [name for name, value in given.items() if value is not None]:
            step = "leave it out, or leave the documents out for a preset"
            fail(f"{', '.join(repeated)}: the documents already set it", EXIT_BAD_INPUT, step)
        documents = documented(paths, service or (), now(), cluster=cluster, ambient=ambient)
        body, text = write(documents.objectives, out, options, documents.waiting)
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


def objectives_of(
    services: Sequence[str],
    preset: Preset,
    *,
    target: float,
    burn: str = "sre-30d",
    cut_ms: float = 0.0,
    cluster: str = "",
    ambient: bool = False,
) -> tuple[Objective, ...]:
    """One objective of a preset for each ``NAMESPACE/NAME``. Raises ``ConfigError`` naming the option at fault."""
    from observer.engine.slo.presets import AMBIENT, ISTIO, preset_sli

    if not 0.0 < target < 1.0:
        raise ConfigError(f"--target {target:g}: must be above 0 and below 1, for example 0.999")
    if burn not in BURN_PRESETS:
        raise ConfigError(f"--burn {burn}: known are {', '.join(sorted(BURN_PRESETS))}")
    days = int(burn.rpartition("-")[2].rstrip("d"))
    objectives = []
    for service in services:
        scope = _scope(service)
        try:
            sli = preset_sli(preset, scope, cut_ms=cut_ms, names=AMBIENT if ambient else ISTIO)
        except ValueError as exc:
            raise ConfigError(f"--cut-ms: {exc}") from exc
        slo = f"{scope.name}-{preset.value.removeprefix('istio-')}"
        objectives.append(
            Objective(
                id=f"{scope.namespace}/{slo}", version="", slo=slo, service=scope.name, sli=sli, target=target,
                window=RollingWindow(days * DAY), scope=scope, tiers=BURN_PRESETS[burn], preset=preset,
                cut_ms=cut_ms, cluster=cluster,
            )
        )  # fmt: skip
    return tuple(objectives)


@dataclass(frozen=True, slots=True)
class Documented:
    """Objectives of documents; ``waiting`` are templates that no service was named for."""

    objectives: tuple[Objective, ...]
    waiting: tuple[str, ...] = ()


def documented(
    paths: Sequence[Path], services: Sequence[str], at: float, *, cluster: str = "", ambient: bool = False
) -> Documented:
    """
    Every objective of OpenSLO documents, templates for each ``NAMESPACE/NAME`` of ``services``.

    A preset counts as the daemon counts it, whatever the document's own queries say. ``at`` is now, Unix seconds, for
    calendar windows. Raises ``ConfigError`` with every fault of the documents, or naming the option at fault.
    """
    from observer.config.openslo.documents import load_documents
    from observer.config.openslo.wanted import objective_set

    documents = objective_set(load_documents(paths), at=at, cluster=cluster)
    scopes = [_scope(service) for service in services]
    if scopes and not documents.templates:
        raise ConfigError("--service: no document is a template (annotation observer.dev/each: service)")
    filled = [
        objective for scope in scopes for template in documents.templates for objective in expand(template, scope)
    ]
    waiting = () if scopes else tuple(sorted(template.name for template in documents.templates))
    objectives = (*documents.plain, *filled)
    if not objectives:
        named = f"; name services for the templates {', '.join(waiting)}: --service NAMESPACE/NAME" if waiting else ""
        raise ConfigError(f"no objective to write in {', '.join(map(str, paths))}{named}")
    return Documented(tuple(_counted(objective, ambient=ambient) for objective in objectives), waiting)


def _counted(objective: Objective, *, ambient: bool) -> Objective:
    from observer.engine.slo.presets import AMBIENT, ISTIO, preset_sli

    if objective.preset is None or objective.scope is None:
        return objective
    names = AMBIENT if ambient else ISTIO
    return replace(objective, sli=preset_sli(objective.preset, objective.scope, cut_ms=objective.cut_ms, names=names))


def _scope(service: str) -> ServiceRef:
    namespace, _, name = service.partition("/")
    if not namespace or not name or "/" in name:
        raise ConfigError(f"--service {service}: expected NAMESPACE/NAME, for example shop/cart")
    return ServiceRef(namespace, name)


def write(
    objectives: Sequence[Objective], folder: Path, options: RuleOptions, waiting: Sequence[str] = ()
) -> tuple[dict[str, object], str]:
    """
    Write one rule file an objective and the inhibition; returns what ``--json`` and the terminal show.

    Nothing is written unless all can be; ``waiting`` are templates to be told of. Raises ``ConfigError``.
    """
    from observer.exchange.prometheus_rules import check_alike, file_name, inhibition, rule_file

    check_alike(objectives)
    texts = {file_name(objective): rule_file(objective, options) for objective in objectives}
    texts[INHIBITION] = inhibition(objectives)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"--out {folder}: {exc.strerror}") from exc
    body = {"folder": str(folder), "files": sorted(texts), "dialect": int(options.dialect), "waiting": list(waiting)}
    lines = [f"{len(objectives)} objectives written to {folder} for Prometheus {int(options.dialect)}"]
    lines += [f"  {name}" for name in sorted(texts)]
    lines += [f"  {name}: a template, not written without --service NAMESPACE/NAME" for name in waiting]
    return body, "\n".join(lines)
