"""Settings as rows for a person: `commonroom config show`."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from commonroom.config.field import Field, fields_of
from commonroom.config.loader import Loaded

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
    rows = fields_of(loaded.settings)
    return [ReportRow(field.path, _told(field, value), field.description, loaded.origins[field.path]) for field, value in rows]


def _told(field: Field, value: Any) -> str:
    if field.secret and value:
        return MASK
    return json.dumps(str(value) if isinstance(value, Path) else value)
