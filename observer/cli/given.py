"""What a person gives a command in words of their own, and who that person is."""

from __future__ import annotations

import os

from observer.domain.errors import ConfigError
from observer.domain.words import unfit


def words(field: str, text: str) -> str:
    """The text as it is. Raises: ConfigError when others must not be shown it."""
    if wrong := unfit(field, text):
        raise ConfigError(wrong)
    return text


def who_is_here() -> str:
    """The login name, as the environment says it. Raises: ConfigError when it is no name."""
    for variable in ("USER", "LOGNAME"):
        if name := os.environ.get(variable):
            return words(f"${variable}", name)
    return "unknown"
