"""What a value in an OpenSLO document may be: pydantic types whose refusals say what to write instead."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, WithJsonSchema

from observer.config.documents.values import wrong

SHORTHAND_PATTERN: Final = r"^[1-9][0-9]*[mhdwMQY]$"
_NAME: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_LABEL_KEY: Final = r"^[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$"
_ANNOTATION_KEY: Final = re.compile(
    r"(?=(.{0,253}/)?[^/]{1,63}$)([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"[a-zA-Z0-9]([-._a-zA-Z0-9]*[a-zA-Z0-9])?"
)
_LONGEST_DESCRIPTION: Final = 1050


def _name(value: str) -> str:
    if not re.match(_NAME, value):
        raise wrong(f'must be a name of a-z, 0-9 and -, at most 63 characters, got "{value[:70]}"')
    return value


def _shorthand(value: object) -> str:
    if not isinstance(value, str):
        raise wrong("must be a duration", "a number and one of m h d w M Q Y, for example 28d")
    try:
        split(value)
    except ValueError:
        hint = "a whole number and one of m h d w M Q Y, for example 28d"
        raise wrong(f'must be a duration shorthand, got "{value[:40]}"', hint) from None
    return value


def _no_label_fault(labels: object) -> object:
    if not isinstance(labels, dict):
        raise wrong("must be a mapping of labels")
    for key, value in labels.items():
        if not re.match(_LABEL_KEY, str(key)):
            raise wrong(f'label key "{key}" must be letters, digits and - . _, at most 63 characters')
        listed = value if isinstance(value, list) else [value]
        if not all(isinstance(one, str) for one in listed):
            raise wrong(f'label "{key}" must be text or a list of texts', "put it in quotes")
    return labels


def _no_annotation_fault(annotations: dict[str, str]) -> dict[str, str]:
    for key in annotations:
        if not _ANNOTATION_KEY.fullmatch(key):
            raise wrong(f'annotation key "{key}" must be [domain/]name', "for example observer.dev/no-data")
    return annotations


def _filled(value: str) -> str:
    if not value.strip():
        raise wrong("must not be empty")
    return value


def _some(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if not value:
        raise wrong("must not be empty", "for Prometheus: query: ...")
    return value


def _given(value: object) -> object:
    if value is None:
        raise wrong("must not be empty", "for Prometheus: url: http://...")
    return value


Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": _NAME})]
Shorthand = Annotated[
    str, BeforeValidator(_shorthand), WithJsonSchema({"type": "string", "pattern": SHORTHAND_PATTERN})
]
Description = Annotated[str, Field(max_length=_LONGEST_DESCRIPTION)]
DisplayName = Annotated[str, Field(max_length=63)]
Text = Annotated[str, AfterValidator(_filled)]
Labels = Annotated[
    dict[str, str | list[str]],
    BeforeValidator(_no_label_fault),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        }
    ),
]
Annotations = Annotated[dict[str, str], AfterValidator(_no_annotation_fault)]
FreeMap = Annotated[dict[str, JsonValue], AfterValidator(_some)]
Details = Annotated[JsonValue, BeforeValidator(_given)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


_SHORTHAND = re.compile(SHORTHAND_PATTERN, re.ASCII)
_DAY = 86_400.0
_SECONDS: Final = {"m": 60.0, "h": 3600.0, "d": _DAY, "w": 7 * _DAY, "M": 30 * _DAY, "Q": 90 * _DAY, "Y": 365 * _DAY}


def split(text: str) -> tuple[int, str]:
    """Count and unit of ``28d``. Raises: ValueError for anything that is no shorthand."""
    if not _SHORTHAND.match(text):
        raise ValueError(text)
    return int(text[:-1]), text[-1]


def seconds(text: str) -> float:
    """Length of ``28d`` in seconds; a month is 30 days, a quarter 90, a year 365. Raises: ValueError."""
    count, unit = split(text)
    return count * _SECONDS[unit]


def spelled(length: float) -> str:
    """The largest of ``w d h m`` that divides ``length`` seconds evenly. Raises: ValueError between whole minutes."""
    for unit in ("w", "d", "h", "m"):
        if length > 0 and length % _SECONDS[unit] == 0:
            return f"{int(length / _SECONDS[unit])}{unit}"
    raise ValueError(length)
