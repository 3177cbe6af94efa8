"""What the check-ups of servers that are asked over HTTP have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.finding import Finding

MATCHED: Final = 0.9
"""Share of what lives in the cluster that a server should know."""
_SHOWN: Final = 3


async def examined(
    server: str, look: Callable[[], Awaitable[list[Finding]]], remedies: Mapping[str, str]
) -> list[Finding]:
    """
    What ``look`` finds, or that ``server`` cannot be asked, with what ``remedies`` says of the reason.

    Never raises for what a server may answer. What is well needs no remedy.
    """
    usual = {
        "redirected": f"give {server}.url the final address: credentials are sent to no other",
        "too_large": f"raise {server}.max_bytes",
    }
    try:
        findings = await look()
    except (SourceUnavailable, SourceProtocolError) as exc:
        otherwise = f"check {server}.url, the network policy and that the server is ready"
        remedy = (usual | dict(remedies)).get(exc.reason, otherwise)
        findings = [Finding(f"{server} reachable", False, f"{exc.reason}: {exc}", remedy)]
    return [replace(finding, remedy="") if finding.ok else finding for finding in findings]


def coverage(whole: int, missing: Sequence[object], what: str) -> tuple[float, str]:
    """The share of ``whole`` that is not missing, and the same in words: ``95% of 20 pods are scraped; not: ...``."""
    share = 1 - len(missing) / whole
    detail = f"{share:.0%} of {whole} {what}"
    if missing:
        more = " ..." if len(missing) > _SHOWN else ""
        detail += f"; not: {', '.join(map(str, missing[:_SHOWN]))}{more}"
    return share, detail
