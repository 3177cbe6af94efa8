"""
Poisson load on the shop's front, from inside the mesh. GET :9000/load?rate=PER_SECOND changes it; the answer counts
what came back so far, by status.
"""

from __future__ import annotations

import asyncio
import collections
import os
import random
import signal

from aiohttp import ClientError, ClientSession, ClientTimeout, web

MOST_WAITING = 200
setting = {"rate": float(os.environ.get("RATE", "12"))}
seen: collections.Counter[str] = collections.Counter()


async def one(client: ClientSession) -> None:
    try:
        async with client.get("http://front/") as answer:
            await answer.read()
            seen[str(answer.status)] += 1
    except (TimeoutError, ClientError) as error:
        seen[type(error).__name__] += 1


async def generate() -> None:
    waiting: set[asyncio.Task[None]] = set()
    async with ClientSession(timeout=ClientTimeout(total=5)) as client:
        while True:
            await asyncio.sleep(random.expovariate(setting["rate"]))
            if len(waiting) >= MOST_WAITING:  # a slow shop sheds load instead of piling it up
                seen["shed"] += 1
                continue
            task = asyncio.ensure_future(one(client))
            waiting.add(task)
            task.add_done_callback(waiting.discard)


async def set_load(request: web.Request) -> web.Response:
    try:
        rate = float(request.query.get("rate", setting["rate"]))
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from None
    if request.query.keys() - {"rate"} or not 0 < rate <= 200:
        raise web.HTTPBadRequest(text="rate=PER_SECOND, above 0 and at most 200\n")
    setting["rate"] = rate
    return web.json_response({**setting, "seen": dict(seen)})


async def healthy(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def main() -> None:
    probe, control = web.Application(), web.Application()
    probe.router.add_get("/health", healthy)
    control.router.add_get("/load", set_load)
    for app, port in ((probe, 8080), (control, 9000)):
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, port=port).start()
    generating = asyncio.ensure_future(generate())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, generating.cancel)
    await asyncio.wait({generating})


if __name__ == "__main__":
    asyncio.run(main())
