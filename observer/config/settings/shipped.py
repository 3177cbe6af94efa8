"""``deploy/observer.yaml``: every key with its default and what it means, made of the declarations of the settings."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Final, get_args

from observer.config.documents.declarations import default_of, written
from observer.config.settings.model import Settings
from observer.domain.settings import Declared, EngineSettings, declared

_WIDTH: Final = 120
_PLAIN: Final = re.compile(r"[A-Za-z/(][A-Za-z0-9_./:@+-]*|[0-9]+(\.[0-9]+)?[A-Za-z]+[0-9A-Za-z]*|[0-9.]+:[0-9]+")
_HEAD: Final = """\
# yaml-language-server: $schema=schemas/settings.json
# Settings of the Observer daemon: every key with its default. Leave out what you do not change.
# `observer check -c observer.yaml` names every fault with its place; `observer schema` prints the JSON Schema.
# Durations carry a unit (500ms, 5s, 1m30s, 24h, 7d), sizes may (64KiB, 256MiB). Secrets stand only in files.
"""


def text() -> str:
    """The whole file."""
    lines = [*_keys(EngineSettings, ""), *_keys(Settings, "")]
    return "\n".join([_HEAD, *lines]) + "\n"


def _keys(kind: type, indent: str) -> Iterator[str]:
    for item in declared(kind):
        inner = get_args(item.hint)[0]
        if is_dataclass(inner) and isinstance(inner, type):
            yield from ([""] if not indent else [])
            yield from _comment(item.setting.about, indent)
            yield f"{indent}{item.name}:"
            yield from _keys(inner, f"{indent}  ")
            continue
        yield from _key(item, default_of(kind, item.name), indent)
        listed = next((part for part in get_args(inner) if is_dataclass(part)), None)
        if isinstance(listed, type):
            yield from _example(listed, f"{indent}  ")


def _key(item: Declared, default: object, indent: str) -> Iterator[str]:
    line = f"{indent}{item.name}: {spelled(written(default, item.setting))}"
    beside = f"{line}  # {item.setting.about}"
    if len(beside) <= _WIDTH:
        yield beside
    else:
        yield from _comment(item.setting.about, indent)
        yield line


def _example(kind: type, indent: str) -> Iterator[str]:
    """An item of a list, as comments."""
    first = f"{indent}# - "
    for line in _keys(kind, ""):
        if line:
            yield first + line
            first = f"{indent}#   "


def _comment(about: str, indent: str) -> Iterator[str]:
    return (f"{indent}# {line}" for line in textwrap.wrap(about, _WIDTH - len(indent) - 2, break_on_hyphens=False))


def spelled(value: object) -> str:
    """A value in YAML, on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(spelled, value))}]"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if (
        isinstance(value, str)
        and _PLAIN.fullmatch(value)
        and value[-1] != ":"
        and value not in {"true", "false", "null"}
    ):
        return value
    return json.dumps(value, ensure_ascii=False)
