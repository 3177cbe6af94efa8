"""
Writes what is made of the code: reference pages (settings, policies, commands, metrics, log events), ``observer.yaml``
with every key, and the JSON Schemas that shipped files name for editors. ``make docs`` runs it.

The same code gives the same bytes; a test holds the files in the tree against it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup

from observer.cli.main import app
from observer.config.openslo.documents import schema as openslo_schema
from observer.config.policies.keys import schema as policy_schema
from observer.config.settings.read import schema as settings_schema
from observer.config.settings.shipped import text as shipped_text
from observer.domain import names
from observer.policytest.keys import schema as test_schema

if TYPE_CHECKING:
    from typer._click.core import Command, Parameter


def main(words: list[str]) -> int:
    """``python -m observer.cli.reference DOCS DEPLOY``; returns the exit code."""
    if len(words) != 2:
        sys.stderr.write("usage: python -m observer.cli.reference DOCS DEPLOY\n")
        return 2
    for folder, files in zip(words, (pages(), shipped()), strict=True):
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path}\n")
    return 0


def pages() -> Mapping[str, str]:
    """The reference pages by file name."""
    of_settings = "Every key of `observer.yaml`. The same with all defaults: `deploy/observer.yaml`."
    of_policies = "Every key of a health policy; what is left out is inherited ([policies.md](../policies.md))."
    return {
        "settings.md": _page("Settings", of_settings, settings_schema()),
        "policies.md": _page("Health policies", of_policies, policy_schema()),
        "commands.md": _commands(),
        "metrics.md": _metrics(),
        "log-events.md": _log_events(),
    }


def shipped() -> Mapping[str, str]:
    """The settings file and the schemas, by their path beneath ``deploy``."""
    schemas = {"settings": settings_schema(), "rules": rules_schema()}
    texts = {f"schemas/{name}.json": json.dumps(body, indent=1) + "\n" for name, body in schemas.items()}
    return {"observer.yaml": shipped_text(), **texts}


def rules_schema() -> dict[str, object]:
    """One schema for files of policies, objectives and their tests, which may stand beside each other."""
    kinds: list[object] = []
    shared: dict[str, object] = {}
    for name, schema in (("policy", policy_schema()), ("test", test_schema()), ("openslo", openslo_schema())):
        body = json.loads(json.dumps(schema).replace('"#/$defs/', f'"#/$defs/{name}.'))
        shared |= {f"{name}.{key}": value for key, value in body.pop("$defs").items()}
        kinds += body.get("oneOf", [{key: value for key, value in body.items() if not key.startswith("$")}])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{names.OBSERVER}:schema:rules:1",
        "title": "Observer rules",
        "description": "Health policies, objectives (OpenSLO v1) and their tests.",
        "oneOf": kinds,
        "$defs": shared,
    }


def _page(title: str, about: str, body: Mapping[str, object]) -> str:
    """One line a key."""
    lines = [f"# {title}", "", about, "", "| key | kind | default | meaning |", "|---|---|---|---|"]
    return "\n".join([*lines, *_keys(body, _section(body, "$defs"), "")]) + "\n"


def _keys(model: Mapping[str, object], shared: Mapping[str, object], prefix: str) -> Iterator[str]:
    for name, field in _section(model, "properties").items():
        schema = field if isinstance(field, dict) else {}
        named = _section(shared, str(schema.get("$ref", "")).rpartition("/")[2])
        if "properties" in named:
            yield from _keys(named, shared, f"{prefix}{name}.")
            continue
        whole = {**named, **schema}
        default = f"`{_cell(whole['default'])}`" if "default" in whole else ""
        about = str(whole.get("description", "")).replace("|", "\\|")
        yield f"| `{prefix}{name}` | {_kind(whole)} | {default} | {about} |"


def _section(schema: Mapping[str, object], name: str) -> Mapping[str, object]:
    """The part of a schema of that name, empty where there is none."""
    part = schema.get(name)
    return part if isinstance(part, dict) else {}


def _kind(field: Mapping[str, object]) -> str:
    if field.get("format") == "duration":
        return "duration"
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


def _log_events() -> str:
    from observer.telemetry.log_events import LOG_EVENTS

    lines = ["# Log events", "", "The `event` of each JSON line. Other keys are facts; no secret is among them.", ""]
    lines += ["| event | meaning |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in LOG_EVENTS.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
