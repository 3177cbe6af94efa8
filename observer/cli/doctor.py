"""``observer doctor``: what each source can and cannot tell, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from observer.app.sources import examine_sources
from observer.cli.application import Config, Json, app, awaited, settings_from
from observer.cli.output import EXIT_UNREACHABLE, PLAIN, Paint, Tone, paint_for, show
from observer.domain.finding import Finding

MARK: Final = {True: "ok  ", False: "RED ", None: "?   "}
TONE: Final = {True: Tone.GOOD, False: Tone.BAD, None: Tone.WARN}


@app.command()
def doctor(config: Config = None, json: Json = False) -> None:
    """Ask each source: reachable, authenticated, fresh, right metrics and labels? Says what to do about red lines."""
    findings = awaited(examine_sources(settings_from(config)))
    show(rows(findings), text(findings, paint_for(sys.stdout)), json=json)
    if any(finding.ok is False for finding in findings):
        raise SystemExit(EXIT_UNREACHABLE)


def rows(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """For ``--json``: stable keys."""
    return [{"name": f.name, "ok": f.ok, "detail": f.detail, "remedy": f.remedy} for f in findings]


def text(findings: Sequence[Finding], paint: Paint = PLAIN) -> str:
    """For people: one line a finding, and below a red one what to do."""
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{paint(MARK[finding.ok], TONE[finding.ok])} {finding.name:<34} {finding.detail}")
        if finding.ok is not True and finding.remedy:
            lines.append(f"{'':39}-> {finding.remedy}")
    failed = sum(finding.ok is False for finding in findings)
    skipped = sum(finding.ok is None for finding in findings)
    lines.append(f"{failed} failed, {skipped} skipped of {len(findings)}")
    return "\n".join(lines)
