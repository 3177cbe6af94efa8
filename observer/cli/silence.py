"""``observer silence``: a pod's own alerts, for five minutes at most, after a person has seen which they are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct

from observer.app.notifications import alerts_about, silence_own_alerts
from observer.cli.application import Config, Json, app, awaited, settings_from, who_is_here, words
from observer.cli.completion import pods
from observer.cli.moments import instant, length, span
from observer.cli.output import EXIT_BAD_INPUT, EXIT_FINDINGS, PLAIN, Paint, Tone, fail, harmless, paint_for, show
from observer.domain.errors import ConfigError, SourceUnavailable
from observer.domain.ids import PodRef
from observer.engine.remediation.silences import LONGEST_SECONDS

if TYPE_CHECKING:
    from observer.config.settings.model import Settings

_REACH: Final = "nothing was silenced; name an Alertmanager that answers: `alertmanager.urls`, or --alertmanager here"
Confirm = Callable[[str], bool]


class SilenceBody(Struct, frozen=True):
    """What ``--json`` prints: names of the alerts that go quiet and of those that are left; null = nothing was made."""

    pod: str
    alerts: tuple[str, ...]
    left: tuple[str, ...]
    id: str | None = None
    until: float | None = None


@app.command()
def silence(
    *,
    pod: Annotated[str, typer.Argument(help="NAMESPACE/POD whose own alerts are to be silent.", autocompletion=pods)],
    lasting: Annotated[str, typer.Option("--for", help="How long, at most 5m.")] = "5m",
    reason: Annotated[str, typer.Option(help="Why; Alertmanager shows it.")] = "",
    alertmanager: Annotated[str, typer.Option(help="Its address; default: the first of `alertmanager.urls`.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Silence a pod's own alerts in Alertmanager for at most 5 minutes; never those of objectives or of Observer.

    Shows what it will match and asks. Exit codes: 0 silenced, 1 you said no, 2 bad input, 4 Alertmanager is not there.
    """
    pod_of(pod)
    seconds_of(lasting)
    settings = with_alertmanager(settings_from(config), alertmanager)
    if not yes and not sys.stdin.isatty():
        fail("not a terminal; pass --yes", EXIT_BAD_INPUT, "pass --yes, or run it in a terminal")

    def confirm(preview: str) -> bool:
        if not json:
            typer.echo(preview)
        return yes or typer.confirm("Silence them?", err=True)

    wanted = SilenceRequest(pod, lasting, reason, alertmanager)
    code, body, text = awaited(silence_pod(settings, wanted, confirm, paint_for(sys.stdout)))
    show(body, text, json=json)
    raise SystemExit(code)


@dataclass(frozen=True, slots=True)
class SilenceRequest:
    """``pod`` is NAMESPACE/POD, ``lasting`` a duration as people write it; ``alertmanager`` empty = the settings'."""

    pod: str
    lasting: str
    reason: str = ""
    alertmanager: str = ""


async def silence_pod(
    settings: Settings, wanted: SilenceRequest, confirm: Confirm, paint: Paint = PLAIN
) -> tuple[int, SilenceBody, str]:
    """
    Exit code, JSON body and text; ``confirm`` is shown what will be silent and says whether it may be.

    Raises: ConfigError for what cannot be asked, SourceUnavailable and SourceProtocolError of Alertmanager.
    """
    pod, seconds = pod_of(wanted.pod), seconds_of(wanted.lasting)
    who, reason = who_is_here(), words("--reason", wanted.reason)
    settings = with_alertmanager(settings, wanted.alertmanager)
    try:
        own, left = await alerts_about(settings, pod)
    except SourceUnavailable as exc:
        exc.step = exc.step or _REACH
        raise
    if not confirm(preview(pod, seconds, own, left, paint)):
        return EXIT_FINDINGS, SilenceBody(str(pod), own, left), "nothing was silenced"
    comment = reason or "observer silence, by hand"
    made = await silence_own_alerts(settings, pod, seconds, by=who, comment=comment)
    text = f"silent until {instant(made.until)} UTC: {_named(made.names)}\nid {made.id}; it ends by itself"
    return 0, SilenceBody(str(pod), made.names, made.left, made.id, made.until), text


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
            "pod: fix it, or silence it in Alertmanager yourself"
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


def with_alertmanager(settings: Settings, url: str) -> Settings:
    from observer.cli.api_client import check_address

    if url:
        check_address("--alertmanager", url)
        return replace(settings, alertmanager=replace(settings.alertmanager, urls=(url,)))
    if not settings.alertmanager.urls:
        raise ConfigError("--alertmanager: name an Alertmanager here, or under `alertmanager.urls` of the settings")
    return settings


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(harmless(name) or "an alert without a name" for name in names) or "no alert that fires now"
