"""The board as text: once for a pipe, again and again for a terminal without the full screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from observer.cli.columns import columns
from observer.cli.failures import ApiError
from observer.cli.moments import clock
from observer.cli.paint import Paint, Tone
from observer.cli.top.board import Table, TopView, Words

CLEAR: Final = "\x1b[H\x1b[2J"
Look = Callable[[], Awaitable[TopView]]


def text(board: TopView, paint: Paint) -> str:
    """Everything that is shown, the most urgent first."""
    lines = ["  ".join(_painted(one, paint) for one in board.status)]
    if board.lost:
        lines.append(paint(board.lost, Tone.BAD))
    lines += ["", paint("WANTS OF YOU", Tone.BOLD), *(_painted(one, paint) for one in board.asks)]
    if not board.asks:
        lines.append("nothing")
    for name, table in (("OPEN INCIDENTS", board.incidents), ("WORKLOADS", board.workloads)):
        head = f"{name}  {table.note}".rstrip()
        lines += ["", paint(head, Tone.BOLD), _table(table, paint) if table.rows else "none"]
    lines += ["", paint("DID LATELY", Tone.BOLD), *(board.did or ("nothing",))]
    return "\n".join(lines)


async def refreshed(
    look: Look, write: Callable[[str], None], sleep: Callable[[float], Awaitable[None]], paint: Paint, every: float
) -> None:
    """Write picture after picture until cancelled; one that did not come leaves the last with a word about it."""
    board = await look()
    while True:
        write(CLEAR + text(board, paint) + "\n")
        await sleep(every)
        board = await again(look, board)


async def again(look: Look, board: TopView) -> TopView:
    """The next picture, or the last one and why there is no newer. The first failure's instant stays."""
    try:
        return await look()
    except ApiError as exc:
        return board if board.lost else replace(board, lost=f"nothing new since {clock(board.at)} UTC: {exc}")


def _table(table: Table, paint: Paint) -> str:
    return columns(table.head, [[_painted(cell, paint) for cell in row.cells] for row in table.rows], paint)


def _painted(words: Words, paint: Paint) -> str:
    said, tone = words
    return paint(said, tone) if tone is not None else said
