"""The command `commonroom`. Parts are imported by the commands that need them: `version` stays quick."""

from commonroom.cli.main import main

__all__ = ["main"]
