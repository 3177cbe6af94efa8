"""Which form of the board a terminal gets, and until when."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from dataclasses import replace
from typing import Final

from observer.app import now
from observer.cli.door import ApiClient
from observer.cli.paint import paint_for
from observer.cli.top.board import TopView, WorkloadFilter, decisions_about, look
from observer.cli.top.plain import refreshed, text
from observer.domain.errors import ConfigError

WITHOUT: Final = "observer top needs the extra `tui`: pip install 'observer[tui]'; or take --plain"


def run(door: ApiClient, question: WorkloadFilter, *, every: float, plain: bool, interactive: bool) -> None:
    """
    The full screen on a terminal, lines with ``plain``, one picture where nobody watches.

    Raises: DoorError when the daemon cannot be asked at the start, ConfigError without the extra.
    """
    if not interactive:
        board = asyncio.run(look(door, question, now()))
        sys.stdout.write(text(board, paint_for(sys.stdout)) + "\n")
    elif plain:
        asyncio.run(_lines(door, question, every))
    else:
        if importlib.util.find_spec("textual") is None:
            raise ConfigError(WITHOUT)
        asyncio.run(_screen(door, question, every))


async def _lines(door: ApiClient, question: WorkloadFilter, every: float) -> None:
    def write(said: str) -> None:
        sys.stdout.write(said)
        sys.stdout.flush()

    await refreshed(lambda: look(door, question, now()), write, asyncio.sleep, paint_for(sys.stdout), every)


async def _screen(door: ApiClient, question: WorkloadFilter, every: float) -> None:
    from observer.cli.top.screen import Top

    patient = replace(door, timeout=max(door.timeout, every))

    async def ask(wanted: WorkloadFilter) -> TopView:
        return await look(patient, wanted, now())

    async def tell(query: dict[str, str]) -> list[str]:
        return await decisions_about(patient, query)

    await Top(await ask(question), ask, tell, question=question, every=every).run_async()
