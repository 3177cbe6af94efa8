"""``observer resume``: release the kill switch."""

from __future__ import annotations

from observer.cli.application import Config, Json, app
from observer.cli.pause import set_switch


@app.command()
def resume(config: Config = None, json: Json = False) -> None:
    """
    Let actions run again; a pause that comes meanwhile stays.

    Exit codes: 0 released, 1 somebody else changed it meanwhile, 4 API server unreachable.
    """
    set_switch(config, paused=False, reason="", json=json)
