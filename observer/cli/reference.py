"""
Writes reference pages from the code: every setting, every command, every metric, every log event. `make docs` runs it.

The same code gives the same bytes; a test holds the pages in the tree against it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from observer.cli.main import app
from observer.config.settings.read import schema

PAGES = ("settings.md", "commands.md", "metrics.md", "log-events.md")


def main(words: list[str]) -> int:
    """``python -m observer.cli.reference FOLDER``; returns the exit code."""
    if len(words) != 1:
        sys.stderr.write("usage: python -m observer.cli.reference FOLDER\n")
        return 2
    folder = Path(words[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{folder / name}\n")
    return 0


def pages() -> Mapping[str, str]:
    """The pages by file name."""
    return dict(zip(PAGES, (_settings(), _commands(), _metrics(), _log_events()), strict=True))


def _settings() -> str:
    """One line a key; what a key means stands in ``deploy/observer.yaml``."""
    body = schema()
    lines = [
        "# Settings",
        "",
        "Every key of `observer.yaml`, its kind and its default. What each means stands in `deploy/observer.yaml`.",
        "",
        "| key | kind | default |",
        "|---|---|---|",
        *_keys(body, body.get("$defs", {}), ""),
    ]
    return "\n".join(lines) + "\n"


def _keys(model: Mapping[str, Any], shared: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, field in model.get("properties", {}).items():
        reference = str(field.get("$ref", "")).rpartition("/")[2]
        if reference and "properties" in shared.get(reference, {}):
            yield from _keys(shared[reference], shared, f"{prefix}{name}.")
            continue
        found = {**shared.get(reference, {}), **field}
        yield f"| `{prefix}{name}` | {_kind(found)} | `{_cell(found.get('default'))}` |"


def _kind(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {field.get('items', {}).get('type', 'values')}"
    if "anyOf" in field:
        return " or ".join(sorted({str(one.get("type", "value")) for one in field["anyOf"]}))
    return str(field.get("type", "value"))


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value.replace("|", "\\|") or '""'
    if isinstance(value, list):
        return "[" + ", ".join(map(_cell, value)) + "]"
    return {"True": "true", "False": "false", "None": ""}.get(str(value), str(value))


def _commands() -> str:
    group: Any = typer.main.get_command(app)
    codes = "Exit codes: 0 well, 2 bad input, 3 not found, 4 unreachable; others stand with their command."
    lines = ["# Commands", "", codes, ""]
    for name, command in _all_commands(group):
        lines += [f"## observer {name}", "", *(line.strip() for line in (command.help or "").strip().splitlines()), ""]
        rows = [_option(one) for one in command.params if not getattr(one, "hidden", False)]
        lines += [*rows, ""] if rows else []
    return "\n".join(lines).rstrip("\n") + "\n"


def _all_commands(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every command with its full name; a group's come in its place."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _all_commands(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


def _option(one: Any) -> str:
    spelled = ", ".join((*one.opts, *one.secondary_opts)) if one.param_type_name == "option" else one.name.upper()
    return f"- `{spelled}` {one.help or ''}".rstrip()


def _metrics() -> str:
    """What a fresh daemon's registry knows; values are nothing but names here."""
    from observer.telemetry.metrics import SelfMetrics

    metrics = SelfMetrics()
    told = metrics.described()
    metrics.close()
    lines = ["# Metrics of Observer itself", "", "Served at `/metrics`. No label ever holds a pod's name.", ""]
    lines += ["| metric | meaning |", "|---|---|", *(f"| `{name}` | {meaning} |" for name, meaning in told)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))


def _log_events() -> str:
    from observer.telemetry.log_events import LOG_EVENTS

    lines = ["# Log events", "", "The `event` of each JSON line. Other keys are facts; no secret is among them.", ""]
    lines += ["| event | meaning |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in LOG_EVENTS.items())]
    return "\n".join(lines) + "\n"
