"""Links work or are not there; templates that cannot work are refused where they stand."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer.config.settings.links import FIELDS, Links, check_link
from observer.config.settings.read import parse
from observer.domain.errors import ConfigError
from observer.domain.ids import PodRef
from tests.support.receivers import AT, told

TRACE = "ab" * 16


def link(template: str, **changes: Any) -> str:
    return Links({"page": template}, "east").of(told(**changes), TRACE).get("page", "none")


def test_every_field_is_filled() -> None:
    template = "https://x.example/?" + "&".join(f"{name}={{{name}}}" for name in FIELDS)
    assert check_link(template) is None
    values = dict(part.split("=") for part in urlsplit(link(template)).query.split("&"))
    assert values == {
        "incident": "i1", "decision": "d-suspected", "trace_id": TRACE, "kind": "suspected", "namespace": "shop",
        "pod": "cart-1", "workload": "cart", "workload_kind": "deployment", "service": "cart", "cluster": "east",
        "at_ms": str(int(AT * 1000)), "from_ms": str(int(AT * 1000) - 900_000), "to_ms": str(int(AT * 1000) + 300_000),
    }  # fmt: skip


def test_a_link_with_an_empty_field_is_left_out() -> None:
    assert link("https://x/{pod}", pod=None) == "none"
    assert link("https://x/{trace_id}", incident="") == "none"
    assert link("https://x/fixed", pod=None) == "https://x/fixed"
    assert Links({}, "").of(told(), TRACE) == {}


@given(st.text(min_size=1))
def test_nothing_in_a_name_can_change_the_address(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    found = urlsplit(link("https://x.example/a/{pod}/b?c={pod}#d", pod=PodRef("shop", name, "u")))
    assert (found.scheme, found.netloc, found.fragment) == ("https", "x.example", "d")
    assert unquote(found.path) == f"/a/{name}/b" and found.path.count("/") == 3
    assert unquote(found.query) == f"c={name}"


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("https://x/{incidnt}", "did you mean {incident}?"),
        ("https://x/{}", "no field"),
        ("https://x/{pod.uid}", "no field"),
        ("https://x/{0}", "no field"),
        ("https://x/{pod!r}", "stand for themselves"),
        ("https://x/{pod:>9}", "stand for themselves"),
        ("https://x/{pod", "is no template"),
        ("https://x/}", "is no template"),
        ("ftp://x/{pod}", "must begin with"),
        ("javascript:alert({pod})", "must begin with"),
        ("/incidents/{incident}", "must begin with"),
        ("https://user:word@x/{pod}", "credentials"),
        ("https://x:99999/{pod}", "is not an address"),
    ],
)
def test_what_cannot_work_is_refused(template: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"links:\n  jaeger: '{template}'\n", "o.yaml")
    assert str(caught.value).startswith("o.yaml:2:11 links.jaeger: ") and says in str(caught.value)
