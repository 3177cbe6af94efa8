"""Headers that every answer carries: what a browser may do with it. No script or style stands inside our pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


async def shielded(_: web.Request, response: web.StreamResponse) -> None:
    """Signal ``on_response_prepare``, so that errors and streams carry them too; stricter ones stay as they are."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
