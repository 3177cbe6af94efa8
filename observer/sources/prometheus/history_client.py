"""The blocking client for yesterday's data, made safe: bounded, complete or refused, no credential elsewhere."""

from __future__ import annotations

import io
import threading
import time
from datetime import UTC, datetime
from typing import TypedDict

import msgspec
import requests
import urllib3
from prometheus_api_client.exceptions import PrometheusApiClientException
from prometheus_api_client.prometheus_connect import PrometheusConnect

from observer.config.settings.sources import PrometheusSettings
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.http_client.credentials import Credentials, address_of, checked_url
from observer.sources.prometheus.parse import check_complete
from observer.sources.prometheus.transport import fixed_headers, flavor_parameters, refusal

_CHUNK = 1 << 16
_REQUEST_SECONDS = 10.0
"""Longest wait for one answer."""

Series = tuple[dict[str, str], list[tuple[float, float]]]
"""Labels, and the points as (Unix seconds, value)."""


class _Row(TypedDict, total=False):
    metric: dict[str, str]
    value: tuple[float, str]
    values: list[tuple[float, str]]


class _Promise(msgspec.Struct):
    """What an answer says of its own completeness; everything else in it is skipped."""

    warnings: list[str] | None = None
    partial: bool = msgspec.field(name="isPartial", default=False)


class _FormSession(requests.Session):
    """Sends questions in the body: the library puts them into the address, where long ones are refused and logged."""

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        if request.method == "POST":
            request.data, request.params = request.params, {}
        return super().prepare_request(request)


class HistoryClient:
    """
    ``prometheus-api-client`` with one session for each thread.

    Its methods block and raise only ``SourceUnavailable`` and ``SourceProtocolError``. ``deadline`` is in the seconds
    of ``time.monotonic``.
    """

    def __init__(self, settings: PrometheusSettings) -> None:
        self._url, self._max_bytes = checked_url(settings.url, "prometheus"), settings.max_bytes
        self._auth = settings.auth
        self._credentials = Credentials(
            settings.auth, url=settings.url, fixed=fixed_headers(settings), section="prometheus"
        )
        self._parameters = flavor_parameters(settings.flavor)
        self._own = threading.local()

    def instant(self, query: str, at: float, deadline: float) -> list[Series]:
        """The samples of ``query`` as of ``at`` (Unix seconds)."""
        parameters = {**self._parameters, "time": f"{at:.3f}"}
        return self._ask(deadline, "custom_query", query, params=parameters)

    def over(self, query: str, start: int, end: int, step: int, deadline: float) -> list[Series]:
        """The points of ``query`` at ``start``, ``start + step`` ... ``end`` (whole Unix seconds)."""
        first, last = (datetime.fromtimestamp(second, UTC) for second in (start, end))
        return self._ask(deadline, "custom_query_range", query, first, last, str(step), params=dict(self._parameters))

    def _ask(self, deadline: float, method: str, *question: object, **more: object) -> list[Series]:
        left = deadline - time.monotonic()
        if left <= 0:
            raise SourceUnavailable("not answered in time", reason="timeout")
        client = self._client()
        client.headers = self._credentials.headers()
        self._credentials.tls()  # Tells of certificates that cannot be read, by name.
        self._own.deadline = min(deadline, time.monotonic() + _REQUEST_SECONDS)
        try:
            rows = getattr(client, method)(*question, timeout=min(left, _REQUEST_SECONDS), **more)
            return [(row["metric"], _points(row, ranged=method == "custom_query_range")) for row in rows]
        except (requests.Timeout, urllib3.exceptions.ReadTimeoutError) as exc:
            raise SourceUnavailable("not answered in time", reason="timeout") from exc
        except requests.JSONDecodeError as exc:
            raise SourceProtocolError("malformed answer") from exc
        except (requests.RequestException, urllib3.exceptions.HTTPError, PrometheusApiClientException, OSError) as exc:
            raise SourceUnavailable(f"{address_of(self._url)}: {type(exc).__name__}") from exc
        except (KeyError, TypeError, ValueError) as exc:
            raise SourceProtocolError(f"malformed answer: {type(exc).__name__}") from exc

    def _client(self) -> PrometheusConnect:
        client: PrometheusConnect | None = getattr(self._own, "client", None)
        if client is None:
            session = _FormSession()
            session.trust_env = False
            session.headers["Accept-Encoding"] = "identity"
            session.verify = False if self._auth.insecure_skip_verify else self._auth.ca_file or True
            if self._auth.cert_file:
                session.cert = (self._auth.cert_file, self._auth.key_file or self._auth.cert_file)
            session.hooks["response"].append(self._whole)
            client = PrometheusConnect(self._url, session=session, retry=urllib3.Retry(0), method="POST")
            self._own.client = client
        return client

    def _whole(self, response: requests.Response, *_: object, **__: object) -> requests.Response:
        """Read the body within its bounds before the library does, and refuse what is not a whole answer."""
        raw = response.raw
        try:
            if response.is_redirect:
                there = address_of(requests.compat.urljoin(response.url, response.headers["Location"]))
                raise SourceUnavailable(f"redirected to {there}: not followed", reason="redirected")
            body = self._read(raw)
        finally:
            raw.close()  # Ends the connection only when something of the answer is left unread.
        response.raw = io.BytesIO(body)
        if response.status_code != requests.codes.ok:
            raise refusal(response.status_code, self._credentials.hidden_in(body))
        try:
            promise = msgspec.json.decode(body, type=_Promise)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise SourceProtocolError(f"malformed answer: {exc}") from exc
        check_complete(promise.warnings, partial=promise.partial)
        return response

    def _read(self, raw: urllib3.HTTPResponse) -> bytes:
        chunks, size = [], 0
        for chunk in raw.stream(_CHUNK, decode_content=True):
            size += len(chunk)
            if size > self._max_bytes:
                raise SourceUnavailable(f"answer of more than {self._max_bytes} bytes", reason="too_large")
            if time.monotonic() > self._own.deadline:
                raise SourceUnavailable("not answered in time", reason="timeout")
            chunks.append(chunk)
        return b"".join(chunks)


def _points(row: _Row, *, ranged: bool) -> list[tuple[float, float]]:
    points = row["values"] if ranged else [row["value"]]
    return [(float(at), float(value)) for at, value in points]
