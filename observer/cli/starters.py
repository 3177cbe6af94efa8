"""``observer test --init``: starter tests of objectives."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from observer.app import now
from observer.config.openslo.documents import load_documents
from observer.config.openslo.templates import expand
from observer.config.openslo.wanted import objective_set
from observer.config.policies.load import policy_files
from observer.config.settings.model import SHIPPED, Settings
from observer.domain.errors import ConfigError
from observer.domain.ids import ServiceRef
from observer.domain.slo import Objective
from observer.exchange.prometheus_rules import file_name
from observer.policytest.starter import Starter

EXAMPLE = ServiceRef("shop", "app")
"""The service that templates are tested for."""


def write_starters(settings: Settings, wanted: str, folder: Path) -> tuple[dict[str, Any], str]:
    """
    Write one test file an objective of ``wanted``, a file of documents or the name of one that the settings know;
    returns what ``--json`` and the terminal show.

    A file that is there already is left alone. Raises ``ConfigError``.
    """
    path = Path(wanted)
    rules: Sequence[str] = [wanted] if path.exists() else settings.policies
    files = [path] if path.exists() else [file.path for file in policy_files(settings.policies)]
    found = objective_set(load_documents(files), at=now(), cluster=settings.cluster)
    pairs = [(one, "") for one in found.plain]
    pairs += [(one, template.name) for template in found.templates for one in expand(template, EXAMPLE)]
    chosen = [pair for pair in pairs if path.exists() or wanted in (pair[0].id, pair[0].slo, pair[1])]
    if not chosen:
        known = ", ".join(sorted({template or one.slo for one, template in pairs}))
        raise ConfigError(f"--init {wanted}: no file and no objective; known are {known or 'none'}")
    named = [one if one == SHIPPED else os.path.relpath(one, folder) for one in rules]
    texts = {folder / _named(one): Starter(one, named, template).text() for one, template in chosen}
    if there := [str(file) for file in texts if file.exists()]:
        raise ConfigError(f"--out {folder}: {', '.join(there)} is there already; remove it or choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            file.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"--out {folder}: {exc.strerror}") from exc
    written = sorted(map(str, texts))
    return {"files": written}, "\n".join([*written, f"run them: observer test {folder}"])


def _named(one: Objective) -> str:
    return file_name(one).removeprefix("slo-").removesuffix(".rules.yaml").lstrip("-") + ".yaml"
