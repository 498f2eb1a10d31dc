"""Several workers on one machine: one parent that serves no traffic and keeps them running (DESIGN 1)."""

from commonroom.supervisor.run import run

__all__ = ["run"]
