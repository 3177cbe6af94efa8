"""
One service of the shop: waits a little, calls its upstreams in parallel, answers.

Faults are set over a port of their own that the sidecar does not intercept, so that setting them is no request of the
shop: GET :9000/fault?err=0.3&code=503&delay=0.25 (rate, status, seconds) makes this pod gray. Its probe stays green.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator

from aiohttp import ClientError, ClientSession, ClientTimeout, web

PASSED_ON = ("traceparent", "tracestate", "x-request-id")
UPSTREAMS = [address for address in os.environ.get("UPSTREAMS", "").split(",") if address]
WORK = float(os.environ.get("WORK", "0.003"))
LAME_DUCK = 1.5

fault = {"err": 0.0, "code": 500.0, "delay": 0.0}


async def call(client: ClientSession, address: str, headers: dict[str, str]) -> int:
    """The upstream's status; 504 when it does not answer."""
    try:
        async with client.get(address, headers=headers) as answer:
            await answer.read()
            return answer.status
    except (TimeoutError, ClientError):
        return 504


async def serve(request: web.Request) -> web.Response:
    await asyncio.sleep(random.expovariate(1 / WORK) + fault["delay"] * random.uniform(0.7, 1.3))
    if random.random() < fault["err"]:
        return web.Response(status=int(fault["code"]), text="failed\n")
    headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
    answers = await asyncio.gather(*(call(request.app["session"], address, headers) for address in UPSTREAMS))
    if any(status >= 500 for status in answers):
        return web.Response(status=502, text="an upstream failed\n")
    return web.Response(text=os.environ.get("HOSTNAME", "?") + "\n")


async def set_fault(request: web.Request) -> web.Response:
    try:
        wanted = {name: float(value) for name, value in request.query.items()}
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from None
    if unknown := wanted.keys() - fault.keys():
        raise web.HTTPBadRequest(text=f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(fault))}\n")
    fault.update(wanted)
    return web.json_response(fault)


async def healthy(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def with_session(app: web.Application) -> AsyncIterator[None]:
    async with ClientSession(timeout=ClientTimeout(total=5)) as client:
        app["session"] = client
        yield


async def main() -> None:
    """Serve until SIGTERM, and a moment longer: callers learn a little later that this pod goes."""
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    shop, control = web.Application(), web.Application()
    shop.router.add_get("/", serve)
    shop.router.add_get("/health", healthy)
    shop.cleanup_ctx.append(with_session)
    control.router.add_get("/fault", set_fault)
    for app, port in ((shop, 8080), (control, 9000)):
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, port=port).start()
    await ending.wait()
    await asyncio.sleep(LAME_DUCK)


if __name__ == "__main__":
    asyncio.run(main())
