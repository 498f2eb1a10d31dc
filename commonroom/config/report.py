"""Settings as rows for a person: `commonroom config show`."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from commonroom.config.field import Field, fields
from commonroom.config.loader import Loaded
from commonroom.config.settings import Settings

__all__ = ["MASK", "ReportRow", "show"]

MASK = "********"


class ReportRow(NamedTuple):
    """One setting: `value` as TOML would write it, a secret masked."""

    path: str
    value: str
    description: str
    origin: str


def show(loaded: Loaded) -> list[ReportRow]:
    """Every setting with its value, meaning and origin, in order of definition."""
    return [ReportRow(path, _told(field, loaded.settings), field.description, loaded.origins[path]) for path, field in fields().items()]


def _told(field: Field, settings: Settings) -> str:
    value: Any = settings
    for name in field.path.split("."):
        value = getattr(value, name)
    if field.secret and value:
        return MASK
    return json.dumps(str(value) if isinstance(value, Path) else value)
