"""Processes within one event loop: whatever a process has started stops when it is stopped and is lost when it is killed.

Which process a callback belongs to stands in its context, which asyncio hands on to
everything that the callback starts. So the code of a node runs unchanged.
"""

from asyncio import Handle, TimerHandle
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from enum import Enum
from typing import Any

from commonroom.engine.testing.loop import VirtualLoop

__all__ = ["Process", "ProcessLoop"]

_CURRENT: ContextVar["Process | None"] = ContextVar("process", default=None)


class _State(Enum):
    RUNNING = "running"
    STOPPED = "stopped"
    DEAD = "dead"


class Process:
    """One of several; everything run by `run` belongs to it."""

    def __init__(self, loop: "ProcessLoop", name: str) -> None:
        self.name = name
        self._loop = loop
        self._state = _State.RUNNING
        self._waiting: list[_Guarded] = []
        self._mourners: list[Callable[[], object]] = []
        self._context = copy_context()
        self._context.run(_CURRENT.set, self)

    @property
    def alive(self) -> bool:
        """Not killed."""
        return self._state is not _State.DEAD

    @property
    def running(self) -> bool:
        """Neither killed nor stopped."""
        return self._state is _State.RUNNING

    def soon(self, call: Callable[..., object], *args: Any) -> None:
        """Run a function as this process."""
        self._loop.call_soon(call, *args, context=self._context.copy())

    def run(self, call: Callable[..., Any], *args: Any) -> Any:
        """Run a function as this process, now."""
        return self._context.copy().run(call, *args)

    def kill(self) -> None:
        """SIGKILL."""
        self._state = _State.DEAD
        self._waiting.clear()
        mourners, self._mourners = self._mourners, []
        for call in mourners:
            call()

    def when_dead(self, call: Callable[[], object]) -> None:
        """Call at its death, or now if that was before."""
        if self.alive:
            self._mourners.append(call)
        else:
            call()

    def stop(self) -> None:
        """SIGSTOP."""
        if self._state is _State.RUNNING:
            self._state = _State.STOPPED

    def go_on(self) -> None:
        """SIGCONT: what came due meanwhile happens now, in order."""
        if self._state is not _State.STOPPED:
            return
        self._state = _State.RUNNING
        waiting, self._waiting = self._waiting, []
        for guarded in waiting:
            guarded.again(self._loop)

    def bury(self) -> None:
        """Let what is left of it run once more, to be cancelled."""
        self._state = _State.RUNNING

    def admits(self, guarded: "_Guarded") -> bool:
        """Whether a callback may run now; a stopped process keeps it."""
        if self._state is _State.STOPPED:
            self._waiting.append(guarded)
        return self._state is _State.RUNNING


class _Guarded:
    """A callback of a process."""

    __slots__ = ("_args", "_call", "_context", "_process", "handle")

    def __init__(self, process: Process, call: Callable[..., object], args: tuple[Any, ...], context: Context) -> None:
        self._process = process
        self._call = call
        self._args = args
        self._context = context
        self.handle: Handle

    def __call__(self) -> None:
        if self._process.admits(self):
            self._call(*self._args)

    def again(self, loop: "ProcessLoop") -> None:
        loop.call_soon(self._unless_cancelled, context=self._context)

    def _unless_cancelled(self) -> None:
        """The handle that its owner holds is still the first one."""
        if not self.handle.cancelled():
            self._call(*self._args)


class ProcessLoop(VirtualLoop):
    """Virtual time, shared by processes."""

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Handle:  # type: ignore[override]
        guarded, context = self._guard(callback, args, context)
        if guarded is None:
            return super().call_soon(callback, *args, context=context)
        guarded.handle = handle = super().call_soon(guarded, context=context)
        return handle

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> TimerHandle:  # type: ignore[override]
        guarded, context = self._guard(callback, args, context)
        if guarded is None:
            return super().call_at(when, callback, *args, context=context)
        guarded.handle = handle = super().call_at(when, guarded, context=context)
        return handle

    def _guard(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> tuple[_Guarded | None, Context | None]:
        process = _CURRENT.get() if context is None else context.get(_CURRENT)
        if process is None or isinstance(callback, _Guarded):
            return None, context
        context = context or copy_context()
        return _Guarded(process, callback, args, context), context
