from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from observer.config.settings.model import Settings
from observer.config.settings.read import FILE, default, identity, load, parse, places, schema
from observer.config.settings.sources import KialiLogin
from observer.domain.action import ActionKind, Mode
from observer.domain.errors import ConfigError
from observer.domain.settings import EngineSettings, GuardSettings, declared

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "settings"


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "o.yaml")
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.yaml")))
def test_messages_are_as_recorded(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse((GOLDEN / f"{name}.yaml").read_text(), f"{name}.yaml")

    assert str(caught.value) + "\n" == (GOLDEN / f"{name}.txt").read_text()


def test_an_empty_file_gives_the_defaults() -> None:
    assert parse("") == default()
    assert parse("# nothing\n") == default()
    assert default().engine.mode is Mode.SHADOW


def test_the_shipped_example_is_the_default_and_names_every_key() -> None:
    text = (ROOT / "deploy" / "observer.yaml").read_text()

    assert load(ROOT / "deploy" / "observer.yaml") == default()
    assert set(places(text, "observer.yaml")) >= set(written_keys(FILE, ""))


def written_keys(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Dotted paths of all keys that may stand in the file, but for those of the items of a list."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from written_keys(field.annotation, f"{prefix}{name}.")


def every_section() -> set[type]:
    """The settings and all dataclasses in them."""
    found, waiting = set[type](), [Settings, EngineSettings]
    while waiting:
        kind = waiting.pop()
        found.add(kind)
        for item in declared(kind):
            inner = [part for part in (get_args(item.hint)[0], *get_args(get_args(item.hint)[0])) if is_dataclass(part)]
            waiting += [part for part in inner if isinstance(part, type)]
    return found


@pytest.mark.parametrize("kind", sorted(every_section(), key=str))
def test_every_field_is_declared_or_follows_from_others(kind: type) -> None:
    follow = {EngineSettings: {"identity"}, Settings: {"engine"}, GuardSettings: {"own_namespace"}}

    assert {item.name for item in fields(kind)} - {item.name for item in declared(kind)} == follow.get(kind, set())
    assert all(item.setting.about.endswith((".", ")")) for item in declared(kind)), "a sentence each"


def test_values_arrive_where_they_belong() -> None:
    settings = parse(
        """
        mode: enforce
        tick: 1s
        own_namespace: watch
        escalation: {actions: [annotate, drain], drain_seconds: 2m}
        guards: {namespace_actions: 3, refused_namespaces: [kube-system]}
        prometheus: {cuts_ms: [10, 100], max_bytes: 1MiB, labels: {pod: kubernetes_pod_name}}
        lease: {enabled: false}
        listen: 0.0.0.0:0
        people: {kubernetes: true, session: 4h, oidc: {scopes: [openid, email]}}
        """
    )

    assert settings.engine.mode is Mode.ENFORCE
    assert settings.engine.tick == 1.0
    assert settings.engine.escalation.actions == (ActionKind.ANNOTATE, ActionKind.DRAIN)
    assert settings.engine.escalation.drain_seconds == 120.0
    assert settings.engine.guards.namespace_actions == 3
    assert settings.engine.guards.refused_namespaces == ("kube-system",)
    assert settings.people.kubernetes and settings.people.session == 14_400.0
    assert settings.people.oidc.scopes == ("openid", "email")
    assert settings.own_namespace == settings.engine.guards.own_namespace == "watch"
    assert settings.prometheus.cuts_ms == (10.0, 100.0)
    assert settings.prometheus.max_bytes == 1 << 20
    assert settings.prometheus.labels == {"pod": "kubernetes_pod_name"}
    assert settings.lease.enabled is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("guards: {cluster_actions: 0}", "must be at least 1, got 0"),
        ("guards: {cluster_actions: -1}", "must be at least 1, got -1"),
        ("guards: {cluster_actions: 1e309}", "must be a whole number"),
        ("guards: {cluster_share: 1e309}", "must be a finite number"),
        ("guards: {in_flight_per_workload: 0}", "must be at least 1, got 0"),
        ("guards: {serving_share: 0}", "must be above 0, got 0"),
        ("guards: {backoff_max: 1m}", "must be at least backoff_seconds, 5m"),
        ("guards: {cluster_actions: 2}", "must be at least namespace_actions, 5"),
        ("guards: {namespace_window: 0s}", "must be from 1s to 7d, got 0s"),
        ("tick: 0s", "must be from 200ms to 5m, got 0s"),
        ("tick: true", "must be a duration"),
        ("escalation: {actions: []}", "must name at least one action"),
        ("escalation: {actions: evict}", "must be a list"),
        ("detection: {acting_effect_size: 1024, effect_sizes: [2, 4]}", "must not be above the largest effect size, 4"),
        ("detection: {caller_cap: 7}", "must not be above bin_cap, 6"),
        (
            "detection: {false_evict_per_month: 100}",
            "the more harm an action does, the fewer false ones may be allowed",
        ),
        ("prometheus: {cuts_ms: [5, 5]}", "must be a non-empty list that rises strictly"),
        ('prometheus: {selector: \'a="1"} or up{b="2"\'}', "must be one plain matcher list"),
        ("prometheus: {url: 'https://m?x=1'}", "must not carry a query or fragment"),
        ("prometheus: {url: 'http://m:99999'}", "is not an address"),
        ('prometheus: {headers: {"a b": c}}', "is not a valid HTTP header"),
        ("prometheus: {auth: {username: u}}", "needs password_file beside it"),
        ("evidence: {redact: ['(']}", "is not a regular expression"),
        ("evidence: {max_bytes: 1}", "must be from 1024 to 1073741824 bytes, got 1"),
        ("kubernetes: {namespaces: ['']}", "must not be empty"),
        ("kubernetes: {istiod_selector: 'a b'}", "must be a label selector"),
        ("lease: {retry: 9s}", "must be longer than 1.2 x retry"),
        ("journal: sqlite:///x.db", "must be a database address that begins with"),
        ("journal: 'sqlite+aiosqlite://'", "must name a file"),
        ("own_namespace: My_Space", "must be a Kubernetes name"),
        ("mode: Shadow", "did you mean shadow?"),
        ("serving_share: 1", "it belongs under guards"),
        ("ladder: {}", "ladder: unknown key (it is called escalation now)"),
        ("escalation: {rungs: [drain]}", "escalation.rungs: unknown key (it is called actions now)"),
        ("detection: {tilts: [2]}", "detection.tilts: unknown key (it is called effect_sizes now)"),
        ("cloudevents: {kinds: [held]}", "(it is called blocked now)"),
    ],
)
def test_what_is_out_of_range_is_refused(text: str, message: str) -> None:
    assert message in refusal(text)


def test_certificates_need_each_other_and_https(tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    cert.write_text("x")

    lines = refusal(f"prometheus: {{auth: {{cert_file: {cert}}}}}")
    assert "prometheus.auth.cert_file: needs key_file beside it" in lines
    lines = refusal(f"prometheus: {{url: 'http://m', auth: {{cert_file: {cert}, key_file: {cert}}}}}")
    assert "prometheus.url: is http, so the certificates of auth would not be used" in lines


def test_a_secret_file_that_is_a_folder_is_named(tmp_path: Path) -> None:
    assert f"cannot read {tmp_path}: Is a directory" in refusal(f"journal_password_file: {tmp_path}")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    absent, binary, large = tmp_path / "absent.yaml", tmp_path / "binary.yaml", tmp_path / "large.yaml"
    binary.write_bytes(b"mode: shadow\n\xff\n")
    large.write_bytes(b"#" * ((1 << 20) + 1))

    for path, message in [
        (absent, "absent.yaml: cannot be read: No such file or directory"),
        (binary, "binary.yaml:2:1: is not UTF-8 text"),
        (large, "is larger than 1048576 bytes"),
        (tmp_path, "cannot be read: Is a directory"),
    ]:
        with pytest.raises(ConfigError, match=message):
            load(path)


def test_identity_follows_what_decides_and_nothing_else() -> None:
    plain = default()

    assert len(identity(plain)) == 12
    assert plain.engine.identity == identity(plain)
    assert parse("audit: elsewhere.jsonl\nlog_level: debug").engine.identity == identity(plain)
    assert parse("jaeger: {timeout: 1s}\nkiali: {refresh: 30s}").engine.identity == identity(plain)
    for text in ["jaeger: {url: 'http://j'}", "kiali: {url: 'http://k'}", "jaeger: {traces: 7}", "kiali: {window: 2m}"]:
        assert parse(text).engine.identity != identity(plain)
    for text in ["mode: enforce", "guards: {serving_min: 2}", "prometheus: {selector: 'a=\"b\"'}", "own_namespace: x"]:
        assert parse(text).engine.identity != identity(plain)
    assert identity(replace(plain, engine=replace(plain.engine, identity="other"))) == identity(plain)


def test_neighbours_are_not_used_unless_they_are_named() -> None:
    assert (default().jaeger.url, default().kiali.url) == ("", "")
    settings = parse(
        """
        jaeger: {url: "http://tracing.istio-system/jaeger", window: 10m, traces: 50}
        kiali: {url: "http://kiali.istio-system:20001/kiali", cluster: east, login: anonymous, stale: 3m}
        """
    )
    assert settings.jaeger.url == "http://tracing.istio-system/jaeger"
    assert (settings.jaeger.window, settings.jaeger.traces) == (600.0, 50)
    assert (settings.kiali.cluster, settings.kiali.login, settings.kiali.stale) == ("east", KialiLogin.ANONYMOUS, 180.0)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("jaeger: {url: tracing}", "jaeger.url", "must be http://host"),
        ("jaeger: {url: 'http://a:b@j'}", "jaeger.url", "must not carry credentials"),
        ("jaeger: {traces: 0}", "jaeger.traces", "must be at least 1"),
        ("jaeger: {url: 'http://j', auth: {ca_file: %s}}", "jaeger.url", "is http, so the certificates"),
        ("kiali: {url: 'http://k', auth: {ca_file: %s}}", "kiali.url", "is http, so the certificates"),
        (
            "kiali: {headers: {Authorization: x}}",
            "kiali.headers",
            "header Authorization would put a secret",
        ),
        ("kiali: {login: oauth}", "kiali.login", "must be one of auto, anonymous, token, header, openshift"),
        ("kiali: {login: token}", "kiali.login", "is token, which needs auth.bearer_file"),
        ("kiali: {stale: 30s}", "kiali.stale", "must be at least refresh, 1m"),
        ("kiali: {token: x}", "kiali.token", "unknown key"),
    ],
)
def test_what_is_wrong_with_a_neighbour_is_named(tmp_path: Path, text: str, place: str, message: str) -> None:
    (tmp_path / "ca.pem").write_text("x")
    told = refusal(text.replace("%s", str(tmp_path / "ca.pem")))
    assert told.startswith("o.yaml:1:") and f" {place}: {message}" in told


def test_schema_describes_the_file() -> None:
    body: Any = schema()

    assert set(body["properties"]) == set(FILE.model_fields)
    assert body["additionalProperties"] is False
    about = body["properties"]["mode"].pop("description")
    assert about.startswith("shadow decides and reports, and writes nothing")
    assert body["properties"]["mode"] == {
        "default": "shadow",
        "enum": ["shadow", "dry-run", "enforce"],
        "title": "Mode",
        "type": "string",
    }
    assert body["$defs"]["EscalationSettings"]["properties"]["drain_seconds"]["default"] == "5m"
    assert body["$defs"]["GuardSettings"]["properties"]["cluster_share"]["maximum"] == 1
    assert "own_namespace" not in body["$defs"]["GuardSettings"]["properties"]


def test_every_default_of_the_schema_is_accepted_back() -> None:
    body: Any = schema()

    def spelled(node: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for key, item in node["properties"].items():
            target = body["$defs"][item["$ref"].rsplit("/", 1)[-1]] if "$ref" in item else None
            found[key] = spelled(target) if target else item["default"]
        return found

    assert parse(json.dumps(spelled(body))) == default()
