"""
Domain values <-> plain msgpack values, led by their type hints.

Values of the cluster that stay the same object from tick to tick are written once (``shared``), arrays as the XOR with
the array that stood in the same field before: counters change in few bits, so zlib finds mostly zeros. Both sides keep
the same tables; ``reset`` empties them together.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final

import numpy as np

from observer.domain.cluster import Autoscaler, DisruptionBudget, MeshControl, Node, Pod, Workload
from observer.domain.counts import ServiceBaseline
from observer.domain.errors import RecordingError
from observer.domain.ids import PodRef, ServiceRef, Target, WorkloadRef
from observer.domain.policy import EffectivePolicies, EffectivePolicy
from observer.domain.settings import EngineSettings
from observer.domain.slo import Objective
from observer.recording import former

SHARED: Final = frozenset(
    {
        *(Pod, Workload, Node, DisruptionBudget, Autoscaler, MeshControl),
        *(ServiceBaseline, PodRef, ServiceRef, WorkloadRef),
        *(EngineSettings, EffectivePolicies, EffectivePolicy, Objective),
    }
)
"""Types whose values are frozen, repeated, and written once."""

Pack = Callable[[Any], Any]
Unpack = Callable[[Any], Any]
_PLAIN = (str, int, float, bool, bytes, type(None))


class Codec:
    """One side of a recording: the writer only packs, the reader only unpacks."""

    def __init__(self, recorded: Mapping[str, Sequence[str]] | None = None, *, renamed: bool = False) -> None:
        """
        ``recorded``: field names by type as the file has them (``catalogue``); without it those of today.
        ``renamed``: names and words are those of ``former``.
        """
        self._recorded = former.types_of_today(recorded or {}) if renamed else recorded or {}
        self._renamed = renamed
        self._packers: dict[Any, Pack] = {}
        self._unpackers: dict[Any, Unpack] = {}
        self._hints: dict[type, dict[str, Any]] = {}
        self._indices: dict[tuple[type, int], int] = {}
        self._values: list[Any] = []
        self._arrays: dict[object, np.ndarray[Any, Any]] = {}

    def reset(self) -> None:
        """Forget what was shared; the other side must do so at the same place."""
        self._indices.clear()
        self._values.clear()
        self._arrays.clear()

    def pack(self, value: Any, hint: Any) -> Any:
        """``value`` of type ``hint`` as lists, strings, numbers and bytes. Raises: RecordingError."""
        return self._packer(hint, hint)(value)

    def unpack(self, data: Any, hint: Any) -> Any:
        """The value back. Raises: RecordingError when ``data`` is no ``hint``."""
        try:
            return self._unpacker(hint, hint)(data)
        except (TypeError, ValueError, KeyError, IndexError) as exc:
            raise RecordingError(f"not a value of {_name(hint)}: {exc}") from exc

    def _packer(self, hint: Any, place: object) -> Pack:
        key = (hint, place) if _is_array(hint) else hint
        if key not in self._packers:
            self._packers[key] = self._later(self._packers, key)
            self._packers[key] = self._make_packer(hint, place)
        return self._packers[key]

    def _unpacker(self, hint: Any, place: object) -> Unpack:
        key = (hint, place) if _is_array(hint) else hint
        if key not in self._unpackers:
            self._unpackers[key] = self._later(self._unpackers, key)
            self._unpackers[key] = self._make_unpacker(hint, place)
        return self._unpackers[key]

    @staticmethod
    def _later(made: dict[Any, Callable[[Any], Any]], key: Any) -> Callable[[Any], Any]:
        """A door to what is still being made: a type may contain itself."""

        def call(value: Any) -> Any:
            return made[key](value)

        return call

    def _make_packer(self, hint: Any, place: object) -> Pack:
        if hint is object:  # what was seen last, held by identity alone: not worth keeping
            return lambda _: None
        if hint is float:
            return _number
        if hint in _PLAIN or hint is None:
            return lambda value: value
        if _is_array(hint):
            return lambda value: self._pack_array(value, place)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return lambda value: value.value
        if dataclasses.is_dataclass(hint):
            return self._shared_packer(hint) if hint in SHARED else self._dataclass_packer(hint)
        return self._container_packer(hint)

    def _make_unpacker(self, hint: Any, place: object) -> Unpack:
        if hint is object:
            return _exactly(None)
        if hint is float:
            return _exactly(float, int)  # a whole number stays one: texts and hashes are made of what it looks like
        if hint in _PLAIN or hint is None:
            return _exactly(hint)
        if _is_array(hint):
            return lambda data: self._unpack_array(data, place)
        if isinstance(hint, type) and issubclass(hint, Enum):
            renamed = self._renamed and hint.__name__ in former.ENUMS
            return (lambda data: hint(former.reworded(data))) if renamed else hint
        if dataclasses.is_dataclass(hint):
            return self._shared_unpacker(hint) if hint in SHARED else self._dataclass_unpacker(hint)
        return self._container_unpacker(hint)

    def _fields(self, kind: Any) -> list[tuple[str, Any]]:
        if kind not in self._hints:
            self._hints[kind] = typing.get_type_hints(kind)
        return [(field.name, self._hints[kind][field.name]) for field in dataclasses.fields(kind)]

    def _dataclass_packer(self, kind: Any) -> Pack:
        packers = [(name, self._packer(hint, (kind, name))) for name, hint in self._fields(kind)]

        def pack(value: Any) -> Any:
            return [packer(getattr(value, name)) for name, packer in packers]

        return pack

    def _dataclass_unpacker(self, kind: Any) -> Unpack:
        hints = dict(self._fields(kind))
        names = list(self._recorded.get(kind.__name__, hints))
        if unknown := sorted(set(names) - set(hints)):
            raise RecordingError(f"{kind.__name__} was recorded with {', '.join(unknown)}, which this version lacks")
        unpackers = [self._unpacker(hints[name], (kind, name)) for name in names]
        if self._renamed and kind.__name__ in former.PODS:
            unpackers[names.index("target")] = self._unpack_pod
        worded = former.WORDED.get(kind.__name__, frozenset()) if self._renamed else frozenset()
        hidden = {field.name for field in dataclasses.fields(kind) if not field.init}

        def unpack(data: Any) -> Any:
            if len(data) != len(unpackers):
                raise ValueError(f"{len(data)} fields where {kind.__name__} has {len(unpackers)}")
            values = {name: unpacker(one) for name, unpacker, one in zip(names, unpackers, data, strict=True)}
            values |= {name: former.reworded(values[name]) for name in worded & set(values)}
            made = kind(**{name: value for name, value in values.items() if name not in hidden})
            for name in hidden:
                object.__setattr__(made, name, values[name])
            return made

        return unpack

    def _unpack_pod(self, data: Any) -> Target:
        """What was a pod by its place is a target that says so."""
        return Target.of(self._unpacker(PodRef, PodRef)(data))

    def _shared_packer(self, kind: Any) -> Pack:
        pack_fields = self._dataclass_packer(kind)

        def pack(value: Any) -> Any:
            known = self._indices.get((kind, id(value)))
            if known is not None:
                return known
            packed = pack_fields(value)  # before it gets its number: what it contains is numbered first
            self._indices[kind, id(value)] = len(self._values)
            self._values.append(value)  # kept alive, so that its id stays its own
            return packed

        return pack

    def _shared_unpacker(self, kind: Any) -> Unpack:
        unpack_fields = self._dataclass_unpacker(kind)

        def unpack(data: Any) -> Any:
            if isinstance(data, int):
                found = self._values[data]
                if type(found) is not kind:
                    raise ValueError(f"number {data} is a {type(found).__name__}")
                return found
            value = unpack_fields(data)
            self._values.append(value)
            return value

        return unpack

    def _container_packer(self, hint: Any) -> Pack:
        origin, inner = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            if all(one in _PLAIN for one in inner):
                return lambda value: _number(value) if isinstance(value, float) else value
            return self._choice_packer(hint, inner)
        if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
            packer = self._packer(inner[0], hint)
            return lambda value: [packer(one) for one in value]
        if origin is tuple:
            packers = [self._packer(one, hint) for one in inner]
            return lambda value: [pack(one) for pack, one in zip(packers, value, strict=True)]
        if origin is frozenset:
            packer = self._packer(inner[0], hint)
            return lambda value: [packer(one) for one in sorted(value)]
        if origin in (dict, Mapping):
            keys, values = self._packer(inner[0], hint), self._packer(inner[1], hint)
            return lambda value: [[keys(key), values(one)] for key, one in value.items()]
        raise RecordingError(f"values of type {_name(hint)} cannot be recorded")

    def _choice_packer(self, hint: Any, inner: tuple[Any, ...]) -> Pack:
        """One of several kinds: which of them, and the value."""
        kinds = _choices(hint, inner)
        packers = [self._packer(kind, hint) for kind in kinds]
        if len(kinds) == 1:
            return lambda value: None if value is None else [0, packers[0](value)]

        def pack(value: Any) -> Any:
            if value is None:
                return None
            number = kinds.index(type(value))
            return [number, packers[number](value)]

        return pack

    def _container_unpacker(self, hint: Any) -> Unpack:
        origin, inner = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            if all(one in _PLAIN for one in inner):
                return _exactly(*inner)
            unpackers = [self._unpacker(kind, hint) for kind in _choices(hint, inner)]
            return lambda data: None if data is None else unpackers[data[0]](data[1])
        if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
            unpacker = self._unpacker(inner[0], hint)
            return lambda data: tuple([unpacker(one) for one in data])
        if origin is tuple:
            unpackers = [self._unpacker(one, hint) for one in inner]
            return lambda data: tuple([unpack(one) for unpack, one in zip(unpackers, data, strict=True)])
        if origin is frozenset:
            unpacker = self._unpacker(inner[0], hint)
            return lambda data: frozenset([unpacker(one) for one in data])
        if origin in (dict, Mapping):
            keys, values = self._unpacker(inner[0], hint), self._unpacker(inner[1], hint)
            return lambda data: {keys(key): values(one) for key, one in data}
        raise RecordingError(f"values of type {_name(hint)} cannot be read")

    def _pack_array(self, value: np.ndarray[Any, Any], place: object) -> Any:
        plain = np.ascontiguousarray(value)
        before = self._arrays.get(place)
        self._arrays[place] = plain
        delta = before is not None and before.shape == plain.shape and before.dtype == plain.dtype
        content = _xor(plain, before) if delta and before is not None else plain.tobytes()
        return [plain.dtype.str, list(plain.shape), delta, content]

    def _unpack_array(self, data: Any, place: object) -> np.ndarray[Any, Any]:
        kind, shape, delta, content = data
        value = np.frombuffer(content, dtype=np.dtype(kind)).reshape(shape)
        if delta:
            value = np.frombuffer(_xor(value, self._arrays[place]), dtype=np.dtype(kind)).reshape(shape)
        self._arrays[place] = value
        return value


def catalogue(*kinds: type) -> dict[str, list[str]]:
    """Names of the fields of every dataclass that values of these kinds may contain, by name of the type."""
    found: dict[str, list[str]] = {}
    waiting: list[Any] = list(kinds)
    while waiting:
        hint = waiting.pop()
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            if hint.__name__ not in found:
                hints = typing.get_type_hints(hint)
                found[hint.__name__] = [field.name for field in dataclasses.fields(hint)]
                waiting += [hints[name] for name in found[hint.__name__]]
        else:
            waiting += [one for one in typing.get_args(hint) if one is not Ellipsis]
    return dict(sorted(found.items()))


def _xor(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bytes:
    """Bit by bit; both contiguous, of one shape and kind."""
    left, right = one.reshape(-1).view(np.uint8), np.ascontiguousarray(other).reshape(-1).view(np.uint8)
    return np.bitwise_xor(left, right).tobytes()


def _is_array(hint: Any) -> bool:
    return typing.get_origin(hint) is np.ndarray or hint is np.ndarray


def _choices(hint: Any, inner: tuple[Any, ...]) -> list[Any]:
    """The kinds in ``KIND | None`` or ``KIND | OTHER`` of dataclasses. Other unions have no place in a recording."""
    kinds = [one for one in inner if one is not type(None)]
    if len(kinds) == 1 or all(dataclasses.is_dataclass(one) for one in kinds):
        return kinds
    raise RecordingError(f"values of type {_name(hint)} cannot be recorded")


def _number(value: Any) -> int | float:
    """Without numpy's own kinds of number."""
    return value if type(value) in (float, int) else float(value)


def _exactly(*kinds: Any) -> Unpack:
    wanted = tuple(type(None) if kind is None else kind for kind in kinds)

    def unpack(data: Any) -> Any:
        if not isinstance(data, wanted):
            raise TypeError(f"{data!r} is no {' or '.join(_name(kind) for kind in wanted)}")
        return data

    return unpack


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint))
