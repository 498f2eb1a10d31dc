"""Configuration: flag > environment > TOML > default, into frozen structs."""

from commonroom.config.loader import Loaded, load
from commonroom.config.report import ReportRow, show
from commonroom.config.settings import Settings

__all__ = ["Loaded", "ReportRow", "Settings", "load", "show"]
