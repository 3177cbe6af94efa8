"""JSON of others -> wire structs, with one error for everything that is no such answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from observer.domain.errors import SourceProtocolError

T = TypeVar("T")


def decoded(decode: Callable[[bytes], T], body: bytes, what: str) -> T:
    """What ``decode`` makes of ``body``; raises ``SourceProtocolError`` that names ``what`` was wanted."""
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise SourceProtocolError(f"malformed {what}: {exc}") from exc
    except RecursionError as exc:
        raise SourceProtocolError(f"malformed {what}: nested too deeply") from exc
