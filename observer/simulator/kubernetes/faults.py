"""
How the simulated API server misbehaves: who may do what, and what goes wrong on the wire.

A rule meets requests by verb (``get``, ``list``, ``watch``, ``create``, ``update``, ``patch``, ``delete``) and resource
(``pods``, ``pods/eviction``, ``leases``; ``*`` for any); the newest rule that meets a request wins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

FOREVER: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Forbid:
    """403: no such right."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A Status object with this code; ``reason`` defaults to the code's own."""

    code: int
    message: str = "simulated failure"
    reason: str | None = None
    retry_after: int = 0


@dataclass(frozen=True, slots=True)
class Plain:
    """A plain-text answer, as proxies and API priority and fairness give."""

    code: int
    text: str
    retry_after: int = 0


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer for ``seconds`` of real time, then the connection is cut; nothing is done."""

    seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is cut. ``after`` true does the work first: the caller cannot know whether it happened."""

    after: bool = False


@dataclass(frozen=True, slots=True)
class Delay:
    """The answer is right but ``seconds`` of real time late."""

    seconds: float


Effect = Forbid | Answer | Plain | Hang | Reset | Delay

THROTTLED: Final = Plain(429, "Too many requests, please try again later.\n", retry_after=1)
"""What API priority and fairness answers."""


@dataclass(slots=True)
class Rule:
    """One misbehaviour and how often it is still due; ``times`` = 0 switches it off."""

    verb: str
    resource: str
    effect: Effect
    times: int = FOREVER
    namespace: str = ""
    name: str = ""

    def meets(self, verb: str, resource: str, namespace: str, name: str) -> bool:
        """It is due for this request."""
        return (
            self.times > 0
            and self.verb in ("*", verb)
            and self.resource in ("*", resource)
            and self.namespace in ("", namespace)
            and self.name in ("", name)
        )


@dataclass(slots=True)
class KubeFaults:
    """
    The switches of one API server; change them while it runs.

    Attributes:
        tokens: user name by bearer token, ``""`` for requests without one (kubectl sends none over plain HTTP); empty
            lets everybody in as ``system:anonymous``.
        grants: ``VERB RESOURCE.GROUP`` that a user or a group may, for SubjectAccessReviews; whoever is absent may
            nothing.
        chunk: watch streams are written in pieces of this many bytes, across line ends; 0 = a line at a time.
        bookmark_seconds: how often a watch that asked for bookmarks gets one, by the simulator's clock.
        watch_ahead: the next so many lists and watches are told that their version is too large (504).
        streaming_lists: ``sendInitialEvents`` works; without, it is refused as by an API server with the gate off.
        mute_watches: open watches stay open and say nothing.
        gone_as_status: a watch behind the kept history is answered with HTTP 410 instead of an ERROR event.
    """

    tokens: dict[str, str] = field(default_factory=dict)
    grants: dict[str, set[str]] = field(default_factory=dict)
    chunk: int = 0
    bookmark_seconds: float = 60.0
    watch_ahead: int = 0
    streaming_lists: bool = True
    mute_watches: bool = False
    gone_as_status: bool = False
    rules: list[Rule] = field(default_factory=list)
    stream_errors: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    """Status objects still to be sent as ERROR events, by plural."""
    cut_round: int = 0
    """Goes up by one whenever every open watch is to lose its connection."""
    listeners: list[Callable[[], None]] = field(default_factory=list)
    """Called after a switch that open watches must see at once."""

    def on(
        self, verb: str, resource: str, effect: Effect, *, times: int = FOREVER, namespace: str = "", name: str = ""
    ) -> Rule:
        """Add a rule; it is in force at once."""
        rule = Rule(verb, resource, effect, times, namespace, name)
        self.rules.append(rule)
        return rule

    def forbid(self, verb: str, resource: str, *, namespace: str = "") -> Rule:
        """403 from now on."""
        return self.on(verb, resource, Forbid(), namespace=namespace)

    def effect(self, verb: str, resource: str, namespace: str, name: str) -> Effect | None:
        """What happens to this request, counted; None = nothing special."""
        for rule in reversed(self.rules):
            if rule.meets(verb, resource, namespace, name):
                rule.times -= 1
                return rule.effect
        return None

    def fail_stream(self, plural: str, code: int, reason: str, message: str = "simulated failure") -> None:
        """The next watch of ``plural`` (an open one, if there is one) gets an ERROR event and ends."""
        status: dict[str, object] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }
        self.stream_errors.setdefault(plural, []).append(status)
        self._noted()

    def cut_watches(self) -> None:
        """Every open watch loses its connection, as when the API server restarts."""
        self.cut_round += 1
        self._noted()

    def clear(self) -> None:
        """Behave again."""
        self.rules.clear()
        self.stream_errors.clear()
        self.watch_ahead = 0
        self.mute_watches = self.gone_as_status = False
        self._noted()

    def _noted(self) -> None:
        for listener in self.listeners:
            listener()
