"""
Settings that are declared once (``domain.settings.Setting``) as pydantic models.

Types are strict and unknown keys are refused; what pydantic finds wrong is put into words by ``refusals``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from enum import StrEnum
from types import GenericAlias, NoneType
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, Strict, create_model, model_validator
from pydantic_core import CoreSchema, PydanticCustomError

from observer.config.documents import values
from observer.config.documents.durations import format_duration, format_size
from observer.domain import names
from observer.domain.settings import BYTES, KUBERNETES_NAME, SECONDS, Declared, Setting, declared

Switch = Annotated[bool, Strict()]
T = TypeVar("T")
FORMATS: Mapping[str, values.Check] = {KUBERNETES_NAME: values.NAME}


class Disagreement(NamedTuple):
    """Two values of one mapping that cannot stand together; ``field`` is where a person should look."""

    field: str
    message: str
    hint: str = ""


class Part(BaseModel):
    """A mapping of a file: strict types, no unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid", populate_by_name=False)


class Section(Part):
    """A mapping that fills the dataclass ``reads``."""

    reads: ClassVar[type]


Definitions = dict[str, Any]
"""Of the keys of a model, as ``create_model`` takes them."""
Rule = Callable[..., Iterator[Disagreement]]
"""What in a dataclass, each value of which is good by itself, does not go together."""


class Models:
    """
    Makes the models of declared dataclasses.

    ``rules``, by dataclass, are asked when each of its values is good. With ``inherits`` a key that is left out has no
    default, and what is for all of the cluster cannot be written.
    """

    def __init__(self, rules: Mapping[type, Rule], *, inherits: bool = False) -> None:
        self._rules, self._inherits = rules, inherits
        self._made: dict[type, type[Section]] = {}

    def of(self, kind: type) -> type[Section]:
        """The model that reads ``kind``."""
        if kind not in self._made:
            model = create_model(kind.__name__, __base__=self._base(kind), __doc__=kind.__doc__, **self.keys(kind))
            model.reads = kind
            self._made[kind] = model
        return self._made[kind]

    def keys(self, *kinds_: type) -> Definitions:
        """Definitions of what may be written into these dataclasses, together one mapping."""
        return {
            item.name: self.key(item, default_of(kind, item.name))
            for kind in kinds_
            for item in declared(kind)
            if not (self._inherits and item.setting.cluster_wide)
        }

    def key(self, item: Declared, default: object) -> tuple[object, object]:
        """Type and field of one key."""
        extra: dict[str, Any] | None = None if self._inherits else {"default": written(default, item.setting)}
        value = None if self._inherits or is_dataclass(default) else default
        about = Field(default=value, description=item.setting.about, json_schema_extra=extra)
        return self._type(item.hint, empty=default == ""), about

    def _base(self, kind: type) -> type[Section]:
        rule: Rule | None = None if self._inherits else self._rules.get(kind)
        if rule is None:
            return Section
        judge: Rule = rule

        class Judged(Section):
            @model_validator(mode="after")
            def _agree(self) -> Judged:
                if found := list(judge(build(self, kind))):
                    raise PydanticCustomError("disagreement", "several", {"faults": found})
                return self

        return Judged

    def _type(self, hint: object, *, empty: bool = False) -> object:
        """The pydantic type of an annotation."""
        beside: tuple[object, ...] = getattr(hint, "__metadata__", ())
        inner = get_args(hint)[0] if beside else hint
        setting = next((mark for mark in beside if isinstance(mark, Setting)), Setting())
        further = [mark for mark in beside if not isinstance(mark, Setting | values.Check | values.Words)]
        made = self._plain(inner, setting, beside, empty=empty)
        for mark in further:
            made = Annotated[made, mark]
        return made

    def _plain(self, inner: object, setting: Setting, beside: tuple[object, ...], *, empty: bool) -> object:
        if NoneType in get_args(inner):  # None is for a key that is left out; nobody writes it
            inner = get_args(inner)[0]
        origin, arguments = get_origin(inner), get_args(inner)
        if origin in (tuple, frozenset):
            return GenericAlias(list, (self._type(arguments[0]),))
        if origin is dict:
            return GenericAlias(dict, (str, str if arguments[1] is str else self._type(arguments[1])))
        if inner is bool:
            return Switch
        if inner is str:
            return Annotated[str, _text(setting, beside, empty=empty)]
        if inner is int or inner is float:
            return _number(inner, setting)
        if isinstance(inner, type) and issubclass(inner, StrEnum):
            return Annotated[inner, values.Words(setting.among or tuple(inner))]
        if isinstance(inner, type) and is_dataclass(inner) and declared(inner):
            return self.of(inner)
        return inner


def _text(setting: Setting, beside: tuple[object, ...], *, empty: bool) -> values.Check | values.Words:
    own = next((mark for mark in beside if isinstance(mark, values.Check | values.Words)), None)
    if isinstance(own, values.Words):
        return own
    check = own or FORMATS.get(setting.format, values.TEXT)
    return replace(check, empty=True) if empty else check


def _number(kind: type, it: Setting) -> object:
    low, high = it.ge if it.ge is not None else 0.0, it.le if it.le is not None else float("inf")
    if it.unit == SECONDS:
        return Annotated[float, values.Duration(low, high)]
    if it.unit == BYTES:
        return Annotated[int, values.Size(int(low), int(high))]
    finite = False if kind is float else None
    return Annotated[kind, Field(ge=it.ge, gt=it.gt, le=it.le, allow_inf_nan=finite)]


@dataclass(frozen=True, slots=True)
class Reads:
    """Beside ``Section`` in a model that stands in the code: which dataclass it reads."""

    models: Models
    kind: type

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(self.models.of(self.kind))


def described(model: type[BaseModel], name: str, title: str, about: str) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) for editors: what may be written, with a sentence for each key."""
    body = _without_nothing(model.model_json_schema())
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:{names.OBSERVER}:schema:{name}:1"}
    return {**head, **body, "title": title, "description": about}


def _without_nothing(body: dict[str, object]) -> dict[str, object]:
    """Without null, as default and as type: it stands for a key that is left out, and nobody may write it."""
    found = dict(body)
    if found.get("default", 0) is None:
        del found["default"]
    match found.get("anyOf"):
        case [dict() as only, {"type": "null"}]:
            found = {**only, **{key: value for key, value in found.items() if key != "anyOf"}}
    return {key: _without_nothing(value) if isinstance(value, dict) else value for key, value in found.items()}


def default_of(kind: type, name: str) -> object:
    """What a field of a dataclass is when nothing is written; None where it must be given."""
    item = next(field for field in fields(kind) if field.name == name)
    if item.default is not MISSING:
        return item.default
    return item.default_factory() if item.default_factory is not MISSING else None


def changed(value: T, changes: Mapping[str, object]) -> T:
    """A dataclass with other values in some fields, all of which were validated."""
    copy: Callable[..., T] = replace
    return copy(value, **changes)


def build(model: Section, kind: Callable[..., T]) -> T:
    """The dataclass of a validated section; keys that the file left out take the dataclass's own defaults."""
    return kind(**{name: built(getattr(model, name)) for name in model.model_fields_set})


def built(value: object) -> object:
    """A validated value as a dataclass holds it: frozen."""
    if isinstance(value, Section):
        return build(value, value.reads)
    return tuple(map(built, value)) if isinstance(value, list) else value


def written(value: object, setting: Setting) -> object:
    """A value as a person would write it into a file: text, number, switch, list; a section is an empty mapping."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple | frozenset):
        return [written(item, setting) for item in (value if isinstance(value, tuple) else sorted(value))]
    if isinstance(value, float) and setting.unit == SECONDS:
        return format_duration(value)
    if isinstance(value, int) and setting.unit == BYTES:
        return format_size(value)
    if is_dataclass(value):
        return {}
    return value
