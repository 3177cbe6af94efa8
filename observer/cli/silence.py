"""``observer silence``: a pod's own alerts, for five minutes at most, after a person has seen which they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from observer.app import alerts_about, silence_own_alerts
from observer.cli.door import check_address
from observer.cli.given import who_is_here, words
from observer.cli.moments import instant, length, span
from observer.cli.output import EXIT_FINDINGS
from observer.cli.paint import PLAIN, Paint, Tone, harmless
from observer.config.settings.model import Settings
from observer.domain.errors import ConfigError, SourceUnavailable
from observer.domain.ids import PodRef
from observer.engine.remediation.silences import LONGEST_SECONDS

_REACH: Final = "nothing was silenced; name an Alertmanager that answers: `alertmanager.urls`, or --alertmanager here"

Confirm = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Wanted:
    """``pod`` is NAMESPACE/POD, ``lasting`` a duration as people write it; ``alertmanager`` empty = the settings'."""

    pod: str
    lasting: str
    reason: str = ""
    alertmanager: str = ""


async def silence(
    settings: Settings, wanted: Wanted, confirm: Confirm, paint: Paint = PLAIN
) -> tuple[int, dict[str, Any], str]:
    """
    Exit code, JSON body and text; ``confirm`` is shown what will be silent and says whether it may be.

    Raises: ConfigError for what cannot be asked, SourceUnavailable and SourceProtocolError of Alertmanager.
    """
    pod, seconds = pod_of(wanted.pod), seconds_of(wanted.lasting)
    who, reason = who_is_here(), words("--reason", wanted.reason)
    settings = asking(settings, wanted.alertmanager)
    try:
        own, left = await alerts_about(settings, pod)
    except SourceUnavailable as exc:
        exc.step = exc.step or _REACH
        raise
    if not confirm(preview(pod, seconds, own, left, paint)):
        return EXIT_FINDINGS, _body(pod, own, left), "nothing was silenced"
    comment = reason or "observer silence, by hand"
    made = await silence_own_alerts(settings, pod, seconds, by=who, comment=comment)
    text = f"silent until {instant(made.until)} UTC: {_named(made.names)}\nid {made.id}; it ends by itself"
    return 0, {**_body(pod, made.names, made.left), "id": made.id, "until": made.until}, text


def pod_of(text: str) -> PodRef:
    """``shop/cart-1`` or ``pod/shop/cart-1``. Raises: ConfigError."""
    parts = words("POD", text).removeprefix("pod/").split("/")
    if len(parts) != 2 or not all(parts):
        raise ConfigError(f"{text!r}: expected NAMESPACE/POD, for example shop/cart-1")
    return PodRef(parts[0], parts[1], "")


def seconds_of(text: str) -> float:
    """How long, within what may be. Raises: ConfigError."""
    seconds = length(text, "--for")
    if not 0.0 < seconds <= LONGEST_SECONDS:
        raise ConfigError(
            f"--for {text}: must be above 0 and at most {span(LONGEST_SECONDS)}; what needs longer is no silence of a "
            "pod: mend it, or silence it in Alertmanager yourself"
        )
    return seconds


def preview(pod: PodRef, seconds: float, own: tuple[str, ...], left: tuple[str, ...], paint: Paint) -> str:
    """What a person is asked about."""
    lines = [
        f"{paint('will be silent', Tone.WARN)}  {_named(own)}",
        f"                and every other alert of its own about {pod} that begins within {span(seconds)}",
    ]
    if left:
        lines.append(
            f"{paint('will go on', Tone.BOLD)}      {_named(left)} (of objectives, Observer or another cluster)"
        )
    return "\n".join(lines)


def asking(settings: Settings, url: str) -> Settings:
    if url:
        check_address("--alertmanager", url)
        return replace(settings, alertmanager=replace(settings.alertmanager, urls=(url,)))
    if not settings.alertmanager.urls:
        raise ConfigError("--alertmanager: name an Alertmanager here, or under `alertmanager.urls` of the settings")
    return settings


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(harmless(name) or "an alert without a name" for name in names) or "no alert that fires now"


def _body(pod: PodRef, own: tuple[str, ...], left: tuple[str, ...]) -> dict[str, Any]:
    return {"pod": str(pod), "alerts": list(own), "left": list(left), "id": None, "until": None}
