"""How something is sent: what is tried again, what is final, who is left alone, and what no error text holds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from random import Random

import pytest

from observer.config.settings.sources import HttpAuth
from observer.domain.errors import ConfigError, SourceUnavailable
from observer.http_client.client import Endpoint, Request, RequestFailed
from observer.http_client.delivery import DeliveryQueue, Receiver, retry_after
from tests.support import receivers
from tests.support.fakes import FakeClock
from tests.support.receivers import receiving

pytestmark = pytest.mark.integration
SECRET = "T0P-S3CRET"


def receiver_at(url: str, clock: FakeClock | None = None, *, patience: float = 60.0, **changes: object) -> Receiver:
    endpoint = replace(Endpoint("cloudevents", url=url, timeout=20.0), **changes)  # type: ignore[arg-type]
    return Receiver(endpoint, clock or FakeClock(), Random(1), patience=patience)


async def failure(box: Receiver) -> SourceUnavailable:
    with pytest.raises(SourceUnavailable) as caught:
        await box.deliver(b"x", {})
    await box.close()
    assert SECRET not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408, 425])
async def test_what_may_pass_is_tried_again_with_growing_pauses(status: int) -> None:
    clock = FakeClock()
    async with receiving(status, status, status, 204) as receiver:
        box = receiver_at(receiver.url, clock)
        assert (await box.deliver(b"body", {"X-One": "1"})).status == 204
        await box.close()
    assert [one.body for one in receiver.got] == [b"body"] * 4
    assert 0.25 + 0.5 + 1.0 <= clock.at - 1_000_000.0 <= 0.5 + 1.0 + 2.0


async def test_patience_ends() -> None:
    clock = FakeClock()
    async with receiving(503) as receiver:
        found = await failure(receiver_at(receiver.url, clock, patience=10.0))
    assert found.reason == "busy"
    assert clock.at <= 1_000_010.0
    assert 4 <= len(receiver.got) <= 8


@pytest.mark.parametrize(
    ("status", "reason"), [(400, "refused"), (404, "refused"), (415, "refused"), (401, "denied"), (403, "denied")]
)
async def test_what_will_not_pass_is_final(status: int, reason: str) -> None:
    async with receiving(status) as receiver:
        found = await failure(receiver_at(receiver.url))
    assert found.reason == reason and f"HTTP {status}" in str(found)
    assert len(receiver.got) == 1


async def test_410_is_for_good() -> None:
    async with receiving(410, 200) as receiver:
        box = receiver_at(receiver.url)
        assert (await failure(box)).reason == "gone"
        assert box.gone
        assert (await failure(box)).reason == "gone"
    assert len(receiver.got) == 1


async def test_retry_after_is_kept() -> None:
    clock = FakeClock()
    async with receiving((429, {"Retry-After": "17"}), 200) as receiver:
        box = receiver_at(receiver.url, clock)
        await box.deliver(b"x", {})
        await box.close()
    assert clock.at == 1_000_017.0


async def test_a_retry_after_beyond_patience_leaves_it_alone_for_that_long() -> None:
    clock = FakeClock()
    async with receiving((503, {"Retry-After": "120"}), 200) as receiver:
        box = receiver_at(receiver.url, clock)
        assert (await failure(box)).reason == "busy"
        assert (await failure(box)).reason == "busy"
        assert len(receiver.got) == 1
        clock.at += 120.0
        await box.deliver(b"x", {})
        await box.close()
    assert len(receiver.got) == 2


def test_retry_after_is_read_in_both_spellings_and_bounded() -> None:
    assert retry_after("30", 0.0) == 30.0
    assert retry_after(formatdate(1_000_050.0, usegmt=True), 1_000_000.0) == 50.0
    assert retry_after(formatdate(1.0, usegmt=True), 1_000_000.0) == 0.0
    assert retry_after("99999999999", 0.0) == 3600.0
    assert retry_after("soon", 0.0) is None and retry_after("", 0.0) is None


async def test_redirects_are_not_followed() -> None:
    async with receiving() as elsewhere, receiving((302, {"Location": elsewhere.url})) as receiver:
        found = await failure(receiver_at(receiver.url))
    assert "redirect" in str(found) and not elsewhere.got


async def test_nobody_there_is_tried_again_and_named_without_its_path(tmp_path: Path) -> None:
    async with receiving() as receiver:
        url = receiver.url
    (tmp_path / "url").write_text(f"{url}/services/{SECRET}\n")
    clock = FakeClock()
    found = await failure(receiver_at("", clock, url_file=str(tmp_path / "url"), patience=5.0))
    assert found.reason == "unreachable" and url in str(found)
    assert clock.at > 1_000_000.0


async def test_a_secret_address_and_a_token_are_read_again_when_they_change(tmp_path: Path) -> None:
    address, token = tmp_path / "url", tmp_path / "token"
    async with receiving() as receiver:
        address.write_text(f"{receiver.url}/one?key={SECRET}")
        token.write_text("first")
        box = receiver_at("", url_file=str(address), auth=HttpAuth(bearer_file=str(token)))
        await box.deliver(b"x", {})
        address.write_text(f"{receiver.url}/another-one")
        token.write_text("second-one")
        await box.deliver(b"x", {})
        await box.close()
    assert [one.path for one in receiver.got] == ["/one", "/another-one"]
    assert [one.headers["Authorization"] for one in receiver.got] == ["Bearer first", "Bearer second-one"]


@pytest.mark.parametrize("content", ["", "ftp://x/y", f"{SECRET}", f"http://user:{SECRET}@host/", "http://["])
async def test_a_file_without_an_address_is_final_and_not_repeated(tmp_path: Path, content: str) -> None:
    (tmp_path / "url").write_text(content)
    assert (await failure(receiver_at("", url_file=str(tmp_path / "url")))).reason == "denied"


async def test_an_error_of_the_receiver_is_not_repeated() -> None:
    async with receiving(400) as receiver:
        assert "not ours to repeat" not in str(await failure(receiver_at(receiver.url)))


async def test_a_receiver_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    never = asyncio.Event()

    async def stuck(self: receivers.Receiver, request: object) -> None:
        await never.wait()

    monkeypatch.setattr(receivers.Receiver, "answer", stuck)
    async with receiving() as receiver:
        found = await failure(receiver_at(receiver.url, timeout=0.05, patience=0.0))
    assert found.reason == "timeout" and "0.05 s" in str(found)


def test_settings_that_can_never_work_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"cloudevents\.url"):
        receiver_at("gopher://x")
    with pytest.raises(ConfigError, match=r"cloudevents\.headers"):
        receiver_at("http://x", headers={"a b": "c"})


async def test_a_long_answer_to_a_delivery_is_no_failure_and_to_a_question_it_is() -> None:
    async with receiving(200) as receiver:
        receiver.body = b"x" * 100_000
        box = receiver_at(receiver.url, max_bytes=70_000)
        assert len((await box.deliver(b"x", {})).body) == 1 << 16
        with pytest.raises(SourceUnavailable, match="more than 70000 bytes"):
            await box.once(Request())
        await box.close()


async def test_a_failed_request_says_why_without_the_address() -> None:
    async with receiving() as receiver:
        url = receiver.url
    box = receiver_at(url)
    with pytest.raises(RequestFailed) as caught:
        await box.once(Request())
    await box.close()
    assert url not in caught.value.why and url in str(caught.value) and not caught.value.untrusted


async def test_a_full_queue_loses_the_newest_and_counts_it() -> None:
    lost: list[str] = []
    delivered: list[int] = []

    async def deliver(item: int) -> None:
        delivered.append(item)

    queue = DeliveryQueue("receiver", deliver, size=2, dropped=lost.append)
    for item in range(3):
        queue.add(item)
    assert lost == ["receiver"] and queue.waiting == 2
    task = asyncio.ensure_future(queue.run())
    await queue.join()
    task.cancel()
    assert delivered == [0, 1] and lost == ["receiver"]
