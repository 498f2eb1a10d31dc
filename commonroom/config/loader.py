"""Settings from flags, environment and a TOML file, each value with its origin.

Precedence: flag > `COMMONROOM_HTTP__PORT` or its alias > `COMMONROOM_…_FILE` (secrets
only, for files that an orchestrator mounts) > TOML > default. Nothing unknown is
ignored: a misspelt name would otherwise be a setting that silently is not in force.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from commonroom.config.check import check
from commonroom.config.field import PREFIX, Field, entry_path, fields, fields_of, find, is_group, nearest, why_unknown
from commonroom.config.settings import ALIASES, TABLES, Settings
from commonroom.errors import ConfigError

__all__ = ["CONFIG_VARIABLE", "DEFAULT", "Loaded", "load"]

CONFIG_VARIABLE = "COMMONROOM_CONFIG"
"""Names the TOML file when no flag does."""

DEFAULT = "default"
MAX_FILE_BYTES = 1 << 20
FILE = "_FILE"

S = TypeVar("S", bound=Struct)


class Loaded(NamedTuple):
    """All settings, and where each came from (`flag --port`, `environment COMMONROOM_PORT`, `default`)."""

    settings: Settings
    origins: Mapping[str, str]


class _Raw(NamedTuple):
    """A value as it was found."""

    value: Any
    origin: str
    text: bool


def load(flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None, toml_path: Path | None = None) -> Loaded:
    """Read all sources.

    Args:
        flags: path -> value; None values count as not given.
        environ: default the process environment.
        toml_path: default what `COMMONROOM_CONFIG` names, else no file.

    Raises:
        ConfigError: something is unknown, of another type, out of range or unreadable.
    """
    environ = os.environ if environ is None else environ
    if toml_path is None and (named := environ.get(CONFIG_VARIABLE)):
        toml_path = Path(named)
    found: dict[str, _Raw] = {}
    for source in (_from_toml(toml_path), _from_files(environ), _from_environ(environ), _from_flags(flags or {})):
        found.update(source)
    settings = _build(found)
    origins = {field.path: found[field.path].origin if field.path in found else DEFAULT for field, _ in fields_of(settings)}
    check(settings, origins)
    return Loaded(settings, MappingProxyType(origins))


def _build(found: Mapping[str, _Raw]) -> Settings:
    tree: dict[str, Any] = {}
    for path, raw in found.items():
        *groups, name = path.split(".")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[name] = _field(path, raw.origin).convert(raw.value, raw.origin, text=raw.text)
    return _filled(Settings, tree, "")


def _filled(struct: type[S], tree: Mapping[str, Any], prefix: str) -> S:
    """The struct of what was found, its groups and named entries filled in the same way."""
    given: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        path, value = prefix + field.name, tree.get(field.name)
        if value is None:
            continue
        if path in TABLES:
            value = {entry: _filled(TABLES[path], values, f"{path}.{entry}.") for entry, values in value.items()}
        elif is_group(path):
            value = _filled(field.type, value, f"{path}.")
        given[field.name] = value
    return struct(**given)


def _from_flags(flags: Mapping[str, Any]) -> Iterator[tuple[str, _Raw]]:
    for path, value in flags.items():
        if value is None:
            continue
        _field(path, "flag")
        yield path, _Raw(value, f"flag --{path.rpartition('.')[2].replace('_', '-')}", text=True)


def _from_environ(environ: Mapping[str, str]) -> Iterator[tuple[str, _Raw]]:
    seen: dict[str, str] = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name == CONFIG_VARIABLE or _path_of_file(name):
            continue
        if (path := _path_of(name)) is None:
            raise ConfigError(f"{name} is no setting{nearest(name, [*_variables(), *_file_variables(), CONFIG_VARIABLE])}")
        if path in seen:
            raise ConfigError(f"{path} is set twice, by {seen[path]} and {name}: keep one")
        seen[path] = name
        yield path, _Raw(environ[name], f"environment {name}", text=True)


def _variables() -> dict[str, str]:
    return {field.variable: field.path for field in fields().values()} | ALIASES


def _path_of(variable: str) -> str | None:
    return _variables().get(variable) or entry_path(variable)


def _file_variables() -> list[str]:
    """`COMMONROOM_POSTGRES_URL_FILE` and its long form, for every secret."""
    return [f"{name}{FILE}" for name, path in _variables().items() if fields()[path].secret]


def _path_of_file(variable: str) -> str | None:
    """The secret whose file a variable names; None: it names none."""
    path = _path_of(variable.removesuffix(FILE)) if variable.endswith(FILE) else None
    return path if path and _field(path, variable).secret else None


def _from_files(environ: Mapping[str, str]) -> Iterator[tuple[str, _Raw]]:
    for name in sorted(environ):
        if name.startswith(PREFIX) and (path := _path_of_file(name)):
            file = environ[name]
            yield path, _Raw(_read(Path(file), name).strip(), f"file {file} ({name})", text=True)


def _from_toml(path: Path | None) -> Iterator[tuple[str, _Raw]]:
    if path is None:
        return
    try:
        tree = tomllib.loads(_read(path, "configuration"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {_one_line(error)}") from None
    for key, value in _leaves(tree, ""):
        _field(key, str(path))
        yield key, _Raw(value, f"file {path}", text=False)


def _leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        path = prefix + key
        if isinstance(value, dict) and find(path) is None:
            yield from _leaves(value, f"{path}.") if value or is_group(path) else [(path, value)]
        else:
            yield path, value


def _field(path: str, source: str) -> Field:
    if (field := find(path)) is None:
        raise ConfigError(f"{path} is no setting ({source}){why_unknown(path)}")
    return field


def _read(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path} ({what}): {error.strerror or error}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{path} ({what}) is over {MAX_FILE_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{path} ({what}) is not UTF-8 text") from None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
