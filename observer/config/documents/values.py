"""What a value in a file may be: pydantic types whose refusals say what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import promql_parser
from pydantic import AfterValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from observer.config.documents.durations import (
    DURATION_PATTERN,
    SIZE_PATTERN,
    format_duration,
    parse_duration,
    parse_size,
)

_DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"})
T = TypeVar("T")
_JOURNALS = ("sqlite+aiosqlite", "postgresql+asyncpg")


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """A refusal in the house's words; ``hint`` travels beside it."""
    return PydanticCustomError("observer", "{text}", {"text": message, "hint": hint})


_MOST_LISTED: Final = 12
"""A refusal names all words that may be written where there are no more than these."""
_RENAMED: Final = (
    "ladder escalation, rungs actions, rung action, tilts effect_sizes, acting_tilt acting_effect_size, told alert, "
    "acquit_seconds cleared_seconds, hold_max blocked_max, hold blocked, held blocked, sighted recovered"
)
RETIRED: Final = {old: new for old, _, new in (pair.partition(" ") for pair in _RENAMED.split(", "))}
"""Keys and words of 0.1.0 and what they are called now: a file that was written then is refused with the new word."""


def meant(written: str, allowed: Collection[str]) -> str:
    """The hint for a word that is none of ``allowed``; empty when nothing is near."""
    if RETIRED.get(written) in allowed:
        return f"it is called {RETIRED[written]} now"
    near = difflib.get_close_matches(written, allowed, n=1)
    return f"did you mean {near[0]}?" if near else ""


@dataclass(frozen=True, slots=True)
class Duration:
    """Beside ``float``: a duration with its unit, inside ``[low, high]`` seconds."""

    low: float
    high: float

    def read(self, value: object) -> float:
        """Seconds. Raises: a refusal."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise wrong("must be a duration", "for example 30s, 5m or 24h")
        try:
            seconds = parse_duration(str(value))
        except ValueError:
            hint = f"write a unit: {value}s" if isinstance(value, int | float) else "for example 30s, 1m30s or 24h"
            raise wrong(f"must be a duration, got {_shown(value)}", hint) from None
        if not self.low <= seconds <= self.high:
            raise wrong(f"must be from {format_duration(self.low)} to {format_duration(self.high)}, got {value}")
        return seconds

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": DURATION_PATTERN, "format": "duration"}


@dataclass(frozen=True, slots=True)
class Size:
    """Beside ``int``: bytes, plain or with a unit, inside ``[low, high]``."""

    low: int
    high: int

    def read(self, value: object) -> int:
        """Bytes. Raises: a refusal."""
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise wrong("must be a size", "for example 64KiB or 256MiB")
        try:
            count = parse_size(str(value))
        except ValueError:
            raise wrong(f"must be a size, got {_shown(value)}", "for example 64KiB or 256MiB") from None
        if not self.low <= count <= self.high:
            raise wrong(f"must be from {self.low} to {self.high} bytes, got {value}")
        return count

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        whole = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return {"anyOf": [{"type": "string", "pattern": SIZE_PATTERN}, whole]}


@dataclass(frozen=True, slots=True)
class Words:
    """Beside ``str``: the words that may be written; beside an enum: those of its members."""

    allowed: tuple[str, ...] | Callable[[], tuple[str, ...]]

    @property
    def words(self) -> tuple[str, ...]:
        """Those that may be written now: what is registered later counts, too."""
        return self.allowed() if callable(self.allowed) else self.allowed

    def read(self, value: object) -> str:
        """The word, or the member of that value. Raises: a refusal."""
        by_word = {str(member): member for member in self.words}
        if isinstance(value, str) and value in by_word:
            return by_word[value]
        hint = meant(str(value), by_word)
        if len(by_word) > _MOST_LISTED:
            raise wrong(
                f"is no word that Observer knows, got {_shown(value)}", hint or "the JSON Schema lists all of them"
            )
        raise wrong(f"must be one of {', '.join(by_word)}, got {_shown(value)}", hint)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "enum": [str(member) for member in self.words]}


@dataclass(frozen=True, slots=True)
class Check:
    """Beside ``str``: a text that is not empty; ``test`` answers what else is wrong with it, or None."""

    test: Callable[[str], str | None] | None = None
    pattern: str = ""
    empty: bool = False

    def read(self, value: str) -> str:
        """The text itself. Raises: a refusal."""
        if not value and not self.empty:
            raise wrong("must not be empty", "remove the key to get the default")
        if value and self.test is not None and (fault := self.test(value)):
            raise wrong(fault)
        return value

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        pattern = f"^$|{self.pattern}" if self.empty else self.pattern
        return {"type": "string"} | ({"pattern": pattern} if self.pattern else {})


TEXT: Final = Check()


def _check_filled(value: list[T] | dict[str, T]) -> list[T] | dict[str, T]:
    if not value:
        raise wrong("must not be empty", "remove the key, or name somebody")
    if isinstance(value, list) and any(item in value[:index] for index, item in enumerate(value)):
        raise wrong("names one twice")
    return value


FILLED: Final = AfterValidator(_check_filled)
"""A list or mapping that is not empty, without doubles."""


def _check_name(value: str) -> str | None:
    return None if re.match(_DNS_LABEL, value) else f"must be a Kubernetes name (a-z, 0-9, -), got {_shown(value)}"


def _check_file(value: str) -> str | None:
    try:
        with Path(value).open("rb") as file:
            file.read(1)
    except OSError as exc:
        return f"cannot read {value}: {exc.strerror}"
    return None


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


def _check_journal(value: str) -> str | None:
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


def _check_matchers(value: str) -> str | None:
    """A PromQL matcher list without braces."""
    try:
        parsed = promql_parser.parse("up{" + value + "}")
    except ValueError as exc:
        return f'is not a PromQL matcher list such as cluster="east": {str(exc).splitlines()[0]}'
    if not isinstance(parsed, promql_parser.VectorSelector) or parsed.matchers.or_matchers:
        return 'must be one plain matcher list such as cluster="east",env="prod"'
    return None


def _check_label_selector(value: str) -> str | None:
    """A Kubernetes label selector of equalities; an empty one would select everything."""
    parts = [part.strip() for part in value.split(",")]
    if all(re.fullmatch(r"[\w./-]+(=|==|!=)[\w.-]*|!?[\w./-]+", part) for part in parts):
        return None
    return f"must be a label selector such as app=istiod, got {_shown(value)}"


def _check_pattern(value: str) -> str | None:
    """A regular expression."""
    try:
        re.compile(value)
    except re.error as exc:
        return f"is not a regular expression: {exc}"
    return None


def _check_headers(value: dict[str, str]) -> dict[str, str]:
    for name, content in value.items():
        if name.lower() in _SECRET_HEADERS:
            raise wrong(f"header {name} would put a secret into this file", "use auth.bearer_file")
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or any(c in content for c in "\r\n\0"):
            raise wrong(f"header {_shown(name)} is not a valid HTTP header")
    return value


def _shown(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    shown = value if isinstance(value, str) else repr(value)
    return f'"{shown[:60]}"' if isinstance(value, str) else shown[:60]


NAME: Final = Check(_check_name, _DNS_LABEL)
"""A Kubernetes name of one label."""
FILE: Final = Check(_check_file)
"""Path of a file that can be read now; its content is read when it is needed."""
URL: Final = Check(_check_url, "^https?://")
"""An ``http`` or ``https`` address without credentials and query."""
LISTEN: Final = Check(check_listen)
JOURNAL: Final = Check(_check_journal)
MATCHERS: Final = Check(_check_matchers)
LABEL_SELECTOR: Final = Check(_check_label_selector)
PATTERN: Final = Check(_check_pattern)
HEADERS: Final = AfterValidator(_check_headers)
"""Extra HTTP headers; those that carry secrets belong into files."""
