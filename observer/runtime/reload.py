"""Takes edited settings and policies into force: checked as a whole and exchanged between two ticks, or refused."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from observer.config.reload import Rules, merged
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import ConfigError
from observer.domain.kinds import Kind
from observer.domain.severities import Severity
from observer.ports.sources import Clock, EditedFiles

log = structlog.get_logger(__name__)

_PUBLISHED = 5
"""So many faults stand in the text of a decision; the log has them all."""


@dataclass(frozen=True, slots=True)
class ReloadState:
    """
    How the last reload went.

    ``ok`` is false while the files say something that was refused; ``detail`` then names the faults. ``needs_restart``
    are keys of the settings file that differ from what runs. ``at`` is Unix seconds.
    """

    ok: bool = True
    at: float = 0.0
    detail: str = ""
    needs_restart: tuple[str, ...] = ()


class RulesTarget(Protocol):
    """The loop, as far as it takes new rules."""

    async def adopt(self, rules: Rules | None, state: ReloadState, decision: Decision) -> None:
        """Between two ticks: decide by ``rules`` from now on (None = go on as before), and record the decision."""
        ...


class Reloader:
    """
    Looks every ``every`` seconds whether a file changed, and at once when asked (SIGHUP).

    ``read`` raises ``ConfigError`` with every fault; then everything stays as it was, and that is told.
    """

    def __init__(
        self,
        *,
        rules: Rules,
        files: EditedFiles,
        read: Callable[[], Rules],
        loop: RulesTarget,
        clock: Clock,
        every: float,
    ) -> None:
        self._rules, self._files, self._read = rules, files, read
        self._loop, self._clock, self._every = loop, clock, every
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Read again now, whether or not a file changed."""
        self._asked.set()

    async def run(self) -> None:
        """Look until cancelled; first at what was edited while the daemon started."""
        await asyncio.to_thread(self._files.changed, self._rules.settings.policies)
        await self._take(asked=False, quiet=True)
        while True:
            await self._pause()
            await self.look()

    async def look(self) -> None:
        """One look; reads only what changed or was asked for."""
        asked = self._asked.is_set()
        self._asked.clear()
        changed = await asyncio.to_thread(self._files.changed, self._rules.settings.policies)
        if asked or changed:
            await self._take(asked=asked)

    async def _pause(self) -> None:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(self._asked.wait())
            due = group.create_task(self._clock.sleep(self._every))
            await asyncio.wait({asked, due}, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            due.cancel()

    async def _take(self, *, asked: bool, quiet: bool = False) -> None:
        """``quiet``: nothing is told when the files say what is in force."""
        at = self._clock.now()
        try:
            wanted = await asyncio.to_thread(self._read)
        except ConfigError as exc:
            faults = str(exc).splitlines()
            more = f" and {len(faults) - _PUBLISHED} more" if len(faults) > _PUBLISHED else ""
            detail = "; ".join(faults[:_PUBLISHED]) + more
            log.error("config_rejected", faults=faults)
            text = f"Edited settings or policies are refused, the old ones stay in force: {detail}."
            state = ReloadState(ok=False, at=at, detail=detail)
            await self._loop.adopt(
                None, state, _decision(at, Kind.CONFIG_REJECTED, "rejected", text, self._rules, state)
            )
            return
        settings, restart = merged(self._rules.settings, wanted.settings)
        rules = Rules(settings, wanted.policies.beneath(settings), wanted.objectives)
        same = rules.identity == self._rules.identity and not asked and not restart
        if same and quiet:
            return
        if same:
            reason, text = "unchanged", "Files were edited, and decide as before."
        else:
            reason, text = "reloaded", f"Settings and policies {rules.identity} are in force."
        if restart:
            text += f" Needs a restart: {', '.join(restart)}."
        log.info("config_reloaded", identity=rules.identity, needs_restart=restart)
        self._rules = rules
        state = ReloadState(ok=True, at=at, needs_restart=restart)
        await self._loop.adopt(rules, state, _decision(at, Kind.CONFIG_RELOADED, reason, text, rules, state))


def _decision(at: float, kind: Kind, reason: str, text: str, rules: Rules, state: ReloadState) -> Decision:
    parts = (repr(at), kind, reason, text, rules.identity)
    return Decision(
        id=hashlib.sha256("|".join(parts).encode()).hexdigest()[:24],
        at=at,
        kind=kind,
        verdict=Verdict.TELL,
        subject="observer",
        reason=reason,
        text=text,
        mode=rules.settings.engine.mode,
        figures={
            "settings": rules.settings.engine.identity,
            "policies": rules.policies.identity,
            "needs_restart": ", ".join(state.needs_restart),
        },
        config=rules.settings.engine.identity,
        severity=Severity.INFO if state.ok and not state.needs_restart else Severity.WARNING,
    )
