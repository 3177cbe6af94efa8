"""What a value in an OpenSLO document may be: pydantic types whose refusals say what to write instead."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from observer.config.documents.values import wrong
from observer.config.openslo.shorthand import SHORTHAND_PATTERN, split

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


def _no_label_fault(labels: Any) -> Any:
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


def _some(value: dict[str, Any]) -> dict[str, Any]:
    if not value:
        raise wrong("must not be empty", "for Prometheus: query: ...")
    return value


def _given(value: Any) -> Any:
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
    dict[str, Any],
    BeforeValidator(_no_label_fault),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        }
    ),
]
Annotations = Annotated[dict[str, str], AfterValidator(_no_annotation_fault)]
FreeMap = Annotated[dict[str, Any], AfterValidator(_some)]
Details = Annotated[Any, BeforeValidator(_given)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
