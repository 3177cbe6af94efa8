"""What a simulated API does wrong on purpose: switches that may be thrown while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class FaultInjection:
    """
    All off at first.

    Attributes:
        status: answer everything with this status and a JSON error.
        delay: real seconds before every answer.
        padding: bytes of white space before every body.
        truncate: bytes cut from the end of every body.
        garbage: a body that is no JSON, with status 200.
    """

    status: int = 0
    delay: float = 0.0
    padding: int = 0
    truncate: int = 0
    garbage: bool = False

    async def spoil(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The answer of ``handler``, or what became of it."""
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.status:
            return web.json_response({"error": "injected fault"}, status=self.status)
        answer = await handler(request)
        if isinstance(answer, web.Response) and isinstance(answer.body, bytes):
            if self.garbage:
                answer.body = b"<html>not what you asked for</html>"
            if self.truncate:
                answer.body = answer.body[: -self.truncate]
            answer.body = b" " * self.padding + answer.body
        return answer
