"""``observer check``: the settings were read; say what they allow."""

from __future__ import annotations

from typing import Any

from observer.config.model import Settings
from observer.config.policies.load import load
from observer.domain.suspect import Tier
from observer.engine.detect.tiers import allowed_per_month, tier_nats


def report(settings: Settings) -> tuple[dict[str, Any], str]:
    """Returns what ``--json`` and the terminal show."""
    engine, policies = settings.engine, load(settings)
    names = sorted(policy.name for policy in policies.policies)
    nats = tier_nats(engine)
    allowed = allowed_per_month(engine)
    rows = [
        {"tier": tier.name.lower(), "nats": round(nats[tier], 2), "false_acts_per_month": allowed[tier]}
        for tier in (Tier.ANNOTATE, Tier.DRAIN, Tier.EVICT, Tier.NODE)
    ]
    body = {
        "ok": True,
        "mode": engine.mode.value,
        "identity": engine.identity,
        "tick_seconds": engine.tick,
        "tests": engine.detection.tests,
        "rungs": [rung.value for rung in engine.ladder.rungs],
        "tiers": rows,
        "policies": names,
        "policies_identity": policies.identity,
    }
    rungs = ", ".join(rung.value for rung in engine.ladder.rungs)
    lines = [
        f"settings {engine.identity}: good; mode {engine.mode.value}, tick {engine.tick:g} s, rungs {rungs}",
        f"tier       nats   false acts allowed a month ({engine.detection.tests} pods and groups judged at once)",
    ]
    lines += [f"{row['tier']:<9} {row['nats']:6.1f}   {row['false_acts_per_month']:g}" for row in rows]
    if names:
        lines.append(f"policies {policies.identity}: good; {', '.join(names)}")
    if engine.mode.value == "shadow":
        lines.append("mode is shadow: everything is decided and told, nothing is written to the cluster")
    return body, "\n".join(lines)
