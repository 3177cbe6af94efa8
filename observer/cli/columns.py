"""Columns for people: as wide as their widest word, the last one as long as it likes."""

from __future__ import annotations

from collections.abc import Sequence

from observer.cli.paint import Paint, Tone, bare

GAP = "  "


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], paint: Paint) -> str:
    """``head`` and ``rows`` below each other; cells may carry colours already."""
    lines = [head, *rows]
    widths = [max(len(bare(line[place])) for line in lines) for place in range(len(head))]
    texts = [_line(line, widths) for line in lines]
    return "\n".join([paint(texts[0], Tone.FAINT), *texts[1:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - len(bare(cell))) for cell, width in zip(cells, widths, strict=True)]
    return GAP.join(padded).rstrip()
