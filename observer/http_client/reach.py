"""What ``observer doctor`` asks of those who are told: are they there, and would they listen?"""

from __future__ import annotations

from collections.abc import Mapping

from observer.domain.errors import SourceUnavailable
from observer.domain.finding import Finding
from observer.http_client.outbox import Outbox

_LISTENS = frozenset({400, 405, 411, 415, 422, 501})
"""Answers of a server that knows the address and does not take this very question."""


async def reach(
    outbox: Outbox,
    name: str,
    section: str,
    *,
    method: str = "OPTIONS",
    path: str = "",
    headers: Mapping[str, str] | None = None,
) -> Finding:
    """One question that changes nothing. Never raises for what a server may answer."""
    name = f"{name} reachable"
    try:
        reply = await outbox.once(method, path=path, headers=headers)
    except SourceUnavailable as exc:
        remedy = f"check the address and the files of {section}, the network policy, and that the receiver runs"
        return Finding(name, False, f"{exc.reason}: {exc}", remedy)
    finally:
        await outbox.close()
    if reply.good or (method == "OPTIONS" and reply.status in _LISTENS):
        return Finding(name, True, f"it answers (HTTP {reply.status})")
    if reply.status in {401, 403}:
        return Finding(name, False, f"HTTP {reply.status}", f"check {section}.auth: it does not take our credentials")
    if reply.status == 410:
        return Finding(name, False, "HTTP 410: it wants nothing any more", f"give {section} another address")
    if reply.status == 404 and method == "OPTIONS":
        return Finding(name, None, "HTTP 404 to OPTIONS", f"check the path of {section}; some servers hide it so")
    return Finding(name, False, f"HTTP {reply.status}", f"check the address of {section}, its path above all")
