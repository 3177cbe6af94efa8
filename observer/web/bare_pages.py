"""Pages without script and style: the way in, and what a form is told when it cannot be done."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final
from urllib.parse import quote

from aiohttp import web

CSP: Final = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser sends `Origin: null` along with our own forms
    "Cache-Control": "no-store",
}


def html(body: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer that no cache keeps and no other site frames."""
    return web.Response(status=status, text=body, content_type="text/html", headers={**_HEADERS, **(headers or {})})


def led_to(where: str) -> web.Response:
    """On to another page, asked for with GET."""
    return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})


def not_done(detail: str) -> str:
    """Why a form was not followed."""
    return _page("Not done", f'<p role="alert">{escape(detail)}</p><p><a href="/">To the first page</a></p>')


def sign_in(wanted: str, message: str, *, token: bool, oidc: str) -> str:
    """``oidc`` is the address of the link, empty without a provider; ``token`` = a token can be used."""
    parts = [f'<p role="alert"><strong>{escape(message)}</strong></p>'] if message else []
    if oidc:
        parts.append(
            f'<p><a href="{escape(oidc)}?next={quote(wanted, safe="")}">Sign in with your organisation</a></p>'
        )
    if token:
        parts.append(
            '<form method="post" action="/sign-in">'
            '<p><label for="token">Token</label><br>'
            '<input id="token" name="token" type="password" autocomplete="off" required size="60"></p>'
            f'<input type="hidden" name="next" value="{escape(wanted)}">'
            '<p><button type="submit">Sign in</button></p></form>'
            "<p>The token that Observer printed when it started, or one of the cluster "
            "(<code>kubectl create token NAME</code>).</p>"
        )
    if not oidc and not token:
        parts.append("<p>Nobody can sign in here: the settings name no way (section people).</p>")
    return _page("Sign in", "".join(parts))


def going_on(wanted: str) -> str:
    """A page that leads on by itself."""
    where = escape(wanted)
    return _page(
        "Signed in",
        f'<p>Signed in. <a href="{where}">Go on</a></p>',
        head=f'<meta http-equiv="refresh" content="0;url={where}">',
    )


def _page(title: str, body: str, *, head: str = "") -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} - Observer</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark">{head}</head>'
        f"<body><main><h1>{title}</h1>{body}</main></body></html>\n"
    )
