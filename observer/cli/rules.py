"""``observer rules``: objectives as Prometheus rule files, with Alertmanager's inhibition."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
        namespace, _, name = service.partition("/")
        if not namespace or not name or "/" in name:
            raise ConfigError(f"--service {service}: expected NAMESPACE/NAME, for example shop/cart")
        scope = ServiceRef(namespace, name)
        try:
            sli = preset_sli(preset, scope, cut_ms=cut_ms, names=AMBIENT if ambient else ISTIO)
        except ValueError as exc:
            raise ConfigError(f"--cut-ms: {exc}") from exc
        slo = f"{name}-{preset.value.removeprefix('istio-')}"
        found.append(
            Objective(
                id=f"{namespace}/{slo}", version="", slo=slo, service=name, sli=sli, target=target,
                window=RollingWindow(days * DAY), scope=scope, tiers=BURN_PRESETS[burn], preset=preset,
                cut_ms=cut_ms, cluster=cluster,
            )
        )  # fmt: skip
    return tuple(found)


def write(objectives: Sequence[Objective], folder: Path, options: RuleOptions) -> tuple[dict[str, Any], str]:
    """
    Write one rule file an objective and the inhibition; returns what ``--json`` and the terminal show.

    Nothing is written unless all can be. Raises ``ConfigError``.
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
    body = {"folder": str(folder), "files": sorted(texts), "dialect": int(options.dialect)}
    lines = [f"{len(objectives)} objectives written to {folder} for Prometheus {int(options.dialect)}"]
    lines += [f"  {name}" for name in sorted(texts)]
    return body, "\n".join(lines)
