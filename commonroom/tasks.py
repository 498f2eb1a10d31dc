"""The one home of background tasks: each has an owner that hears of its end.

`asyncio.create_task` is banned elsewhere: a task whose exception nobody reads is
how a writer dies in silence (RELIABILITY R16, R19).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["TaskGroup", "is_cancelled", "pause"]

CrashHandler = Callable[[str, BaseException], None]


class TaskGroup:
    """Tasks of one owner, ended together.

    Args:
        on_crash: called on the loop with the task's name and its exception, at most
            once a task; never for a cancelled one.
    """

    def __init__(self, on_crash: CrashHandler) -> None:
        self._on_crash = on_crash
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, name: str, body: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `body` until it ends; its exception goes to `on_crash`."""
        task = asyncio.get_running_loop().create_task(body, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancel all and wait for their end. Safe to call twice."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._on_crash(task.get_name(), error)


async def pause(seconds: float) -> None:
    """Wait on the running loop's clock, virtual under test."""
    await asyncio.sleep(seconds)


def is_cancelled() -> bool:
    """Whether the running task was asked to end, and has not been told otherwise since (`Task.uncancel`)."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
