"""Every setting as a row: its path, type, description and default.

Read from the annotations of `settings`, so that there is one source for them.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from commonroom.config.settings import ENTRY, SECRETS, TABLES, Settings
from commonroom.errors import ConfigError

__all__ = ["PREFIX", "Field", "entry_path", "fields", "fields_of", "find", "is_group", "nearest", "why_unknown"]

PREFIX = "COMMONROOM_"
"""Of every variable that is ours."""

ENTRY_NAME = re.compile(r"[a-z0-9-]{1,32}")


class Field(NamedTuple):
    """One setting.

    `path` is dotted (`http.port`); that of a named entry holds its name. `many` tells a list, which the environment
    separates by commas.
    """

    path: str
    type: Any
    description: str
    default: Any
    secret: bool
    many: bool

    @property
    def variable(self) -> str:
        """Its name in the environment: `COMMONROOM_HTTP__PORT`. A hyphen of an entry's name is an underscore there."""
        return PREFIX + self.path.upper().replace(".", "__").replace("-", "_")

    def convert(self, value: Any, origin: str, *, text: bool) -> Any:
        """The value in the field's own type.

        Args:
            origin: where it came from, for the message.
            text: it came as text (environment, flag), so "8000" is a number.

        Raises:
            ConfigError: of another type or out of range.
        """
        if text and self.many and isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        try:
            return msgspec.convert(value, self.type, strict=not text, dec_hook=_path)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{self.path} = {self._told(value)} ({origin}): {_lower(str(error))}") from None

    def _told(self, value: Any) -> str:
        return "(secret)" if self.secret else repr(value)[:80]


@cache
def fields() -> Mapping[str, Field]:
    """All settings by path, in order of definition, without those of named entries."""
    return MappingProxyType({field.path: field for field in _walk(Settings, "")})


@cache
def _templates() -> Mapping[str, Field]:
    """The settings of a named entry, by their path with `ENTRY` in it."""
    walked = (field for table, struct in TABLES.items() for field in _walk(struct, f"{table}.{ENTRY}."))
    return MappingProxyType({field.path: field for field in walked})


def find(path: str) -> Field | None:
    """The setting of this path, also one of a named entry; None if there is none."""
    if (field := fields().get(path)) is not None:
        return field
    table, entry, name = _split(path)
    template = _templates().get(f"{table}.{ENTRY}.{name}")
    return template._replace(path=path) if template and ENTRY_NAME.fullmatch(entry) else None


def fields_of(settings: Settings) -> Iterator[tuple[Field, Any]]:
    """Every setting and its value, those of named entries behind all others."""
    for path, field in fields().items():
        yield field, _value(settings, path)
    for path, field in _templates().items():
        table, _, name = _split(path)
        for entry, values in _value(settings, table).items():
            yield field._replace(path=f"{table}.{entry}.{name}"), getattr(values, name)


def is_group(path: str) -> bool:
    """Whether settings, or named entries, lie below `path`."""
    return any(known.startswith(f"{path}.") for known in (*fields(), *_templates()))


def entry_path(variable: str) -> str | None:
    """The path of a named entry's setting by its variable, `COMMONROOM_PROVIDERS__OIDC__MY_SCHOOL__ISSUER`; None: it is of none."""
    for path, template in _templates().items():
        head, _, tail = template.variable.partition(ENTRY.upper())
        if variable.startswith(head) and variable.endswith(tail):
            entry = variable[len(head) : len(variable) - len(tail)].lower().replace("_", "-")
            return path.replace(ENTRY, entry) if ENTRY_NAME.fullmatch(entry) else None
    return None


def why_unknown(path: str) -> str:
    """What to say of a path that is no setting, to follow its name."""
    table, entry, name = _split(path)
    if f"{table}.{ENTRY}.{name}" in _templates():
        return f": {entry[:40]!r} is no name, expected 1 to 32 of a-z, 0-9 and -"
    return nearest(path, [*fields(), *_templates()])


def _split(path: str) -> tuple[str, str, str]:
    """Table, entry and name of a setting's path, should it be a named entry's."""
    for table in TABLES:
        if path.startswith(f"{table}."):
            entry, _, name = path.removeprefix(f"{table}.").rpartition(".")
            return table, entry, name
    return "", "", ""


def _value(settings: Settings, path: str) -> Any:
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


def nearest(name: str, known: Iterable[str]) -> str:
    """`, did you mean …?` if something known resembles `name`, else nothing."""
    by_tail = {_tail(each): each for each in known}  # the prefix is in all of them and says nothing
    close = difflib.get_close_matches(_tail(name), list(by_tail), n=1, cutoff=0.6)
    return f", did you mean {by_tail[close[0]]}?" if close else ""


def _tail(name: str) -> str:
    return name.removeprefix(PREFIX)


def _walk(struct: type[Struct], prefix: str) -> Iterator[Field]:
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        path, hint = prefix + field.name, hints[field.name]
        if isinstance(hint, type) and issubclass(hint, Struct):
            yield from _walk(hint, f"{path}.")
            continue
        if path in TABLES:
            continue
        yield Field(path, hint, _description(hint), field.default, path in SECRETS, get_origin(_bare(hint)) is tuple)


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _description(hint: Any) -> str:
    told = [extra.description for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, Meta) and extra.description]
    return told[-1] if told else ""


def _path(kind: type, value: Any) -> Any:
    """Paths are strings to msgspec; an empty one would silently mean the working directory."""
    if kind is not Path or not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("expected a path")
    return Path(value)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
