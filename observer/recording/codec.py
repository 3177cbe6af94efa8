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
from typing import TYPE_CHECKING, Final, NoReturn, SupportsFloat, TypeVar

import numpy as np
import numpy.typing as npt

from observer.domain.cluster import Autoscaler, DisruptionBudget, MeshControl, Node, Pod, Workload
from observer.domain.counts import ServiceBaseline
from observer.domain.errors import RecordingError
from observer.domain.ids import PodRef, ServiceRef, Target, WorkloadRef
from observer.domain.policy import EffectivePolicies, EffectivePolicy
from observer.domain.settings import EngineSettings
from observer.domain.slo import Objective
from observer.recording import former

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Kind = type[DataclassInstance]

T = TypeVar("T")
SHARED: Final = frozenset(
    {
        *(Pod, Workload, Node, DisruptionBudget, Autoscaler, MeshControl),
        *(ServiceBaseline, PodRef, ServiceRef, WorkloadRef),
        *(EngineSettings, EffectivePolicies, EffectivePolicy, Objective),
    }
)
"""Types whose values are frozen, repeated, and written once."""

Pack = Callable[[object], object]
"""From a value to what msgpack writes, or back."""
Array = npt.NDArray[np.generic]
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
        self._packers: dict[object, Pack] = {}
        self._unpackers: dict[object, Pack] = {}
        self._hints: dict[type, dict[str, object]] = {}
        self._indices: dict[tuple[type, int], int] = {}
        self._values: list[object] = []
        self._arrays: dict[object, Array] = {}

    def reset(self) -> None:
        """Forget what was shared; the other side must do so at the same place."""
        self._indices.clear()
        self._values.clear()
        self._arrays.clear()

    def pack(self, value: object, hint: object) -> object:
        """``value`` of type ``hint`` as lists, strings, numbers and bytes. Raises: RecordingError."""
        return self._packer(hint, hint)(value)

    def unpack(self, data: object, hint: type[T]) -> T:
        """The value back. Raises: RecordingError when ``data`` is no ``hint``."""
        try:
            value = self._unpacker(hint, hint)(data)
        except (TypeError, ValueError, KeyError, IndexError) as exc:
            raise RecordingError(f"not a value of {_name(hint)}: {exc}") from exc
        if not isinstance(value, hint):
            raise RecordingError(f"not a value of {_name(hint)}: a {type(value).__name__}")
        return value

    def _packer(self, hint: object, place: object) -> Pack:
        key = (hint, place) if _is_array(hint) else hint
        if key not in self._packers:
            self._packers[key] = self._later(self._packers, key)
            self._packers[key] = self._make_packer(hint, place)
        return self._packers[key]

    def _unpacker(self, hint: object, place: object) -> Pack:
        key = (hint, place) if _is_array(hint) else hint
        if key not in self._unpackers:
            self._unpackers[key] = self._later(self._unpackers, key)
            self._unpackers[key] = self._make_unpacker(hint, place)
        return self._unpackers[key]

    @staticmethod
    def _later(made: dict[object, Pack], key: object) -> Pack:
        """A door to what is still being made: a type may contain itself."""

        def call(value: object) -> object:
            return made[key](value)

        return call

    def _make_packer(self, hint: object, place: object) -> Pack:
        if hint is object:  # what was seen last, held by identity alone: not worth keeping
            return lambda _: None
        if hint is float:
            return _number
        if hint in _PLAIN or hint is None:
            return lambda value: value
        if _is_array(hint):
            return lambda value: self._pack_array(value, place)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return lambda value: value.value if isinstance(value, Enum) else _wrong(value)
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            return self._shared_packer(hint) if hint in SHARED else self._dataclass_packer(hint)
        return self._container_packer(hint)

    def _make_unpacker(self, hint: object, place: object) -> Pack:
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
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            return self._shared_unpacker(hint) if hint in SHARED else self._dataclass_unpacker(hint)
        return self._container_unpacker(hint)

    def _fields(self, kind: Kind) -> list[tuple[str, object]]:
        if kind not in self._hints:
            self._hints[kind] = typing.get_type_hints(kind)
        return [(field.name, self._hints[kind][field.name]) for field in dataclasses.fields(kind)]

    def _dataclass_packer(self, kind: Kind) -> Pack:
        packers = [(name, self._packer(hint, (kind, name))) for name, hint in self._fields(kind)]

        def pack(value: object) -> object:
            return [packer(getattr(value, name)) for name, packer in packers]

        return pack

    def _dataclass_unpacker(self, kind: Kind) -> Pack:
        hints = dict(self._fields(kind))
        names = list(self._recorded.get(kind.__name__, hints))
        if unknown := sorted(set(names) - set(hints)):
            raise RecordingError(f"{kind.__name__} was recorded with {', '.join(unknown)}, which this version lacks")
        unpackers = [self._unpacker(hints[name], (kind, name)) for name in names]
        if self._renamed and kind.__name__ in former.PODS:
            unpackers[names.index("target")] = self._unpack_pod
        worded = former.WORDED.get(kind.__name__, frozenset()) if self._renamed else frozenset()
        hidden = {field.name for field in dataclasses.fields(kind) if not field.init}
        make: Callable[..., object] = kind

        def unpack(data: object) -> object:
            fields = _items(data)
            if len(fields) != len(unpackers):
                raise ValueError(f"{len(fields)} fields where {kind.__name__} has {len(unpackers)}")
            values = {name: unpacker(field) for name, unpacker, field in zip(names, unpackers, fields, strict=True)}
            values |= {name: former.reworded(values[name]) for name in worded & set(values)}
            made = make(**{name: value for name, value in values.items() if name not in hidden})
            for name in hidden:
                object.__setattr__(made, name, values[name])
            return made

        return unpack

    def _unpack_pod(self, data: object) -> Target:
        """What was a pod by its place is a target that says so."""
        pod = self._unpacker(PodRef, PodRef)(data)
        if not isinstance(pod, PodRef):
            raise TypeError("no pod")
        return Target.of(pod)

    def _shared_packer(self, kind: Kind) -> Pack:
        pack_fields = self._dataclass_packer(kind)

        def pack(value: object) -> object:
            if (number := self._indices.get((kind, id(value)))) is not None:
                return number
            packed = pack_fields(value)  # before it gets its number: what it contains is numbered first
            self._indices[kind, id(value)] = len(self._values)
            self._values.append(value)  # kept alive, so that its id stays its own
            return packed

        return pack

    def _shared_unpacker(self, kind: Kind) -> Pack:
        unpack_fields = self._dataclass_unpacker(kind)

        def unpack(data: object) -> object:
            if isinstance(data, int):
                shared = self._values[data]
                if type(shared) is not kind:
                    raise ValueError(f"number {data} is a {type(shared).__name__}")
                return shared
            value = unpack_fields(data)
            self._values.append(value)
            return value

        return unpack

    def _container_packer(self, hint: object) -> Pack:
        origin, inner = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            if all(kind in _PLAIN for kind in inner):
                return lambda value: _number(value) if isinstance(value, float) else value
            return self._choice_packer(hint, inner)
        if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
            each = self._packer(inner[0], hint)
            return lambda value: [each(item) for item in _items(value)]
        if origin is tuple:
            packers = [self._packer(kind, hint) for kind in inner]
            return lambda value: [pack(item) for pack, item in zip(packers, _items(value), strict=True)]
        if origin is frozenset:
            each = self._packer(inner[0], hint)
            return lambda value: (
                [each(item) for item in sorted(value)] if isinstance(value, frozenset) else _wrong(value)
            )
        if origin in (dict, Mapping):
            keys, values = self._packer(inner[0], hint), self._packer(inner[1], hint)
            return lambda value: (
                [[keys(key), values(item)] for key, item in value.items()]
                if isinstance(value, Mapping)
                else _wrong(value)
            )
        raise RecordingError(f"values of type {_name(hint)} cannot be recorded")

    def _choice_packer(self, hint: object, inner: tuple[object, ...]) -> Pack:
        """One of several kinds: which of them, and the value."""
        kinds = _choices(hint, inner)
        packers = [self._packer(kind, hint) for kind in kinds]
        if len(kinds) == 1:
            return lambda value: None if value is None else [0, packers[0](value)]

        def pack(value: object) -> object:
            if value is None:
                return None
            number = kinds.index(type(value))
            return [number, packers[number](value)]

        return pack

    def _container_unpacker(self, hint: object) -> Pack:
        origin, inner = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            if all(kind in _PLAIN for kind in inner):
                return _exactly(*inner)
            return self._choice_unpacker(hint, inner)
        if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
            each = self._unpacker(inner[0], hint)
            return lambda data: tuple([each(item) for item in _items(data)])
        if origin is tuple:
            unpackers = [self._unpacker(kind, hint) for kind in inner]
            return lambda data: tuple([unpack(item) for unpack, item in zip(unpackers, _items(data), strict=True)])
        if origin is frozenset:
            each = self._unpacker(inner[0], hint)
            return lambda data: frozenset([each(item) for item in _items(data)])
        if origin in (dict, Mapping):
            keys, values = self._unpacker(inner[0], hint), self._unpacker(inner[1], hint)
            return lambda data: {keys(key): values(item) for key, item in map(_items, _items(data))}
        raise RecordingError(f"values of type {_name(hint)} cannot be read")

    def _choice_unpacker(self, hint: object, inner: tuple[object, ...]) -> Pack:
        unpackers = [self._unpacker(kind, hint) for kind in _choices(hint, inner)]

        def unpack(data: object) -> object:
            if data is None:
                return None
            number, value = _items(data)
            return unpackers[number](value) if isinstance(number, int) else _wrong(number)

        return unpack

    def _pack_array(self, value: object, place: object) -> object:
        plain = np.ascontiguousarray(value) if isinstance(value, np.ndarray) else _wrong(value)
        before = self._arrays.get(place)
        self._arrays[place] = plain
        delta = before is not None and before.shape == plain.shape and before.dtype == plain.dtype
        content = _xor(plain, before) if delta and before is not None else plain.tobytes()
        return [plain.dtype.str, list(plain.shape), delta, content]

    def _unpack_array(self, data: object, place: object) -> Array:
        match data:
            case [str() as kind, [*lengths], bool() as delta, bytes() as content]:
                shape = tuple(length if isinstance(length, int) else _wrong(length) for length in lengths)
                value: Array = np.frombuffer(content, dtype=np.dtype(kind)).reshape(shape)
            case _:
                _wrong(data)
        if delta:
            value = np.frombuffer(_xor(value, self._arrays[place]), dtype=np.dtype(kind)).reshape(shape)
        self._arrays[place] = value
        return value


def catalogue(*kinds: type) -> dict[str, list[str]]:
    """Names of the fields of every dataclass that values of these kinds may contain, by name of the type."""
    fields: dict[str, list[str]] = {}
    waiting: list[object] = list(kinds)
    while waiting:
        hint = waiting.pop()
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            if hint.__name__ not in fields:
                hints = typing.get_type_hints(hint)
                fields[hint.__name__] = [field.name for field in dataclasses.fields(hint)]
                waiting += [hints[name] for name in fields[hint.__name__]]
        else:
            waiting += [kind for kind in typing.get_args(hint) if kind is not Ellipsis]
    return dict(sorted(fields.items()))


def _xor(array: Array, other: Array) -> bytes:
    """Bit by bit; both contiguous, of one shape and kind."""
    left, right = array.reshape(-1).view(np.uint8), np.ascontiguousarray(other).reshape(-1).view(np.uint8)
    return np.bitwise_xor(left, right).tobytes()


def _is_array(hint: object) -> bool:
    return typing.get_origin(hint) is np.ndarray or hint is np.ndarray


def _choices(hint: object, inner: tuple[object, ...]) -> list[object]:
    """The kinds in ``KIND | None`` or ``KIND | OTHER`` of dataclasses. Other unions have no place in a recording."""
    kinds = [kind for kind in inner if kind is not type(None)]
    if len(kinds) == 1 or all(dataclasses.is_dataclass(kind) for kind in kinds):
        return kinds
    raise RecordingError(f"values of type {_name(hint)} cannot be recorded")


def _number(value: object) -> int | float:
    """Without numpy's own kinds of number."""
    if type(value) is float or type(value) is int:
        return value
    return float(value) if isinstance(value, SupportsFloat) else _wrong(value)


def _items(data: object) -> Sequence[object]:
    """What a list holds. Raises ``TypeError``."""
    return data if isinstance(data, list | tuple) else _wrong(data)


def _wrong(value: object) -> NoReturn:
    raise TypeError(f"{str(value)[:60]!r}, a {type(value).__name__}")


def _exactly(*kinds: object) -> Pack:
    wanted = tuple(kind if isinstance(kind, type) else type(None) for kind in kinds)

    def unpack(data: object) -> object:
        if not isinstance(data, wanted):
            raise TypeError(f"{data!r} is no {' or '.join(_name(kind) for kind in wanted)}")
        return data

    return unpack


def _name(hint: object) -> str:
    return getattr(hint, "__name__", str(hint))
