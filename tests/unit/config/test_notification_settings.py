"""Settings of those who are told: what arrives, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from observer.config.reload import merged
from observer.config.settings.message_templates import EXAMPLE, PLAIN, SLACK, Message, check_template, facts_of
from observer.config.settings.notifications import EventMode, GroupBy, NotifyKind
from observer.config.settings.read import default, identity, parse
from observer.domain.decision_record import record_of
from observer.domain.errors import ConfigError
from tests.support.receivers import acted, told


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "o.yaml")
    return str(caught.value)


def test_values_arrive(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("https://hooks.example/T0P")
    settings = parse(
        f"""
        cloudevents: {{url: 'http://events', mode: binary, kinds: [evict], patience: 0s}}
        alertmanager: {{urls: ['http://a:9093', 'http://b:9093'], silences: true, labels: {{team: shop}}}}
        notify:
          - {{name: on-call, kind: slack, url_file: {tmp_path / "url"}, severity: page, group_by: workload}}
          - {{name: bots, url: 'http://bots', namespaces: [shop], auth: {{bearer_file: {tmp_path / "url"}}}}}
        otlp: {{interval: 30s}}
        """
    )
    assert settings.cloudevents.mode is EventMode.BINARY and settings.cloudevents.kinds == ("evict",)
    assert settings.alertmanager.urls == ("http://a:9093", "http://b:9093")
    first, second = settings.notify
    assert (first.kind, first.group_by, first.severity) == (NotifyKind.SLACK, GroupBy.WORKLOAD, "page")
    assert second.kind is NotifyKind.WEBHOOK and second.auth.bearer_file == str(tmp_path / "url")
    assert settings.otlp.interval == 30.0
    assert identity(settings) == identity(default()), "who is told changes no decision"
    assert {"cloudevents", "alertmanager", "notify", "otlp"} <= set(merged(default(), settings)[1])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cloudevents: {url: 'http://u:p@x'}", "cloudevents.url: must not carry credentials"),
        ("cloudevents: {url_file: /nowhere}", "cloudevents.url_file: cannot read /nowhere"),
        ("cloudevents: {kinds: [evicted]}", "did you mean evict?"),
        ("cloudevents: {source: 'a b'}", "cloudevents.source: must be a URI reference"),
        ("cloudevents: {headers: {Authorization: x}}", "would put a secret into this file"),
        ("alertmanager: {silence_seconds: 6m}", "alertmanager.silence_seconds: must be from 1s to 5m"),
        ("alertmanager: {labels: {observer_incident: x}}", "is not a label that may be added"),
        ("alertmanager: {labels: {team: ''}}", "label team is empty"),
        ("notify: [{name: a}]", "notify[0].name: a has no address"),
        ("notify: [{name: a, kind: slack, url: 'http://x'}]", "notify[0].url: is a secret for slack"),
        ("notify: [{name: a, kind: apprise, url: 'http://x'}]", "notify[0].url: is a secret for apprise"),
        ("notify: [{name: A b, url: 'http://x'}]", "notify[0].name: must be a Kubernetes name"),
        ("notify: [{url: 'http://x'}, {url: 'http://y'}]", "notify[1].name: people is given twice"),
        ("notify: {url: 'http://x'}", "notify: must be a list"),
        ("notify: [{url: 'http://x', colour: red}]", "notify[0].colour: unknown key"),
        ("notify: [{url: 'http://x', auth: {username: me}}]", "notify[0].auth.username: needs password_file"),
        ("otlp: {interval: 0s}", "otlp.interval: must be from 1s to 1h"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, says: str) -> None:
    found = refusal(text)
    assert found.startswith("o.yaml:1:") and says in found


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ titel }}", "'titel' is undefined"),
        ("{% for one in decisions %}", ":1: "),
        ("{{ decisions[0].pod.nam }}", "nam"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ title / 2 }}", "TypeError"),
        ("  ", "empty message"),
        ("{{ '%d' % title }}", "TypeError"),
    ],
)
def test_a_template_that_cannot_work_is_refused_when_it_is_read(tmp_path: Path, template: str, says: str) -> None:
    path = tmp_path / "t.j2"
    path.write_text(template)
    found = refusal(f"notify: [{{url: 'http://x', template_file: {path}}}]")
    assert "notify[0].template_file: " in found and says in found and str(path) in found


def test_a_file_that_is_no_template_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.j2"
    path.write_bytes(b"\xff\xfe")
    assert "is no template that works" in str(check_template(str(path)))
    path.write_bytes(b"x" * (1 << 19))
    assert "larger than" in str(check_template(str(path)))
    assert "No such file" in str(check_template(str(tmp_path / "none")))


def test_the_example_is_what_templates_really_see() -> None:
    links = {"page": "https://o/i1"}
    record = record_of(acted(), cluster="east", trace_id="0" * 32, links=links)
    example: Any = EXAMPLE
    facts = facts_of("i1", [record], more=0, severity="warning")
    assert set(facts) == set(EXAMPLE)
    assert set(record) | {"blocked_by"} == set(example["decisions"][0])
    for words in (PLAIN, SLACK):
        assert Message(words).render(facts).count("\n") >= 2
        assert Message(words).render(EXAMPLE)


def test_a_message_never_grows_beyond_what_readers_take() -> None:
    record = record_of(told(text="x" * 9000))
    text = Message(PLAIN).render(facts_of("i1", [record] * 10, more=4, severity="warning"))
    assert len(text) == 3000 and text.endswith("...")


def test_a_title_says_what_is_not_real() -> None:
    from observer.domain.action import Mode

    records = [record_of(told()), record_of(told("drain", subject="pod shop/cart-2", mode=Mode.SHADOW))]
    title = facts_of("g", records, more=0, severity="info")["title"]
    assert title == "Observer: pod shop/cart-1 and 1 more: drain (shadow)"
