"""Every setting as a row: its path, type, description and default.

Read from the annotations of `settings`, so that there is one source for them.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from commonroom.config.settings import SECRETS, Settings
from commonroom.errors import ConfigError

__all__ = ["PREFIX", "Field", "fields", "nearest"]

PREFIX = "COMMONROOM_"
"""Of every variable that is ours."""


class Field(NamedTuple):
    """One setting.

    `path` is dotted (`http.port`). `many` tells a list, which the environment
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
        """Its name in the environment: `COMMONROOM_HTTP__PORT`."""
        return PREFIX + self.path.upper().replace(".", "__")

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
    """All settings by path, in order of definition."""
    return MappingProxyType({field.path: field for field in _walk(Settings, "")})


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
