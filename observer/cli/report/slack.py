"""The summary as one message of Slack's Block Kit, within its limits."""

from __future__ import annotations

from typing import Any, Final

from observer.cli.moments import instant
from observer.cli.paint import PLAIN, harmless
from observer.cli.report import words
from observer.cli.report.text import sections, with_commands
from observer.domain.summary import HealthSummary

MOST_CHARACTERS: Final = 2900
"""Slack refuses a section of more than 3 000."""
MOST_ROWS: Final = 15


def slack(found: HealthSummary) -> dict[str, Any]:
    """The body for ``chat.postMessage`` or an incoming webhook; ``text`` is what a notification shows."""
    head = f"{instant(found.since)} to {instant(found.until)} UTC; {words.modes(found)}"
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": words.title(found)}},
        _section(f"*{escaped(words.headline(found))}*\n{escaped(head)}"),
    ]
    for name, rows in sections(found, PLAIN):
        blocks += [{"type": "divider"}, _section(_listed(name, rows))]
    return {"text": escaped(f"{words.title(found)}: {words.headline(found)}"), "blocks": blocks}


def escaped(text: str) -> str:
    """Words of others as they stand: no mention, link or mark-up comes of them."""
    plain = harmless(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\u200b{char}" if char in "*_~`" else char for char in plain)


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _listed(name: str, rows: list[str]) -> str:
    lines = [f"*{name}*"]
    size = len(lines[0])
    paired = with_commands(rows)
    for place, (row, command) in enumerate(paired):
        line = f"\u2022 {escaped(row[:500])}" + (f" ({escaped(command)})" if command else "")
        if place == MOST_ROWS or size + len(line) > MOST_CHARACTERS:
            return "\n".join([*lines, f"\u2026 and {len(paired) - place} more; `observer report` has them all"])
        lines.append(line)
        size += len(line) + 1
    return "\n".join(lines)
