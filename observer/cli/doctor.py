"""``observer doctor``: what each source can and cannot tell, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from observer.app import examine_sources
from observer.cli.paint import PLAIN, Paint, Tone
from observer.config.settings.model import Settings
from observer.domain.finding import Finding

MARK = {True: "ok  ", False: "RED ", None: "?   "}
TONE = {True: Tone.GOOD, False: Tone.BAD, None: Tone.WARN}


async def examine(settings: Settings) -> Sequence[Finding]:
    """Every finding, sources in the order of the settings file."""
    return await examine_sources(settings)


def rows(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """For ``--json``: stable keys."""
    return [{"name": f.name, "ok": f.ok, "detail": f.detail, "remedy": f.remedy} for f in findings]


def text(findings: Sequence[Finding], paint: Paint = PLAIN) -> str:
    """For people: one line a finding, and below a red one what to do."""
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{paint(MARK[finding.ok], TONE[finding.ok])} {finding.name:<34} {finding.detail}")
        if finding.ok is not True and finding.remedy:
            lines.append(f"{'':39}-> {finding.remedy}")
    red = sum(1 for finding in findings if finding.ok is False)
    lines.append(f"{red} red of {len(findings)}" if red else f"all {len(findings)} checks passed or could not be told")
    return "\n".join(lines)
