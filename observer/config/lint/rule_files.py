"""The subject of the checks as the settings name it: every policy and objective, and what is wrong with the files."""

from __future__ import annotations

from collections.abc import Sequence

from observer.config.documents.faults import Fault
from observer.config.lint.subject import Subject
from observer.config.openslo.documents import read_documents
from observer.config.policies.inherit import base_values
from observer.config.policies.load import judged as against
from observer.config.policies.load import policy_files, read_sources
from observer.config.policies.read import read_all
from observer.config.settings.model import Settings


def subject_of(settings: Settings, at: float) -> tuple[Subject, Sequence[Fault]]:
    """Everything that ``policies`` of the settings names; ``at`` is now, Unix seconds. Raises: ConfigError."""
    files = policy_files(settings.policies)
    documents, unread = read_documents([file.path for file in files])
    policies, faults = read_all(read_sources(files))
    faults += against(policies, settings, base_values(settings), {slo.name for slo in documents.slos})
    refused = frozenset(settings.engine.guards.refused_namespaces)
    return Subject(documents, at, policies=policies, refused=refused), [*unread, *faults]
