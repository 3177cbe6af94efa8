"""What a value in a settings file may be: pydantic types whose refusals say what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any
from urllib.parse import urlsplit

import promql_parser
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from observer.config.documents.durations import (
    DURATION_PATTERN,
    SIZE_PATTERN,
    format_duration,
    parse_duration,
    parse_size,
)

_DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"})
_JOURNALS = ("sqlite+aiosqlite", "postgresql+asyncpg")


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """A refusal in the house's words; ``hint`` travels beside it."""
    return PydanticCustomError("observer", "{text}", {"text": message, "hint": hint})


def seconds(low: float, high: float) -> Any:
    """A duration with its unit, inside ``[low, high]`` seconds."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise wrong("must be a duration", "for example 30s, 5m or 24h")
        try:
            found = parse_duration(str(value))
        except ValueError:
            hint = f"write a unit: {value}s" if isinstance(value, int | float) else "for example 30s, 1m30s or 24h"
            raise wrong(f"must be a duration, got {_shown(value)}", hint) from None
        if not low <= found <= high:
            raise wrong(f"must be from {format_duration(low)} to {format_duration(high)}, got {value}")
        return found

    return Annotated[
        float,
        BeforeValidator(read),
        WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "format": "duration"}),
    ]


def size(low: int, high: int) -> Any:
    """Bytes, plain or with a unit, inside ``[low, high]``."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise wrong("must be a size", "for example 64KiB or 256MiB")
        try:
            found = parse_size(str(value))
        except ValueError:
            raise wrong(f"must be a size, got {_shown(value)}", "for example 64KiB or 256MiB") from None
        if not low <= found <= high:
            raise wrong(f"must be from {low} to {high} bytes, got {value}")
        return found

    schema = {
        "anyOf": [{"type": "string", "pattern": SIZE_PATTERN}, {"type": "integer", "minimum": low, "maximum": high}]
    }
    return Annotated[int, BeforeValidator(read), WithJsonSchema(schema)]


def count(low: int, high: int) -> Any:
    """A whole number inside ``[low, high]``: every cap is finite."""
    return Annotated[int, Field(ge=low, le=high)]


def number(low: float, high: float) -> Any:
    """A number inside ``[low, high]``."""
    return Annotated[float, Field(ge=low, le=high, allow_inf_nan=False)]


def above(low: float, high: float) -> Any:
    """A number inside ``(low, high]``."""
    return Annotated[float, Field(gt=low, le=high, allow_inf_nan=False)]


def choice(kind: type[StrEnum], allowed: Callable[[], tuple[StrEnum, ...]] | None = None) -> Any:
    """One word of ``kind``; of those that ``allowed`` answers when a document is read, if given."""
    return _word(lambda: {member.value: member for member in (allowed() if allowed else tuple(kind))})


def word(*allowed: str) -> Any:
    """One of these words."""
    return _word(lambda: {name: name for name in allowed})


def _word(listed: Callable[[], dict[str, Any]]) -> Any:
    def read(value: object) -> Any:
        members = listed()
        if isinstance(value, str) and value in members:
            return members[value]
        near = difflib.get_close_matches(str(value), members, n=1)
        hint = f"did you mean {near[0]}?" if near else ""
        raise wrong(f"must be one of {', '.join(members)}, got {_shown(value)}", hint)

    return Annotated[Any, BeforeValidator(read), WithJsonSchema({"type": "string", "enum": list(listed())})]


def text(check: Callable[[str], str | None] | None = None, *, pattern: str = "", empty: bool = False) -> Any:
    """A string; ``check`` answers what is wrong with it, or None."""

    def read(value: str) -> str:
        if not value and not empty:
            raise wrong("must not be empty", "remove the key to get the default")
        if value and (fault := check(value) if check else None):
            raise wrong(fault)
        return value

    schema: dict[str, Any] = {"type": "string"} | ({"pattern": pattern} if pattern else {})
    return Annotated[str, AfterValidator(read), WithJsonSchema(schema)]


def many(kind: Any) -> Any:
    """A list of ``kind``."""
    return GenericAlias(list, (kind,))


def mapping(kind: Any) -> Any:
    """A mapping of words to ``kind``."""
    return GenericAlias(dict, (str, kind))


def dns_label() -> Any:
    """A Kubernetes name of one label."""

    def read(value: str) -> str | None:
        return None if re.match(_DNS_LABEL, value) else f"must be a Kubernetes name (a-z, 0-9, -), got {_shown(value)}"

    return text(read, pattern=_DNS_LABEL)


def readable_file() -> Any:
    """Path of a file that can be read now; its content is read when it is needed. Empty = none."""

    def read(value: str) -> str | None:
        try:
            with Path(value).open("rb") as file:
                file.read(1)
        except OSError as exc:
            return f"cannot read {value}: {exc.strerror}"
        return None

    return text(read, empty=True)


def http_url(*, empty: bool = False) -> Any:
    """An ``http`` or ``https`` address without credentials and query."""
    return text(_check_url, pattern="^https?://", empty=empty)


def _check_url(value: str) -> str | None:
    try:
        parts = urlsplit(value)
        port_fits = parts.port is None or parts.port > 0
    except ValueError as exc:
        return f"is not an address: {exc}"
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_fits:
        return f"must be http://host[:port][/path] or https://..., got {_shown(value)}"
    if parts.username is not None or parts.password is not None:
        return "must not carry credentials; name them in files under auth"
    if parts.query or parts.fragment:
        return "must not carry a query or fragment"
    return None


def check_listen(value: str) -> str | None:
    """``host:port``; port 0 lets the system choose."""
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        return f"must be host:port, for example 127.0.0.1:8090, got {_shown(value)}"
    return None


def check_journal(value: str) -> str | None:
    """A database address of a supported kind without a password."""
    scheme, colon, rest = value.partition("://")
    if not colon or scheme not in _JOURNALS:
        return f"must be a database address that begins with {' or '.join(f'{kind}://' for kind in _JOURNALS)}"
    if scheme.startswith("sqlite"):
        return (
            None if rest.startswith("/") and len(rest) > 1 else "must name a file: sqlite+aiosqlite:///path/journal.db"
        )
    parts = urlsplit(f"//{rest}")
    if parts.password is not None:
        return "must not carry a password; name its file in journal_password_file"
    return (
        None if parts.hostname and parts.path.strip("/") else "must be postgresql+asyncpg://user@host[:port]/database"
    )


def check_matchers(value: str) -> str | None:
    """A PromQL matcher list without braces."""
    try:
        parsed = promql_parser.parse("up{" + value + "}")
    except ValueError as exc:
        return f'is not a PromQL matcher list such as cluster="east": {str(exc).splitlines()[0]}'
    if not isinstance(parsed, promql_parser.VectorSelector) or parsed.matchers.or_matchers:
        return 'must be one plain matcher list such as cluster="east",env="prod"'
    return None


def check_label_selector(value: str) -> str | None:
    """A Kubernetes label selector of equalities; an empty one would select everything."""
    parts = [part.strip() for part in value.split(",")]
    if all(re.fullmatch(r"[\w./-]+(=|==|!=)[\w.-]*|!?[\w./-]+", part) for part in parts):
        return None
    return f"must be a label selector such as app=istiod, got {_shown(value)}"


def check_pattern(value: str) -> str | None:
    """A regular expression."""
    try:
        re.compile(value)
    except re.error as exc:
        return f"is not a regular expression: {exc}"
    return None


def headers() -> Any:
    """Extra HTTP headers; those that carry secrets belong into files."""

    def read(value: dict[str, str]) -> dict[str, str]:
        for name, content in value.items():
            if name.lower() in _SECRET_HEADERS:
                raise wrong(f"header {name} would put a secret into this file", "use auth.bearer_file")
            if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or any(c in content for c in "\r\n\0"):
                raise wrong(f"header {_shown(name)} is not a valid HTTP header")
        return value

    return Annotated[dict[str, str], AfterValidator(read)]


def _shown(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    shown = value if isinstance(value, str) else repr(value)
    return f'"{shown[:60]}"' if isinstance(value, str) else shown[:60]
