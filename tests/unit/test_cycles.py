"""
No circle of imports: not of files, not of packages, not through an ``__init__`` that runs on the way to a module.

Imports inside of functions and those for types only count, too: what needs each other belongs together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate

import grimp
import pytest

Edges = Mapping[str, set[str]]


@pytest.fixture(scope="module")
def imports() -> Edges:
    """Each module of Observer, a package's ``__init__`` under the package's name, and what it imports itself."""
    graph = grimp.build_graph("observer", exclude_type_checking_imports=False, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def run_on_the_way(module: str) -> list[str]:
    """The module and every package above it but the first: all of these run before anything is had of it."""
    return list(accumulate(module.split("."), "{}.{}".format))[1:]


def through_packages(imports: Edges) -> Edges:
    """What is run for each module."""
    return {
        module: {ran for one in imported for ran in run_on_the_way(one)} - {module}
        for module, imported in imports.items()
    }


def contracted(imports: Edges, package: str) -> Edges:
    """The files and folders directly in a package, and what each of them needs of the others."""
    depth = package.count(".") + 2
    edges: dict[str, set[str]] = {}
    for module, imported in imports.items():
        inside = {one for one in [module, *imported] if one == package or one.startswith(f"{package}.")}
        if module in inside:
            place = ".".join(module.split(".")[:depth])
            needed = {".".join(one.split(".")[:depth]) for one in inside}
            edges.setdefault(place, set()).update(needed - {place})
    return edges


def circles(edges: Edges) -> Iterator[list[str]]:
    """Groups of two or more that reach each other; what no circle goes through is taken away leaf by leaf."""
    left = {name: set(needed) & set(edges) for name, needed in edges.items()}
    while leaves := {name for name, needed in left.items() if not needed & set(left)}:
        left = {name: needed - leaves for name, needed in left.items() if name not in leaves}
    while left:
        start = min(left)
        reached = reachable(left, start)
        circle = sorted(name for name in reached if start in reachable(left, name))
        if circle:
            yield circle
        left = {name: needed for name, needed in left.items() if name != start and name not in circle}


def reachable(edges: Edges, start: str) -> set[str]:
    """What can be come to from ``start`` by one step or more."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = (edges.get(waiting.pop(), set()) & set(edges)) - reached
        reached |= new
        waiting += new
    return reached


def test_no_file_needs_itself(imports: Edges) -> None:
    assert list(circles(imports)) == []


def test_no_file_needs_itself_through_the_packages_above_what_it_imports(imports: Edges) -> None:
    assert list(circles(through_packages(imports))) == []


def test_no_package_needs_itself_through_another(imports: Edges) -> None:
    packages = {module.rpartition(".")[0] for module in imports} - {""}
    assert len(packages) > 20
    assert {package: found for package in packages if (found := list(circles(contracted(imports, package))))} == {}


def test_circles_are_found() -> None:
    files = {"o.a": {"o.b"}, "o.b": {"o.c"}, "o.c": {"o.a", "o.d"}, "o.d": set(), "o.e": {"o.d", "o.a"}}
    assert list(circles(files)) == [["o.a", "o.b", "o.c"]]
    room = {"o.room": {"o.room.source"}, "o.room.source": {"o.room.wire"}, "o.room.wire": set(), "o.x": {"o.room.wire"}}
    assert list(circles(room)) == []
    assert list(circles(through_packages(room))) == [["o.room", "o.room.source"]]
    folders = {
        "o": set(),
        "o.p": set(),
        "o.p.a": {"o.q.a"},
        "o.q": set(),
        "o.q.a": set(),
        "o.q.b": {"o.p.b"},
        "o.p.b": set(),
    }
    assert list(circles(folders)) == []
    assert list(circles(contracted(folders, "o"))) == [["o.p", "o.q"]]
