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
from typing import Any, NamedTuple

from commonroom.config.check import check
from commonroom.config.field import PREFIX, Field, fields, nearest
from commonroom.config.settings import ALIASES, GROUPS, Settings
from commonroom.errors import ConfigError

__all__ = ["CONFIG_VARIABLE", "DEFAULT", "Loaded", "load"]

CONFIG_VARIABLE = "COMMONROOM_CONFIG"
"""Names the TOML file when no flag does."""

DEFAULT = "default"
MAX_FILE_BYTES = 1 << 20


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
    values = {path: fields()[path].convert(raw.value, raw.origin, text=raw.text) for path, raw in found.items()}
    settings = _build(values)
    origins = {path: found[path].origin if path in found else DEFAULT for path in fields()}
    check(settings, origins)
    return Loaded(settings, MappingProxyType(origins))


def _build(values: Mapping[str, Any]) -> Settings:
    top: dict[str, Any] = {path: value for path, value in values.items() if "." not in path}
    for group, struct in GROUPS.items():
        prefix = f"{group}."
        top[group] = struct(**{path.removeprefix(prefix): value for path, value in values.items() if path.startswith(prefix)})
    return Settings(**top)


def _from_flags(flags: Mapping[str, Any]) -> Iterator[tuple[str, _Raw]]:
    for path, value in flags.items():
        if value is None:
            continue
        _field(path, "flag")
        yield path, _Raw(value, f"flag --{path.rpartition('.')[2].replace('_', '-')}", text=True)


def _from_environ(environ: Mapping[str, str]) -> Iterator[tuple[str, _Raw]]:
    paths = {field.variable: field.path for field in fields().values()} | ALIASES
    seen: dict[str, str] = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name == CONFIG_VARIABLE or name in _file_variables():
            continue
        if (path := paths.get(name)) is None:
            raise ConfigError(f"{name} is no setting{nearest(name, [*paths, *_file_variables(), CONFIG_VARIABLE])}")
        if path in seen:
            raise ConfigError(f"{path} is set twice, by {seen[path]} and {name}: keep one")
        seen[path] = name
        yield path, _Raw(environ[name], f"environment {name}", text=True)


def _file_variables() -> dict[str, str]:
    """`COMMONROOM_POSTGRES_URL_FILE` and its long form, for every secret."""
    secret = {field.variable: field.path for field in fields().values() if field.secret}
    secret |= {alias: path for alias, path in ALIASES.items() if fields()[path].secret}
    return {f"{name}_FILE": path for name, path in secret.items()}


def _from_files(environ: Mapping[str, str]) -> Iterator[tuple[str, _Raw]]:
    for name, path in _file_variables().items():
        if (file := environ.get(name)) is not None:
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
        if isinstance(value, dict) and path not in fields():
            yield from _leaves(value, f"{path}.") if value or path in GROUPS else [(path, value)]
        else:
            yield path, value


def _field(path: str, source: str) -> Field:
    if (field := fields().get(path)) is None:
        raise ConfigError(f"{path} is no setting ({source}){nearest(path, fields())}")
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
