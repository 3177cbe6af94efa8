"""Addresses of what others show about the same thing, made of the templates in section ``links`` of the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from observer.domain.decision import Decision

OURS: Final = "page"
"""The name of the link that leads here."""
LinksOf = Callable[[Decision], Mapping[str, str]]
"""The addresses that belong to a decision, by name."""


class Link(Struct, frozen=True):
    """One link: where it goes (``jaeger``, ``kiali``, ``grafana``, ``runbook``) and the address."""

    to: str
    url: str


def no_links(_: Decision) -> Mapping[str, str]:
    """Where the settings name none."""
    return {}


def links_for(decisions: Sequence[Decision], links_of: LinksOf) -> tuple[Link, ...]:
    """Those of the first decision that has any: it stands where the trouble began."""
    found = next((links for one in decisions if (links := links_of(one))), {})
    return tuple(Link(name, url) for name, url in found.items() if name != OURS)
