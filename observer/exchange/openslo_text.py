"""OpenSLO documents as YAML that reads back to the same values, by strict readers and by YAML 1.1 alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import yaml

_WORDS: Final = frozenset({"", "~", "null", "true", "false"})
_BREAKS: Final = frozenset("\x85\u2028\u2029")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


class _Dumper(yaml.SafeDumper):
    """Writes values out wherever they stand: no anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the library's signature
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # A number of JSON such as 1e3 is text in YAML 1.1 and would be written without quotes.
    # Line breaks that only YAML knows would be folded into a space.
    broken = not _BREAKS.isdisjoint(value)
    style = '"' if broken or value in _WORDS or _NUMBER.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def written(documents: Iterable[dict[str, object]]) -> str:
    """The documents, divided by ``---``, keys in their own order."""
    return yaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False
    )
