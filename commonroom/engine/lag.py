"""How late the event loop runs what is due: the one figure that says whether a process is overloaded.

It is also how long a command waits in its actor's mailbox, which the next turn of the loop takes.
"""

import asyncio
from typing import Final

from commonroom.delay import Delays
from commonroom.tasks import pause

__all__ = ["LoopLag"]

TICK_S: Final = 0.05
"""Twenty looks a second cost 0.02 % of a core, whatever exists."""


class LoopLag(Delays):
    """Its lateness since the start."""

    async def watch(self) -> None:
        """Look for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + TICK_S
            await pause(TICK_S)
            self.note(max(0.0, loop.time() - due_s))
