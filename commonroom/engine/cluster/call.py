"""Envelopes and their answers as bytes, and back: the same at both ends of a link."""

from typing import Any

import msgspec
from msgspec import Struct

from commonroom.engine.actor import Audience
from commonroom.engine.address import Address, address_named
from commonroom.engine.cluster.wire import Answer, Call, Event, Push
from commonroom.engine.envelope import Admission, Attach, Detach, Envelope, Origin, Publication, Query, Resync
from commonroom.errors import TABLE, CommonroomError, Denied, InternalError, Invalid
from commonroom.identity import Principal
from commonroom.protocol.codec import MSGPACK, Rejected, decode_event
from commonroom.protocol.registry import VIEWS
from commonroom.protocol.room import RoomJoin
from commonroom.protocol.wire import ServerMessage

__all__ = [
    "CallId",
    "admission",
    "deliver",
    "expects_answer",
    "pack_admitted",
    "pack_call",
    "pack_push",
    "pack_refused",
    "pack_replied",
    "publication",
    "unpack_call",
]

CallId = tuple[str, int, int]
"""(address, window, seq): what an answer names."""

SIGNALS: tuple[type, ...] = (type(None), Attach, Detach, Resync, Query)
"""By number; 0 is a client's command."""

REFRESHED = b"refreshed"
SAID = b"\0"
"""Before what a session tells of itself."""

_ERRORS: dict[str, type[CommonroomError]] = {cls.__name__: cls for cls in TABLE}
_VIEW_NAMES = {cls: name for name, cls in VIEWS.items()}


class _Refusal(Struct, array_like=True):
    name: str
    message: str
    retry_after_ms: int | None
    field: str | None
    denied: tuple[str, str] | None = None
    """(action, where), of a `Denied`."""


class _Admitted(Struct, array_like=True):
    snapshot: bytes
    history: int
    offset: int
    replay: list[Event]
    missing: tuple[int, int] | None
    reset: bool


_refusals = msgspec.msgpack.Decoder(_Refusal)
_hidden = msgspec.msgpack.Decoder(frozenset[Principal]).decode
_admissions = msgspec.msgpack.Decoder(_Admitted)
_encode = msgspec.msgpack.Encoder().encode


def expects_answer(envelope: Envelope) -> bool:
    """Whether an answer always comes. Signals but `Query` may be answered; a command of ref 0 only if it is a join."""
    command = envelope.command
    if type(command) in {Attach, Detach, Resync}:
        return False
    return isinstance(command, Query | RoomJoin) or command.ref > 0  # type: ignore[union-attr]


# -- calls ---------------------------------------------------------------------


def pack_call(envelope: Envelope, epoch: int, window: int, seq: int, done: int, *, after: int = 0) -> Call:
    """The call of an envelope."""
    command = envelope.command
    signal = SIGNALS.index(type(command)) if type(command) in SIGNALS else 0
    payload = _said(command) if signal else MSGPACK.encode(command)
    address, authority, session = str(envelope.address), envelope.authority, envelope.session
    resume, key, later = envelope.resume, envelope.key, envelope.later
    return Call(address, epoch, window, seq, done, signal, payload, authority, session, resume, key, later, after)


def unpack_call(call: Call, origin: Origin | None) -> Envelope:
    """The envelope of a call.

    Raises:
        InternalError: this version does not know such a command or signal.
    """
    address, command = address_named(call.address), _command(call)
    return Envelope(address, command, call.authority, origin, call.session, call.resume, call.key, call.later)


def _command(call: Call) -> Any:
    if call.signal >= len(SIGNALS):
        raise InternalError(f"unknown signal {call.signal}")
    if call.signal:
        return _signal(SIGNALS[call.signal], call.payload)
    command = MSGPACK.decode(call.payload)
    if isinstance(command, Rejected):
        raise InternalError("a command of another version")
    return command


def _said(signal: Any) -> bytes:
    """What a signal says beside its kind."""
    if isinstance(signal, Query):
        return signal.action.encode() if not signal.hidden else b"\0".join((signal.action.encode(), _encode(signal.hidden)))
    if isinstance(signal, Attach):
        return REFRESHED if signal.refreshed else signal.said and SAID + signal.said
    return b""


def _signal(kind: type, said: bytes) -> Any:
    if kind is Query:
        action, _, hidden = said.partition(b"\0")
        return Query(action.decode(), _hidden(hidden) if hidden else frozenset())
    if kind is Attach:
        return Attach(refreshed=said == REFRESHED, said=said.removeprefix(SAID) if said.startswith(SAID) else b"")
    return kind()


# -- answers -------------------------------------------------------------------


def pack_replied(call: CallId, ref: int, message: Struct) -> Answer:
    """`Origin.replied`: a message for a client, or a view for HTTP."""
    view = _VIEW_NAMES.get(type(message))
    kind = "reply" if view is None else f"view:{view}"
    return Answer(*call, ref, kind, MSGPACK.encode(message))


def pack_refused(call: CallId, ref: int, error: CommonroomError) -> Answer:
    """`Origin.refused`."""
    denied = (error.action, error.where) if isinstance(error, Denied) else None
    refusal = _Refusal(_error_name(type(error)), error.message, error.retry_after_ms, getattr(error, "field", None), denied)
    return Answer(*call, ref, "refusal", _encode(refusal))


def pack_admitted(call: CallId, ref: int, given: Admission) -> Answer:
    """`Origin.admitted`."""
    replay = [Event(one.offset, one.payload, one.author, *_audience(one.audience)) for one in given.replay]
    packed = _Admitted(MSGPACK.encode(given.snapshot), given.history, given.offset, replay, given.missing, given.reset)
    return Answer(*call, ref, "admission", _encode(packed))


def deliver(answer: Answer, origin: Origin) -> None:
    """Give an answer to whoever asked.

    Raises:
        msgspec.DecodeError: it is of another version.
    """
    if answer.kind == "admission":
        origin.admitted(answer.ref, admission(answer.payload))
    elif answer.kind == "refusal":
        origin.refused(answer.ref, _refusal(_refusals.decode(answer.payload)))
    else:
        origin.replied(answer.ref, _message(answer))


def admission(payload: bytes) -> Admission:
    """The admission in an answer."""
    packed = _admissions.decode(payload)
    replay = tuple(_event(event) for event in packed.replay)
    snapshot = MSGPACK.decode_server(packed.snapshot)
    return Admission(snapshot, packed.history, packed.offset, replay, packed.missing, packed.reset)


def _message(answer: Answer) -> Any:
    name = answer.kind.partition(":")[2]
    if name:
        return msgspec.msgpack.decode(answer.payload, type=VIEWS[name])
    return MSGPACK.decode_server(answer.payload)


def _refusal(packed: _Refusal) -> CommonroomError:
    cls = _ERRORS.get(packed.name, InternalError)
    if issubclass(cls, Invalid):
        return cls(packed.message, field=packed.field or "$")
    if issubclass(cls, Denied) and packed.denied is not None:
        return cls(packed.message, retry_after_ms=packed.retry_after_ms, action=packed.denied[0], where=packed.denied[1])
    return cls(packed.message, retry_after_ms=packed.retry_after_ms)


def _error_name(cls: type[CommonroomError]) -> str:
    """Its own, or that of its nearest ancestor which every node knows."""
    return next((base.__name__ for base in cls.__mro__ if base.__name__ in _ERRORS), "InternalError")


# -- publications ----------------------------------------------------------------


def pack_push(address: Address, given: Publication) -> Push:
    """A publication for another gateway."""
    return Push(str(address), given.offset, given.payload, given.author, *_audience(given.audience), given.conflate)


def publication(push: Push) -> Publication:
    """The publication of a push."""
    message = MSGPACK.decode_server(push.payload)
    return Publication(message, push.payload, push.offset, push.author, _audience_of(push.only, push.excluded), push.conflate)


def _event(event: Event) -> Publication:
    message: ServerMessage = decode_event(event.payload)
    return Publication(message, event.payload, event.offset, event.author, _audience_of(event.only, event.excluded), None)


def _audience(audience: Audience | None) -> tuple[list[Any] | None, list[Any]]:
    if audience is None:
        return None, []
    return None if audience.only is None else list(audience.only), list(audience.excluded)


def _audience_of(only: list[Any] | None, excluded: list[Any]) -> Audience | None:
    if only is None and not excluded:
        return None
    return Audience(None if only is None else frozenset(only), frozenset(excluded))
