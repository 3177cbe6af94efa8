"""Notifications: who hears what, what becomes one message, how each reader gets it, and what is counted as lost."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from observer.app.notifications import notify, recorder, sender
from observer.config.settings.message_templates import EXAMPLE
from observer.config.settings.notifications import GroupBy, NotifyKind, NotifySettings
from observer.config.settings.read import parse
from observer.domain.errors import ConfigError, SourceUnavailable
from observer.runtime.dispatcher import Dispatcher
from observer.sinks.notify import MOST_GROUPS, Grouping, NotifySink, Subscription
from tests.support.fakes import FakeClock
from tests.support.receivers import acted, receiving, told

RECORD = recorder(
    parse("cluster: east\nlinks: {page: 'https://o.example/i/{incident}', jaeger: 'https://j/{trace_id}'}")
)
SECRET = "T0P-S3CRET"
# apprise asks for a module of the standard library that is on its way out.
OLD_MODULE = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@dataclass
class Reader:
    """Takes messages, or refuses them."""

    got: list[Mapping[str, Any]] = field(default_factory=list)
    refuses: bool = False
    gate: asyncio.Event | None = None
    closed: bool = False

    async def send(self, facts: Mapping[str, Any]) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.refuses:
            raise SourceUnavailable("HTTP 400", reason="refused")
        self.got.append(facts)

    async def close(self) -> None:
        self.closed = True


@dataclass
class OperatorActions:
    """A sink with its reader, its clock and what it lost."""

    reader: Reader
    clock: FakeClock
    sink: NotifySink
    lost: list[str]


def desk(hearing: Subscription | None = None, **grouping: Any) -> OperatorActions:
    reader, clock, lost = Reader(), FakeClock(), list[str]()
    sink = NotifySink(
        "people", reader, hearing=hearing or Subscription("info"), grouping=Grouping(**grouping), clock=clock,
        record=RECORD, dropped=lost.append,
    )  # fmt: skip
    return OperatorActions(reader, clock, sink, lost)


async def test_what_comes_close_together_is_one_message() -> None:
    at = desk()
    await at.sink.publish(told())
    at.clock.at += 4.0
    await at.sink.publish(acted())
    await at.sink.send_due()
    assert at.reader.got == []
    at.clock.at += 6.0
    await at.sink.send_due()
    (message,) = at.reader.got
    assert [one["kind"] for one in message["decisions"]] == ["suspected", "evict"]
    assert message["severity"] == "warning" and message["group"] == "i1"
    assert message["title"] == "Observer [east]: pod shop/cart-1: evict"
    assert message["links"]["page"] == "https://o.example/i/i1"


async def test_later_ones_wait_for_the_interval() -> None:
    at = desk(interval=60.0)
    await at.sink.publish(told())
    at.clock.at += 10.0
    await at.sink.send_due()
    await at.sink.publish(acted())
    at.clock.at += 59.0
    await at.sink.send_due()
    assert len(at.reader.got) == 1
    at.clock.at += 1.0
    await at.sink.send_due()
    assert len(at.reader.got) == 2


async def test_a_page_waits_for_nothing_and_takes_what_waits_along() -> None:
    at = desk()
    await at.sink.publish(told())
    await at.sink.publish(told("page", severity="page"))
    await at.sink.send_due()
    (message,) = at.reader.got
    assert message["severity"] == "page" and len(message["decisions"]) == 2


async def test_pages_go_first() -> None:
    at = desk(wait=0.0)
    await at.sink.publish(told(incident="a"))
    await at.sink.publish(told("page", incident="b", severity="page"))
    await at.sink.send_due()
    assert [one["group"] for one in at.reader.got] == ["b", "a"]


@pytest.mark.parametrize(
    ("by", "groups"),
    [(GroupBy.INCIDENT, 3), (GroupBy.WORKLOAD, 2), (GroupBy.NAMESPACE, 2), (GroupBy.ALL, 1)],
)
async def test_groups(by: GroupBy, groups: int) -> None:
    at = desk(by=by, wait=0.0)
    await at.sink.publish(told(incident="a"))
    await at.sink.publish(told(incident="b"))
    await at.sink.publish(told("blind", incident="", subject="observer", pod=None, workload=None, service=None))
    await at.sink.send_due()
    assert len(at.reader.got) == groups


async def test_a_long_group_lists_the_newest_and_counts_the_others() -> None:
    at = desk(wait=0.0)
    for number in range(14):
        await at.sink.publish(told(id=str(number)))
    await at.sink.send_due()
    (message,) = at.reader.got
    assert [one["decision"] for one in message["decisions"]] == [str(number) for number in range(4, 14)]
    assert message["more"] == 4


@pytest.mark.parametrize(
    ("hearing", "kinds"),
    [
        (Subscription("warning"), ["suspected", "page"]),
        (Subscription("page"), ["page"]),
        (Subscription("info", kinds=frozenset({"drain"})), ["drain"]),
        (Subscription("info", namespaces=frozenset({"pay"})), ["blind"]),
    ],
)
async def test_who_hears_what(hearing: Subscription, kinds: list[str]) -> None:
    at = desk(hearing, by=GroupBy.ALL, wait=0.0)
    nowhere = {"pod": None, "workload": None, "service": None, "incident": ""}
    for one in (told(), told("drain", severity="info"), told("page", severity="page")):
        await at.sink.publish(one)
    await at.sink.publish(told("blind", severity="info", **nowhere))
    await at.sink.send_due()
    assert [one["kind"] for one in at.reader.got[0]["decisions"]] == kinds


async def test_every_decision_of_a_message_that_nobody_took_is_counted() -> None:
    at = desk(wait=0.0)
    at.reader.refuses = True
    for number in range(12):
        await at.sink.publish(told(id=str(number)))
    await at.sink.send_due()
    assert at.lost == ["notify_people"] * 12


async def test_too_many_groups_are_refused_not_hoarded() -> None:
    at = desk()
    for number in range(MOST_GROUPS):
        await at.sink.publish(told(incident=str(number)))
    with pytest.raises(SourceUnavailable):
        await at.sink.publish(told(incident="one more"))
    await at.sink.publish(told(incident="1"))


async def test_what_waits_is_sent_on_the_way_out() -> None:
    at = desk()
    await at.sink.publish(told())
    await at.sink.close()
    assert len(at.reader.got) == 1 and at.reader.closed


async def test_a_reader_that_hangs_keeps_nobody_on_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("observer.sinks.notify._CLOSING_SECONDS", 0.02)
    at = desk()
    at.reader.gate = asyncio.Event()
    await at.sink.publish(told())
    await at.sink.close()
    assert at.lost == ["notify_people"] and at.reader.closed


async def test_a_slow_reader_delays_no_decision_and_no_other_sink() -> None:
    at, quick, lost = desk(wait=0.0), desk(wait=0.0), list[str]()
    at.reader.gate = asyncio.Event()
    quick.sink.name = "notify_quick"
    beside = [("notify_people", at.sink.run), ("notify_quick", quick.sink.run)]
    dispatcher = Dispatcher([at.sink, quick.sink], dropped=lost.append, beside=beside)
    running = asyncio.ensure_future(dispatcher.run())
    for number in range(5):
        dispatcher.publish(told(id=str(number), incident=str(number)))
    async with asyncio.timeout(20):
        while len(quick.reader.got) < 5:
            await asyncio.sleep(0.001)
    assert at.reader.got == []
    at.reader.gate.set()
    async with asyncio.timeout(20):
        while len(at.reader.got) < 5:
            await asyncio.sleep(0.001)
    running.cancel()
    assert lost == []


async def test_a_run_that_breaks_is_counted_and_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("observer.runtime.dispatcher._RESTART_SECONDS", 0.0)
    begun, lost = list[int](), list[str]()

    async def body() -> None:
        begun.append(1)
        if len(begun) < 3:
            raise KeyError("a mistake of ours")
        await asyncio.Event().wait()

    running = asyncio.ensure_future(Dispatcher([], dropped=lost.append, beside=[("odd", body)]).run())
    async with asyncio.timeout(20):
        while len(begun) < 3:
            await asyncio.sleep(0)
    running.cancel()
    assert lost == ["odd", "odd"]


def settings(**changes: Any) -> NotifySettings:
    return NotifySettings(**{"name": "people", "severity": "info", "group_wait": 0.0, "timeout": 20.0, **changes})


async def through(wanted: NotifySettings, *, lost: Callable[[str], None] = lambda _: None) -> None:
    """Two decisions of one incident, sent as one message."""
    one = notify(wanted, FakeClock(), RECORD, lost)
    await one.publish(told(text="a <b> & c"))
    await one.publish(acted())
    await one.send_due()
    await one.close()


@pytest.mark.integration
async def test_slack(tmp_path: Path) -> None:
    async with receiving() as receiver:
        (tmp_path / "url").write_text(f"{receiver.url}/services/{SECRET}")
        await through(settings(kind=NotifyKind.SLACK, url_file=str(tmp_path / "url")))
    (got,) = receiver.got
    assert got.path == f"/services/{SECRET}" and got.headers["Content-Type"] == "application/json"
    lines = got.json["text"].splitlines()
    assert lines[0] == "*Observer [east]: pod shop/cart-1: evict*"
    assert lines[1] == "• a &lt;b&gt; &amp; c"
    assert lines[3].startswith("<https://o.example/i/i1|page> · <https://j/")


@pytest.mark.integration
async def test_a_generic_webhook_gets_json() -> None:
    async with receiving() as receiver:
        await through(settings(url=f"{receiver.url}/hook", headers={"X-Team": "shop"}))
    (got,) = receiver.got
    assert got.headers["X-Team"] == "shop"
    assert set(got.json) == {"version", *EXAMPLE}
    assert [one["kind"] for one in got.json["decisions"]] == ["suspected", "evict"]


@pytest.mark.integration
@pytest.mark.parametrize(
    ("template", "kind", "body"),
    [
        ('{"say": {{ title | tojson }}}', "application/json", '{"say": "Observer [east]: pod shop/cart-1: evict"}'),
        ("{{ decisions | length }} of {{ group }}", "text/plain; charset=utf-8", "2 of i1"),
    ],
)
async def test_a_template_makes_the_body(tmp_path: Path, template: str, kind: str, body: str) -> None:
    (tmp_path / "t.j2").write_text(template)
    async with receiving() as receiver:
        await through(settings(url=receiver.url, template_file=str(tmp_path / "t.j2")))
    (got,) = receiver.got
    assert (got.headers["Content-Type"], got.body.decode()) == (kind, body)


@pytest.mark.integration
async def test_a_template_that_breaks_on_a_message_loses_it_loudly(tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text("{{ decisions[0].holds[0].guard }}")
    lost: list[str] = []
    async with receiving() as receiver:
        await through(settings(url=receiver.url, template_file=str(tmp_path / "t.j2")), lost=lost.append)
    assert receiver.got == [] and lost == ["notify_people"] * 2


@OLD_MODULE
@pytest.mark.integration
async def test_apprise(tmp_path: Path) -> None:
    async with receiving() as receiver:
        (tmp_path / "urls").write_text(f"# the team\njson://{receiver.url.removeprefix('http://')}/{SECRET}\n")
        await through(settings(kind=NotifyKind.APPRISE, url_file=str(tmp_path / "urls")))
    (got,) = receiver.got
    said = json.loads(got.body)
    assert said["title"] == "Observer [east]: pod shop/cart-1: evict"
    assert "page: https://o.example/i/i1" in said["message"]


@OLD_MODULE
@pytest.mark.integration
@pytest.mark.parametrize(
    ("content", "reason"), [("nonsense://", "no address of apprise"), ("# nobody", "holds no address")]
)
async def test_apprise_addresses_that_are_none_are_named_and_not_repeated(
    tmp_path: Path, content: str, reason: str
) -> None:
    (tmp_path / "urls").write_text(content)
    one = sender(settings(kind=NotifyKind.APPRISE, url_file=str(tmp_path / "urls")), FakeClock())
    with pytest.raises(SourceUnavailable, match=reason) as caught:
        await one.send(EXAMPLE)
    assert "nonsense" not in str(caught.value)


@OLD_MODULE
@pytest.mark.integration
async def test_apprise_that_cannot_send_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with receiving(500) as receiver:
        (tmp_path / "urls").write_text(f"json://{receiver.url.removeprefix('http://')}/{SECRET}")
        one = sender(settings(kind=NotifyKind.APPRISE, url_file=str(tmp_path / "urls")), FakeClock())
        with pytest.raises(SourceUnavailable, match="every address"):
            await one.send(EXAMPLE)
    assert SECRET not in caplog.text


def test_without_the_extra_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigError, match=r"notify\.people.*pip install 'observer\[notify\]'"):
        sender(settings(kind=NotifyKind.APPRISE, url_file=str(tmp_path / "urls")), FakeClock())


def test_a_template_that_went_away_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"notify\.people\.template_file"):
        sender(settings(url="http://x", template_file=str(tmp_path / "none.j2")), FakeClock())
