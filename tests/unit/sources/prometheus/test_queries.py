"""The questions of each profile as text, and that every one of them is PromQL."""

from __future__ import annotations

import re

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer.config.settings.sources import Profile
from observer.domain.errors import ConfigError
from observer.domain.ids import ServiceRef
from observer.sources.prometheus.profiles import profile_for
from observer.sources.prometheus.queries import Queries, any_of, escaped, le_pattern, quoted

CUTS = (0.5, 5.0, 1000.0)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


def queries(profile: Profile = Profile.ISTIO, **options: str) -> Queries:
    return Queries(profile_for(profile, {}), **options)


def test_the_questions_of_a_tick() -> None:
    ours = queries()

    gateways = 'reporter="source", source_workload=~".*gateway.*|.*-istio"'
    assert ours.requests() == (
        "sum by (namespace, pod, response_code, response_flags, grpc_response_status) "
        '(istio_requests_total{reporter="destination"}) or '
        "sum by (namespace, pod, reporter, response_code, response_flags, grpc_response_status) "
        f"(istio_requests_total{{{gateways}}})"
    )
    assert ours.buckets((5.0, 1000.0)) == (
        'sum by (namespace, pod, le) (istio_request_duration_milliseconds_bucket{reporter="destination", '
        r'le=~"5(\\.0)?|1000(\\.0)?|\\+Inf"}) or '
        f"sum by (namespace, pod, reporter, le) (istio_request_duration_milliseconds_bucket{{{gateways}, "
        r'le=~"5(\\.0)?|1000(\\.0)?|\\+Inf"})'
    )
    assert ours.scrapes() == "timestamp(up{}) * up{}"


def test_selectors_narrow_requests_and_targets() -> None:
    ours = queries(selector='cluster="east",', up_selector='job="mesh"')

    assert 'istio_requests_total{reporter="destination", cluster="east"}' in ours.requests()
    assert ours.scrapes() == 'timestamp(up{job="mesh"}) * up{job="mesh"}'


@pytest.mark.parametrize("profile", list(Profile))
def test_every_question_of_every_profile_is_promql(profile: Profile) -> None:
    ours = queries(profile, selector='cluster="east"', up_selector='job="mesh"')
    services = [ServiceRef("shop", "cart"), ServiceRef("s.p", 'a"b')]

    for query in (
        ours.requests(),
        ours.buckets(CUTS),
        ours.scrapes(),
        ours.callers(services),
        ours.caller_buckets(services, CUTS),
        ours.recheck([("shop", "cart-1")]),
        ours.past_requests(60, ["shop"]),
        ours.past_peaks(60, ["shop"]),
        ours.count_own(),
        ours.count_own(7.5),
    ):
        promql_parser.parse(query)


@given(NAMES, NAMES)
def test_names_are_literal_in_patterns(name: str, other: str) -> None:
    pattern = any_of([name])

    assert re.fullmatch(pattern, name)
    assert (re.fullmatch(pattern, other) is not None) is (name == other)
    promql_parser.parse(f"up{{pod=~{quoted(pattern)}}}")


def test_only_what_re2_knows_is_escaped() -> None:
    assert escaped("a-b c/d.e") == r"a-b c/d\.e"


@pytest.mark.parametrize("le", ["0.5", "5", "5.0", "1000", "1000.0", "+Inf"])
def test_bounds_are_found_in_both_spellings(le: str) -> None:
    assert re.fullmatch(le_pattern(CUTS, 1.0), le)


@pytest.mark.parametrize("le", ["50", "0x5", "10000", "5.05", "Inf", ""])
def test_other_bounds_are_not_asked(le: str) -> None:
    assert not re.fullmatch(le_pattern(CUTS, 1.0), le)


def test_bounds_in_seconds() -> None:
    assert re.fullmatch(le_pattern(CUTS, 0.001), "0.005")
    assert re.fullmatch(le_pattern(CUTS, 0.001), "1.0")


def test_calls_that_reached_nobody_are_asked_too() -> None:
    query = queries().callers([ServiceRef("shop", "cart")])

    assert 'destination_canonical_service=~"cart|unknown|"' in query
    assert "destination_service_name" in query


def test_renamed_labels_reach_questions_and_targets() -> None:
    profile = profile_for(Profile.ISTIO, {"pod": "kube_pod", "grpc_status": ""})

    assert profile.label("target_pod") == "kube_pod"
    assert Queries(profile).requests().startswith("sum by (namespace, kube_pod, response_code, response_flags) ")


def test_a_target_may_have_other_names_than_its_series() -> None:
    profile = profile_for(Profile.ISTIO, {"pod": "pod_name", "target_pod": "kubernetes_pod"})

    assert (profile.label("pod"), profile.label("target_pod")) == ("pod_name", "kubernetes_pod")


def test_a_waypoint_with_a_label_for_the_answering_pod_judges_pods() -> None:
    profile = profile_for(Profile.WAYPOINT, {"pod": "destination_pod"})

    assert profile.judges_pods
    assert profile.label("namespace") == "destination_workload_namespace"
    assert profile.label("target_pod") == "pod"
    assert not profile_for(Profile.WAYPOINT, {}).judges_pods


@pytest.mark.parametrize("renamed", [{"colour": "x"}, {"reporter": ""}, {"le": ""}])
def test_labels_that_cannot_be_are_refused(renamed: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"prometheus\.labels"):
        profile_for(Profile.ISTIO, renamed)
