"""``observer check``: what the settings allow, and what is wrong with the documents that people wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from observer import __version__
from observer.app import series_catalogue
from observer.cli.output import EXIT_BAD_INPUT, EXIT_FINDINGS, Output
from observer.config.lint.check import Finding, Severity, in_order
from observer.config.lint.live.registry import lint_live
from observer.config.lint.registry import lint
from observer.config.lint.render import UNREADABLE, github, rows, text
from observer.config.lint.rule_files import subject_of
from observer.config.lint.sarif import sarif
from observer.config.policies.load import load, policy_files
from observer.config.settings.model import SHIPPED, Settings
from observer.domain.errors import ConfigError
from observer.domain.suspect import Tier
from observer.engine.detect.tiers import allowed_per_month, tier_scores

_POLICIES: Final = "name files or directories of policies and objectives; without one those of the settings are checked"


def report(settings: Settings) -> tuple[dict[str, Any], str]:
    """Returns what ``--json`` and the terminal show."""
    engine, policies = settings.engine, load(settings)
    names = sorted(policy.name for policy in policies.policies)
    evidence_score = tier_scores(engine)
    allowed = allowed_per_month(engine)
    rows = [
        {
            "tier": tier.name.lower(),
            "evidence_score": round(evidence_score[tier], 2),
            "false_acts_per_month": allowed[tier],
        }
        for tier in (Tier.ANNOTATE, Tier.DRAIN, Tier.EVICT, Tier.NODE)
    ]
    body = {
        "ok": True,
        "mode": engine.mode.value,
        "identity": engine.identity,
        "tick_seconds": engine.tick,
        "tests": engine.detection.tests,
        "actions": [action_kind.value for action_kind in engine.escalation.actions],
        "tiers": rows,
        "policies": names,
        "policies_identity": policies.identity,
    }
    actions = ", ".join(action_kind.value for action_kind in engine.escalation.actions)
    lines = [
        f"settings {engine.identity}: good; mode {engine.mode.value}, tick {engine.tick:g} s, rungs {actions}",
        f"tier       nats   false acts allowed a month ({engine.detection.tests} pods and groups judged at once)",
    ]
    lines += [f"{row['tier']:<9} {row['evidence_score']:6.1f}   {row['false_acts_per_month']:g}" for row in rows]
    if names:
        lines.append(f"policies {policies.identity}: good; {', '.join(names)}")
    if engine.mode.value == "shadow":
        lines.append("mode is shadow: everything is decided and told, nothing is written to the cluster")
    return body, "\n".join(lines)


def named(paths: Sequence[Path], option: str = "") -> tuple[str, ...]:
    """
    Files and directories that a person names instead of ``policies`` of the settings.

    Raises: ConfigError for what is not there, or holds nothing that could be read: nothing found would say that it is
    good.
    """
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


def judge(settings: Settings, at: float) -> CheckResult:
    """What the offline checks say about policies and objectives; ``at`` is now, Unix seconds. Raises: ConfigError."""
    subject, faults = subject_of(settings, at)
    if faults:
        return CheckResult(
            [Finding(UNREADABLE, Severity.ERROR, fault) for fault in sorted(set(faults))], EXIT_BAD_INPUT
        )
    return judged(lint(subject))


async def judge_live(settings: Settings, at: float) -> CheckResult:
    """The same, and what the metric server of the settings says about the queries."""
    found = judge(settings, at)
    if found.code == EXIT_BAD_INPUT:
        return found
    subject, _ = subject_of(settings, at)
    catalogue = series_catalogue(settings, at)
    try:
        live = await lint_live(subject, catalogue)
    finally:
        await catalogue.close()
    return judged(in_order(iter([*found.findings, *live])))


def judged(findings: Sequence[Finding]) -> CheckResult:
    """The findings with their exit code."""
    bad = any(finding.severity is Severity.ERROR for finding in findings)
    return CheckResult(findings, EXIT_FINDINGS if bad else 0)


def printed(settings: Settings, found: CheckResult, output: Output) -> str:
    """The whole standard output; text and JSON hold what the settings allow, too, when all could be read."""
    readable = found.code != EXIT_BAD_INPUT
    match output:
        case Output.SARIF:
            return _json(sarif(found.findings, __version__))
        case Output.GITHUB:
            return github(found.findings)
        case Output.JSON:
            body = report(settings)[0] if readable else {}
            return _json({**body, "ok": found.code == 0, "findings": rows(found.findings)})
        case Output.TEXT:
            told = report(settings)[1] if readable else ""
            return (
                told if not found.findings and settings.policies == (SHIPPED,) else f"{text(found.findings)}\n\n{told}"
            )


def _json(body: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(body), indent=1).decode()
