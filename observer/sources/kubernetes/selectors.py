"""Label selectors, and an index that finds the ones matching a pod without trying them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from observer.sources.kubernetes.wire import LabelSelector


@dataclass(frozen=True, slots=True)
class Term:
    """
    One condition on one label: ``operator`` is ``In``, ``NotIn``, ``Exists`` or ``DoesNotExist``.

    As in Kubernetes, ``NotIn`` is true of a pod without the label. Any other operator matches nothing.
    """

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
        return False


@dataclass(frozen=True, slots=True)
class Selector:
    """
    Pairs that must be equal, and further terms; all must hold.

    Without any condition it matches everything; whoever means "nothing" by an empty selector (a Service) has none.
    """

    pairs: tuple[tuple[str, str], ...] = ()
    terms: tuple[Term, ...] = ()

    @classmethod
    def of_map(cls, pairs: Mapping[str, str]) -> Selector:
        return cls(tuple(sorted(pairs.items())))

    @classmethod
    def of_wire(cls, selector: LabelSelector) -> Selector:
        terms = tuple(
            Term(expression.key, expression.operator, frozenset(expression.values or ()))
            for expression in selector.match_expressions or ()
        )
        return cls(tuple(sorted((selector.match_labels or {}).items())), terms)

    @classmethod
    def of_text(cls, text: str) -> Selector:
        """The comma-separated form: ``app=istiod``, ``app!=x``, ``app``, ``!app``; raises ``ValueError`` for others."""
        pairs: list[tuple[str, str]] = []
        terms: list[Term] = []
        for part in filter(None, (part.strip() for part in text.split(","))):
            if any(mark in part for mark in " ()"):
                raise ValueError(f"label selector {text!r}: only =, ==, !=, key and !key are understood")
            key, separator, value = part.partition("!=")
            if separator:
                terms.append(Term(key, "NotIn", frozenset({value})))
            elif "=" in part:
                key, _, value = part.replace("==", "=").partition("=")
                pairs.append((key, value))
            elif part.startswith("!"):
                terms.append(Term(part[1:], "DoesNotExist"))
            else:
                terms.append(Term(part, "Exists"))
        return cls(tuple(pairs), tuple(terms))

    def matches(self, labels: Mapping[str, str]) -> bool:
        for key, value in self.pairs:
            if labels.get(key) != value:
                return False
        return all(term.holds(labels) for term in self.terms)


class SelectorIndex:
    """
    Named selectors, each filed under the rarest pair it asks for.

    A pod then tries only those filed under one of its own labels, and those that ask for no pair at all: with a
    thousand Services in a namespace that is a handful.
    """

    def __init__(self, selectors: Iterable[tuple[str, Selector]]) -> None:
        listed = sorted(selectors, key=lambda item: item[0])
        common = Counter(pair for _, selector in listed for pair in selector.pairs)
        self._by_pair: dict[tuple[str, str], list[tuple[str, Selector]]] = {}
        self._rest: list[tuple[str, Selector]] = []
        for name, selector in listed:
            if selector.pairs:
                rarest = min(selector.pairs, key=lambda pair: (common[pair], pair))
                self._by_pair.setdefault(rarest, []).append((name, selector))
            else:
                self._rest.append((name, selector))

    def matching(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Names of the selectors that match, sorted."""
        names = [name for name, selector in self._rest if selector.matches(labels)]
        by_pair = self._by_pair
        if by_pair:
            for pair in labels.items():
                for name, selector in by_pair.get(pair, ()):
                    if selector.matches(labels):
                        names.append(name)
        if len(names) > 1:
            names.sort()
        return tuple(names)
