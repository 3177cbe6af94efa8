"""Who can reach the listener, and whether they have to say who they are."""

from __future__ import annotations

import ipaddress

from observer.config.settings.model import Settings


def host_of(listen: str) -> str:
    """The host of ``host:port``, without brackets; an empty one means 127.0.0.1."""
    return listen.rpartition(":")[0].strip("[]") or "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Whether a listener on this host is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def exposed(settings: Settings) -> str:
    """Why the listener must not be opened like this; empty when it may."""
    people = settings.people
    if is_loopback(host_of(settings.listen)) or people.kubernetes or people.oidc.issuer:
        return ""
    return f"{settings.listen} is reached from other machines, but nobody has to sign in"


EXPOSED_HINT = "people.kubernetes: true or people.oidc.issuer, or listen on 127.0.0.1"
