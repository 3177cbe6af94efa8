"""Names, labels and targets as OpenSLO v1 lets them be."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Final

from observer.exchange.conversion import Fields, Plain

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL: Final = re.compile(r"[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")


def named(fields: Fields, key: str, wanted: str) -> str:
    """``wanted`` as a name of OpenSLO v1; a note says so when it had to change."""
    if _NAME.fullmatch(wanted):
        return wanted
    changed = re.sub(r"[^a-z0-9]+", "-", wanted.lower()).strip("-")[:63].strip("-")
    if not changed:
        fields.refuse(key, f'"{wanted}" cannot be made a name of a-z, 0-9 and -')
        return "unnamed"
    fields.note(key, f'is called "{changed}" now', "names are a-z, 0-9 and -, at most 63 characters")
    return changed


def metadata(name: str, labels: dict[str, str], annotations: dict[str, str], display: str = "") -> Plain:
    """Labels whose keys OpenSLO does not take (``pyrra.dev/team``) become annotations, whose keys may be such."""
    plain = {key: value for key, value in labels.items() if _LABEL.fullmatch(key)}
    rest = {key: value for key, value in labels.items() if key not in plain} | annotations
    found: Plain = {"name": name}
    if display:
        found["displayName"] = display
    if plain:
        found["labels"] = plain
    if rest:
        found["annotations"] = rest
    return found


def percent(fields: Fields, key: str, value: object) -> float:
    """A target in percent, below 100: OpenSLO has none without a budget."""
    try:
        number = float(Decimal(str(value)))
    except InvalidOperation:
        fields.refuse(key, f'must be a number, got "{value}"')
        return 0.0
    if not 0 <= number < 100:
        hint = "100 % leaves no budget; 99.99 for example"
        fields.refuse(key, f"must be from 0 and below 100, got {value}", hint)
    elif 0 < number <= 1:
        fields.note(key, f"is taken as {number:g} %", f"write {number * 100:g} if it was meant as a share")
    return number
