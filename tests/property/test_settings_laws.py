"""Whatever a file says, it is either read or refused with places; it never breaks the reader."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from observer.config.documents.marks import read_marked
from observer.config.settings.model import Settings
from observer.config.settings.read import default, parse
from observer.config.settings.shipped import text
from observer.domain.errors import ConfigError

KNOWN = sorted({str(key) for path in read_marked(text(), "observer.yaml").keys for key in path})
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["5s", "1h", "0s", "24h", "1MiB", "enforce", "evict", "app=istiod", "http://m:9090", "on", "a,b"])
)
WORDS = st.sampled_from(KNOWN) | st.text(max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(WORDS, VALUES, max_size=6))
def test_any_mapping_is_read_or_refused_line_by_line(data: dict[str, object]) -> None:
    try:
        settings = parse(json.dumps(data, ensure_ascii=True), "f.yaml")
    except ConfigError as exc:
        for line in str(exc).split("\nf.yaml"):
            assert re.match(r"(f\.yaml)?(:\d+:\d+)?[: ]", line)
    else:
        assert isinstance(settings, Settings)
        assert settings.engine.identity


@given(st.dictionaries(st.sampled_from(["serving_min", "cluster_actions", "breaker_last"]), st.integers(), min_size=1))
def test_no_cap_becomes_zero_negative_or_endless(caps: dict[str, int]) -> None:
    try:
        guards = parse(json.dumps({"guards": caps})).engine.guards
    except ConfigError:
        return
    assert all(0 < getattr(guards, name) <= 1_000_000 for name in caps)


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_lease_that_could_be_held_twice_is_refused(duration: int, renew: int, retry: int) -> None:
    text = f"lease: {{duration: {duration}ms, renew_deadline: {renew}ms, retry: {retry}ms}}"
    try:
        lease = parse(text).lease
    except ConfigError:
        return
    assert lease.duration > lease.renew_deadline > 1.2 * lease.retry


@given(st.permutations(["mode: enforce", "tick: 2s", "listen: 127.0.0.1:0", "guards: {serving_min: 2}"]))
def test_the_order_of_keys_changes_nothing(lines: list[str]) -> None:
    settings = parse("\n".join(lines))

    assert settings == parse("\n".join(sorted(lines)))
    assert settings.engine.identity != default().engine.identity
