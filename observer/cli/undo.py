"""``observer undo``: restores one drained pod."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from observer.app.cluster_access import connected
from observer.app.commands import restore_pods
from observer.cli.application import Config, Json, app, awaited, settings_from, words
from observer.cli.completion import pods
from observer.cli.output import EXIT_BAD_INPUT, EXIT_NOT_FOUND, fail, show
from observer.cli.restore import body_of, code_of, text_of
from observer.domain.names import DRAIN_LABEL
from observer.domain.outcome import Result
from observer.runtime.clock import SystemClock

if TYPE_CHECKING:
    from observer.config.settings.model import Settings

DRAINED: Final = f"`observer incidents --open` and `kubectl get pods -A -l {DRAIN_LABEL}` name what is drained"


@app.command()
def undo(
    pod: Annotated[str, typer.Argument(help="NAMESPACE/POD that Observer drained.", autocompletion=pods)],
    config: Config = None,
    json: Json = False,
) -> None:
    """Restore one drained pod now, with or without a running daemon; only what Observer drained."""
    words("POD", pod)
    if pod.count("/") != 1 or not all(pod.split("/")):
        fail(f"{pod!r}: expected NAMESPACE/POD, for example shop/cart-1", EXIT_BAD_INPUT, DRAINED)
    code, body, text = awaited(one_pod(settings_from(config), pod))
    show(body, text, json=json)
    raise SystemExit(code)


async def one_pod(settings: Settings, pod: str) -> tuple[int, dict[str, object], str]:
    """Restore ``NAMESPACE/POD`` now; exit code, JSON body, text."""

    async with connected(settings) as api:
        given = await restore_pods(api, now=SystemClock().now(), force=True, only=pod)
    if not given:
        return EXIT_NOT_FOUND, body_of(given), f"{pod}: nothing to restore: there is no such pod"
    if all(outcome.result is Result.SUPERSEDED for _, outcome in given):
        return EXIT_NOT_FOUND, body_of(given), f"nothing to restore: {text_of(given)}"
    return code_of(given), body_of(given), text_of(given)
