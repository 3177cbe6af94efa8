"""
Writes reference pages from the code: every setting, every command, every metric. `make docs` runs it.

The same code gives the same bytes; a test holds the pages in the tree against it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup

from observer.cli.main import app
from observer.config.settings.read import schema

if TYPE_CHECKING:
    from typer._click.core import Command, Parameter

PAGES = ("settings.md", "commands.md", "metrics.md")


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
    return dict(zip(PAGES, (_settings(), _commands(), _metrics()), strict=True))


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
        *_keys(body, _section(body, "$defs"), ""),
    ]
    return "\n".join(lines) + "\n"


def _keys(model: Mapping[str, object], shared: Mapping[str, object], prefix: str) -> Iterator[str]:
    for name, field in _section(model, "properties").items():
        schema = field if isinstance(field, dict) else {}
        named = _section(shared, str(schema.get("$ref", "")).rpartition("/")[2])
        if "properties" in named:
            yield from _keys(named, shared, f"{prefix}{name}.")
            continue
        whole = {**named, **schema}
        yield f"| `{prefix}{name}` | {_kind(whole)} | `{_cell(whole.get('default'))}` |"


def _section(schema: Mapping[str, object], name: str) -> Mapping[str, object]:
    """The part of a schema of that name, empty where there is none."""
    part = schema.get(name)
    return part if isinstance(part, dict) else {}


def _kind(field: Mapping[str, object]) -> str:
    values, kinds = field.get("enum"), field.get("anyOf")
    if isinstance(values, list):
        return ", ".join(f"`{value}`" for value in values)
    if field.get("type") == "array":
        return f"list of {_section(field, 'items').get('type', 'values')}"
    if isinstance(kinds, list):
        return " or ".join(sorted({str(kind.get("type", "value")) for kind in kinds}))
    return str(field.get("type", "value"))


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value.replace("|", "\\|") or '""'
    if isinstance(value, list):
        return "[" + ", ".join(map(_cell, value)) + "]"
    return {"True": "true", "False": "false", "None": ""}.get(str(value), str(value))


def _commands() -> str:
    codes = "Exit codes: 0 well, 2 bad input, 3 not found, 4 unreachable; others stand with their command."
    lines = ["# Commands", "", codes, ""]
    group = typer.main.get_command(app)
    for name, command in _all_commands(group) if isinstance(group, TyperGroup) else ():
        lines += [f"## observer {name}", "", *(line.strip() for line in (command.help or "").strip().splitlines()), ""]
        rows = [_option(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
        lines += [*rows, ""] if rows else []
    return "\n".join(lines).rstrip("\n") + "\n"


def _all_commands(group: TyperGroup, above: str = "") -> Iterator[tuple[str, Command]]:
    """Every command with its full name; a group's come in its place."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _all_commands(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


def _option(parameter: Parameter) -> str:
    spelled = (
        ", ".join((*parameter.opts, *parameter.secondary_opts))
        if parameter.param_type_name == "option"
        else str(parameter.name).upper()
    )
    return f"- `{spelled}` {getattr(parameter, 'help', None) or ''}".rstrip()


def _metrics() -> str:
    """What a fresh daemon's registry knows; values are nothing but names here."""
    from observer.telemetry.metrics import SelfMetrics

    metrics = SelfMetrics()
    described = metrics.described()
    metrics.close()
    lines = ["# Metrics of Observer itself", "", "Served at `/metrics`. No label ever holds a pod's name.", ""]
    lines += ["| metric | meaning |", "|---|---|", *(f"| `{name}` | {meaning} |" for name, meaning in described)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
