"""Policy files from disk: which ones there are, what they say, and all that is wrong with them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from observer.config.documents.faults import Fault, refuse
from observer.config.documents.marks import read_text, yaml_files
from observer.config.policies import rules
from observer.config.policies.document import Place, Policy, Value
from observer.config.policies.effective import PolicySet
from observer.config.policies.inherit import base_values
from observer.config.policies.read import Source, read_all
from observer.config.settings.model import SHIPPED, Settings

TESTS = "tests"


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """
    A file that takes part; ``own`` is False for those that come with Observer, ``tests``: tests may stand among its
    documents.
    """

    path: Path
    own: bool = True
    tests: bool = False


def load(settings: Settings, *, places: Mapping[str, Place] | None = None) -> PolicySet:
    """
    All policies that the settings name.

    ``places`` say where the settings file has a key. Raises: ConfigError with every fault of every file.
    """
    return compile_set(read_sources(policy_files(settings.policies)), settings, places=places)


def policy_files(wanted: Iterable[str]) -> tuple[PolicyFile, ...]:
    """
    The files behind ``policies:``, in a fixed order, each once: files, the YAML files of directories, and those that
    come with Observer for the word ``shipped``. Folders named ``tests`` within directories are passed over: what they
    hold is for ``observer test``. Raises: ConfigError for what is not there.
    """
    found: dict[Path, PolicyFile] = {}
    faults: list[Fault] = []
    for name in wanted:
        own = name != SHIPPED
        path = Path(name) if own else shipped_folder()
        if not path.exists():
            faults.append(Fault(name, 0, 0, "", "does not exist", "policies in the settings names it"))
            continue
        for file in yaml_files([path]):
            if path.is_dir() and TESTS in file.relative_to(path).parts[:-1]:
                continue
            found.setdefault(file, PolicyFile(file, own))
    if faults:
        refuse(faults)
    return tuple(found[path] for path in sorted(found))


def read_sources(files: Iterable[PolicyFile]) -> list[Source]:
    """Texts of the files. Raises: ConfigError naming every file that cannot be read."""
    texts = [(file, read_text(file.path)) for file in files]
    if faults := [text for _, text in texts if isinstance(text, Fault)]:
        refuse(faults)
    return [Source(str(file.path), text, file.own, file.tests) for file, text in texts if isinstance(text, str)]


def compile_set(
    sources: Iterable[Source],
    settings: Settings,
    *,
    objectives: Iterable[str] | None = None,
    places: Mapping[str, Place] | None = None,
) -> PolicySet:
    """
    Policies from texts.

    ``objectives`` are the names of the SLO documents that there are; None = they are not checked. Raises: ConfigError
    with every fault of every document.
    """
    policies, faults = read_all(sources)
    base = base_values(settings, places)
    faults += judged(policies, settings, base, objectives)
    if faults:
        refuse(faults)
    return PolicySet(tuple(policies), base, settings)


def judged(
    policies: list[Policy], settings: Settings, base: Mapping[str, Value], objectives: Iterable[str] | None = None
) -> list[Fault]:
    """What good documents say against each other and against what can be seen."""
    faults = [
        *rules.doubles(policies),
        *rules.ties(policies),
        *rules.disagreements(policies, base, settings),
        *rules.unreachable(policies, settings),
    ]
    if objectives is not None:
        faults += rules.unknown_objectives(policies, objectives)
    return faults


def shipped_folder() -> Path:
    """Where the policies are that come with Observer: inside the installed package, else beside it."""
    package = Path(__file__).parents[2]
    inside = package / "rules"
    return inside if inside.is_dir() else package.parent / "rules"
