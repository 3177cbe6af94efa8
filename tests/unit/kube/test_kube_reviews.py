"""Whose token it is, as the API server says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from observer.kube.reviews import KubeTokenReviews
from tests.support.fakes import FakeClock

MAIL = "system:serviceaccount:monitoring:alertmanager"


@dataclass
class Answer:
    body: bytes


@dataclass
class Api:
    body: bytes
    asked: list[Any] = field(default_factory=list)

    async def request(self, method: str, path: str, *, body: Any, **_: Any) -> Answer:
        self.asked.append(body)
        return Answer(self.body)


@pytest.mark.parametrize(
    ("body", "user"),
    [
        (b'{"status": {"authenticated": true, "user": {"username": "%s"}}}' % MAIL.encode(), MAIL),
        (b'{"status": {"authenticated": false, "error": "expired"}}', None),
        (b'{"status": {}}', None),
        (b"{}", None),
    ],
)
async def test_only_what_was_authenticated_is_somebody(body: bytes, user: str | None) -> None:
    api = Api(body)
    reviews = KubeTokenReviews(api, FakeClock(0.0))  # type: ignore[arg-type]

    assert await reviews.reviewed("a-token") == user
    assert await reviews.reviewed("a-token") == user
    assert len(api.asked) == 1, "asked again within a minute"
