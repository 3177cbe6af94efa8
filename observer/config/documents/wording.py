"""What pydantic found wrong, in the words of this house."""

from __future__ import annotations

import difflib
import json
import re
from typing import Any


def reworded(kind: str, context: dict[str, Any], value: object) -> tuple[str, str]:
    """Message and hint for a pydantic error of this ``kind``; both empty where its own text will do."""
    got = f", got {json.dumps(value)[:60]}" if isinstance(value, str | int | float) else ""
    wanted = {
        "int_type": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_type": "must be a number",
        "finite_number": "must be a finite number",
        "bool_type": "must be true or false",
        "string_type": "must be text",
        "list_type": "must be a list",
        "dict_type": "must be a mapping",
        "model_type": "must be a mapping of settings",
    }
    if kind in wanted:
        hint = "put it in quotes" if kind == "string_type" and got else ""
        return wanted[kind] + got, hint
    bounds = {
        "greater_than": ("above", "gt"),
        "greater_than_equal": ("at least", "ge"),
        "less_than_equal": ("at most", "le"),
        "less_than": ("below", "lt"),
    }
    if kind in bounds:
        words, key = bounds[kind]
        return f"must be {words} {context[key]:g}{got}", ""
    return _of_documents(kind, context, value)


def _of_documents(kind: str, context: dict[str, Any], value: object) -> tuple[str, str]:
    if kind == "missing":
        return "is missing", ""
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", context["expected"])
        near = difflib.get_close_matches(str(value), allowed, n=1)
        hint = f"did you mean {near[0]}?" if near and len(allowed) > 1 else ""
        return f"must be {'one of ' if allowed[1:] else ''}{', '.join(allowed)}, got {json.dumps(value)[:60]}", hint
    lengths = {"too_short": ("at least", "min_length"), "too_long": ("at most", "max_length")}
    if kind in lengths:
        words, key = lengths[kind]
        return (
            f"must have {words} {context[key]} item{'' if context[key] == 1 else 's'}, has {context['actual_length']}",
            "",
        )
    if kind == "string_too_long":
        return f"must be at most {context['max_length']} characters", ""
    return "", ""
