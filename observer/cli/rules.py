"""``observer rules``: objectives as Prometheus rule files, with Alertmanager's inhibition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from observer.config.openslo.documents import load_documents
from observer.config.openslo.templates import expand
from observer.config.openslo.wanted import objective_set
from observer.domain.errors import ConfigError
from observer.domain.ids import ServiceRef
from observer.domain.slo import BURN_PRESETS, DAY, Objective, Preset, RollingWindow
from observer.engine.slo.presets import AMBIENT, ISTIO, preset_sli
from observer.exchange.prometheus_rules import RuleOptions, check_alike, file_name, inhibition, rule_file

INHIBITION = "alertmanager-inhibition.yaml"


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
    if not 0.0 < target < 1.0:
        raise ConfigError(f"--target {target:g}: must be above 0 and below 1, for example 0.999")
    if burn not in BURN_PRESETS:
        raise ConfigError(f"--burn {burn}: known are {', '.join(sorted(BURN_PRESETS))}")
    days = int(burn.rpartition("-")[2].rstrip("d"))
    found = []
    for service in services:
        scope = _scope(service)
        try:
            sli = preset_sli(preset, scope, cut_ms=cut_ms, names=AMBIENT if ambient else ISTIO)
        except ValueError as exc:
            raise ConfigError(f"--cut-ms: {exc}") from exc
        slo = f"{scope.name}-{preset.value.removeprefix('istio-')}"
        found.append(
            Objective(
                id=f"{scope.namespace}/{slo}", version="", slo=slo, service=scope.name, sli=sli, target=target,
                window=RollingWindow(days * DAY), scope=scope, tiers=BURN_PRESETS[burn], preset=preset,
                cut_ms=cut_ms, cluster=cluster,
            )
        )  # fmt: skip
    return tuple(found)


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
    found = objective_set(load_documents(paths), at=at, cluster=cluster)
    scopes = [_scope(service) for service in services]
    if scopes and not found.templates:
        raise ConfigError("--service: no document is a template (annotation observer.dev/each: service)")
    filled = [one for scope in scopes for template in found.templates for one in expand(template, scope)]
    waiting = () if scopes else tuple(sorted(template.name for template in found.templates))
    objectives = (*found.plain, *filled)
    if not objectives:
        named = f"; name services for the templates {', '.join(waiting)}: --service NAMESPACE/NAME" if waiting else ""
        raise ConfigError(f"no objective to write in {', '.join(map(str, paths))}{named}")
    return Documented(tuple(_counted(one, ambient=ambient) for one in objectives), waiting)


def _counted(one: Objective, *, ambient: bool) -> Objective:
    if one.preset is None or one.scope is None:
        return one
    names = AMBIENT if ambient else ISTIO
    return replace(one, sli=preset_sli(one.preset, one.scope, cut_ms=one.cut_ms, names=names))


def _scope(service: str) -> ServiceRef:
    namespace, _, name = service.partition("/")
    if not namespace or not name or "/" in name:
        raise ConfigError(f"--service {service}: expected NAMESPACE/NAME, for example shop/cart")
    return ServiceRef(namespace, name)


def write(
    objectives: Sequence[Objective], folder: Path, options: RuleOptions, waiting: Sequence[str] = ()
) -> tuple[dict[str, Any], str]:
    """
    Write one rule file an objective and the inhibition; returns what ``--json`` and the terminal show.

    Nothing is written unless all can be; ``waiting`` are templates to be told of. Raises ``ConfigError``.
    """
    check_alike(objectives)
    texts = {file_name(one): rule_file(one, options) for one in objectives}
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
