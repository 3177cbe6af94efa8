"""Why a connection failed, in words that a person can act on and that hold neither address nor header."""

from __future__ import annotations

import os
import socket

import aiohttp


def reason(exc: Exception) -> str:
    """
    The system's own word for what went wrong, else the name of the error.

    The library's texts are never used: they may repeat the address or headers.
    """
    if isinstance(exc, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return f"its certificate or its TLS is not accepted ({type(exc).__name__})"
    known = exc.os_error if isinstance(exc, aiohttp.ClientConnectorError) else exc
    if isinstance(exc, aiohttp.ClientConnectorDNSError) or isinstance(known, socket.gaierror):
        return "its name is not known to the resolver"
    if isinstance(exc, aiohttp.ServerDisconnectedError):
        return "it hung up before it answered"
    number = known.errno if isinstance(known, OSError) else None
    if isinstance(number, int) and number > 0:
        return os.strerror(number).lower()
    return type(exc).__name__
