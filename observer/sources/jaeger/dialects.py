"""How each of Jaeger's two APIs is asked, and what its answers mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from observer.domain.errors import SourceProtocolError
from observer.http_client.client import HttpClient, Response, refused
from observer.sources.jaeger.legacy import parse_services as services_v1
from observer.sources.jaeger.legacy import parse_traces as traces_v1
from observer.sources.jaeger.otlp import parse_services as services_v3
from observer.sources.jaeger.otlp import parse_traces as traces_v3
from observer.sources.jaeger.otlp import says_nothing_found
from observer.sources.jaeger.semantics import RawSpan


@dataclass(frozen=True, slots=True)
class Dialect:
    """
    One API.

    Attributes:
        search: parameters that ask for traces of a service that began between two instants (Unix seconds).
        nothing: whether the body of a 404 of the search means that nothing was found.
    """

    name: str
    services_path: str
    traces_path: str
    search: Callable[[str, float, float, int], Mapping[str, str]]
    parse_services: Callable[[bytes], frozenset[str]]
    parse_traces: Callable[[bytes], Iterable[RawSpan]]
    nothing: Callable[[bytes], bool]


def _search_v3(service: str, start: float, end: float, limit: int) -> Mapping[str, str]:
    # Servers before 2.19 know these spellings only, later ones still take them; old ones call the limit num_traces.
    return {
        "query.service_name": service,
        "query.start_time_min": _rfc3339(start),
        "query.start_time_max": _rfc3339(end),
        "query.search_depth": str(limit),
        "query.num_traces": str(limit),
    }


def _search_v1(service: str, start: float, end: float, limit: int) -> Mapping[str, str]:
    return {
        "service": service,
        "start": str(round(start * 1e6)),
        "end": str(round(end * 1e6)),
        "limit": str(limit),
    }


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


V3: Final = Dialect(
    "v3",
    "/api/v3/services",
    "/api/v3/traces",
    _search_v3,
    services_v3,
    traces_v3,
    says_nothing_found,
)
V1: Final = Dialect("v1", "/api/services", "/api/traces", _search_v1, services_v1, traces_v1, lambda _: False)


async def choose(client: HttpClient) -> tuple[Dialect, frozenset[str]]:
    """
    The API that the server speaks, v3 before v1, and its services.

    A route that is not there is a 404, or before 2.16 a page of the user interface: neither is an outage.
    """
    for dialect in (V3, V1):
        answer = await client.get(dialect.services_path, {})
        if answer.has_json:
            return dialect, dialect.parse_services(answer.body)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
            raise refused(answer.status, reason_of(answer))
    raise SourceProtocolError(
        f"neither {V3.services_path} nor {V1.services_path} is served (is the base path of the address right?)"
    )


def reason_of(answer: Response) -> str:
    """What an error says, for people."""
    return f"HTTP {answer.status}: {answer.body[:300].decode('utf-8', 'replace').strip()}"
