"""Status at the gateway: who is here says so, who looks is told (ADR 15)."""

from commonroom.engine.gateway.status.page import Viewer
from commonroom.engine.gateway.status.seen import SeenLog
from commonroom.engine.gateway.status.shown import shown
from commonroom.engine.gateway.status.status import Device, Statuses, StatusPorts

__all__ = ["Device", "SeenLog", "StatusPorts", "Statuses", "Viewer", "shown"]
