"""A slow, failing or full sink loses its own records and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from observer.domain.decision import Decision, Verdict
from observer.domain.kinds import Kind
from observer.runtime.dispatcher import Dispatcher, LeaderOnlySink


def decision(name: str) -> Decision:
    return Decision(id=name, at=0.0, kind=Kind.SUSPECTED, verdict=Verdict.TELL, subject="pod a/b", reason="r", text="t")


@dataclass
class ListSink:
    name: str
    heard: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None
    fails: int = 0
    closed: bool = False

    async def publish(self, decision: Decision) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            self.fails -= 1
            raise OSError("no route")
        self.heard.append(decision.id)

    async def close(self) -> None:
        self.closed = True


async def test_a_stuck_sink_drops_and_counts_while_the_others_hear_everything() -> None:
    dropped: list[str] = []
    gate = asyncio.Event()
    stuck, good = ListSink("stuck", gate=gate), ListSink("good")
    dispatcher = Dispatcher([stuck, good], size=2, dropped=dropped.append)
    task = asyncio.ensure_future(dispatcher.run())
    for number in range(6):
        dispatcher.publish(decision(str(number)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert good.heard == [str(n) for n in range(6)]
    assert dropped and set(dropped) == {"stuck"}
    gate.set()
    await dispatcher.flush(5)
    assert len(stuck.heard) + len(dropped) == 6
    task.cancel()
    await dispatcher.close()
    assert stuck.closed and good.closed


async def test_a_failing_sink_is_counted_and_goes_on() -> None:
    dropped: list[str] = []
    sink = ListSink("flaky", fails=1)
    dispatcher = Dispatcher([sink], dropped=dropped.append)
    task = asyncio.ensure_future(dispatcher.run())
    dispatcher.publish(decision("a"))
    dispatcher.publish(decision("b"))
    await dispatcher.flush(5)
    assert sink.heard == ["b"] and dropped == ["flaky"]
    task.cancel()


async def test_flush_gives_up_on_a_sink_that_never_ends() -> None:
    sink = ListSink("stuck", gate=asyncio.Event())
    dispatcher = Dispatcher([sink], dropped=lambda _: None)
    task = asyncio.ensure_future(dispatcher.run())
    dispatcher.publish(decision("a"))
    await dispatcher.flush(0.05)
    assert sink.heard == []
    task.cancel()


async def test_a_replica_that_does_not_lead_tells_nobody() -> None:
    leads = False
    sink = ListSink("outside")
    told = LeaderOnlySink(sink, lambda: leads)
    await told.publish(decision("a"))
    leads = True
    await told.publish(decision("b"))
    await told.close()
    assert sink.heard == ["b"] and told.name == "outside" and sink.closed


async def test_one_that_cannot_be_closed_keeps_no_other_open() -> None:
    class Broken(ListSink):
        async def close(self) -> None:
            raise OSError("disk full")

    good = ListSink("good")
    await Dispatcher([Broken("broken"), good], dropped=lambda _: None).close()
    assert good.closed
