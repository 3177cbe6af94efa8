"""
The words of notifications: what stands in each by default, and templates (Jinja2, sandboxed) that people write.

A template sees ``title``, ``severity``, ``group``, ``decisions`` (each a record of ``domain.telling``), ``more`` (how
many further decisions are not listed) and ``links`` (of the newest decision).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # it is loaded only where there is a message to write
    from jinja2.sandbox import ImmutableSandboxedEnvironment

_LARGEST = 1 << 18
_LONGEST = 3000
"""Characters of one message: what every receiver takes."""

PLAIN: Final = """\
{{ title }}
{% for one in decisions %}- {{ one.text }}
{% endfor %}{% if more %}and {{ more }} more
{% endif %}{% for name, address in links.items() %}{{ name }}: {{ address }}
{% endfor %}"""

SLACK: Final = """\
*{{ title | slack }}*
{% for one in decisions %}• {{ one.text | slack }}
{% endfor %}{% if more %}_and {{ more }} more_
{% endif %}{% for name, address in links.items() %}\
{{ "" if loop.first else " · " }}<{{ address | slack }}|{{ name | slack }}>\
{% endfor %}"""

EXAMPLE: Final[Mapping[str, object]] = {
    "title": "shop/cart: 1 decision",
    "severity": "warning",
    "group": "3f2a",
    "more": 0,
    "links": {"page": "https://observer.example/incidents/3f2a"},
    "decisions": [
        {
            "version": 1,
            "decision": "5a0f",
            "at": 1_790_000_000.0,
            "kind": "drain",
            "verdict": "act",
            "subject": "pod shop/cart-1",
            "reason": "errors",
            "text": "Traffic is taken from cart-1.",
            "severity": "warning",
            "mode": "enforce",
            "incident": "3f2a",
            "cluster": "east",
            "action": "drain",
            "config": "c0ffee",
            "trace_id": "0" * 32,
            "pod": {"namespace": "shop", "name": "cart-1", "uid": "u1"},
            "workload": {"namespace": "shop", "kind": "Deployment", "name": "cart"},
            "service": {"namespace": "shop", "name": "cart"},
            "outcome": {"action": "a1", "result": "applied", "reason": "drained"},
            "blocked_by": [],
            "figures": {"bad_rate": 0.31},
            "links": {},
        }
    ],
}
"""What a template is tried on when it is read."""


def slack_text(text: object) -> str:
    """Slack's three reserved characters, escaped."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    made = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)
    made.filters["slack"] = slack_text
    return made


class Message:
    """Renders groups of records with one template."""

    def __init__(self, source: str, name: str = "template") -> None:
        """Raises: ValueError that names ``name`` and the line where the template is wrong."""
        from jinja2 import TemplateSyntaxError

        self._name = name
        try:
            self._template = _environment().from_string(source)
        except TemplateSyntaxError as exc:
            raise ValueError(f"{name}:{exc.lineno}: {exc.message}") from exc

    def render(self, facts: Mapping[str, object]) -> str:
        """At most 3000 characters. Raises: ValueError when the template asks for what is not there."""
        from jinja2 import TemplateError

        try:
            text = self._template.render(facts).strip()
        except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError) as exc:
            raise ValueError(f"{self._name}: {type(exc).__name__}: {exc}") from exc
        return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def read_message(path: str) -> Message:
    """The template in a file. Raises: ValueError, OSError."""
    raw = Path(path).read_bytes()
    if len(raw) > _LARGEST:
        raise ValueError(f"{path} is larger than {_LARGEST} bytes; this is no template")
    return Message(raw.decode("utf-8"), path)


def check_template(path: str) -> str | None:
    """What is wrong with a template's file, or None; it is tried on an example."""
    try:
        if not read_message(path).render(EXAMPLE):
            return f"{path} gives an empty message"
    except OSError as exc:
        return f"cannot read {path}: {exc.strerror}"
    except ValueError as exc:  # a UnicodeDecodeError too
        return f"is no template that works: {exc}"
    return None


def facts_of(group: str, records: Sequence[Mapping[str, object]], *, more: int, severity: str) -> dict[str, object]:
    """What a template sees; ``records`` are in the order of time and not empty."""
    newest = records[-1]
    subjects = list(dict.fromkeys(str(record["subject"]) for record in records))
    about = subjects[0] if len(subjects) == 1 else f"{subjects[0]} and {len(subjects) - 1} more"
    mode = str(newest["mode"])
    where = f" [{newest['cluster']}]" if newest.get("cluster") else ""
    title = f"Observer{where}: {about}: {str(newest['kind']).replace('_', ' ')}"
    return {
        "title": title + (f" ({mode})" if mode != "enforce" else ""),
        "severity": severity,
        "group": group,
        "more": more,
        "decisions": list(records),
        "links": newest.get("links", {}),
    }
