"""The test kit: virtual time, a simulated journal, and a world of clients around a host."""

from commonroom.engine.testing.client import Client
from commonroom.engine.testing.journal import Faults, SimulatedJournal
from commonroom.engine.testing.loop import VirtualClock, VirtualLoop
from commonroom.engine.testing.world import World

__all__ = ["Client", "Faults", "SimulatedJournal", "VirtualClock", "VirtualLoop", "World"]
