"""Scripts of others that a build takes along: plots and the drawn graph. Without them every page reads all the same."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

SCRIPTS: Final = ("uplot.js", "uplot.css", "cytoscape.js")
"""Below ``static/vendor``; made by ``make page``."""


def built() -> bool:
    """All of them are part of this build."""
    folder = files("observer.web.page").joinpath("static", "vendor")
    return all(folder.joinpath(name).is_file() for name in SCRIPTS)
