"""What a room is, changed by its host; and its end when nobody has come for long.

A room that was idle archives itself, by a durable deadline: `idle_ms` after its last event, rounded up to the hour so
that it does not move with each event. While somebody is here it is put off by as long again. An activation that is younger
than `GRACE_MS` puts it off until then, for those who were here before it may be about to come back.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from commonroom.actors.room.change import Changing
from commonroom.actors.room.feature import Room, stamp
from commonroom.actors.room.text import check_line, check_tags, check_voice
from commonroom.engine.actor import Context, Deadline, Wake
from commonroom.errors import Invalid
from commonroom.identity import Principal
from commonroom.moderation import NO_WORDS, Filter, Words
from commonroom.permissions import require
from commonroom.protocol.invite import MEMBERSHIP_EVENTS, membership
from commonroom.protocol.room import RoomArchive, RoomCreate, RoomInfo, RoomUpdate, RoomUpdated
from commonroom.protocol.session import Reply
from commonroom.protocol.wire import Command, DurablePush

__all__ = ["GRACE_MS", "HOUR_MS", "MAX_INSIDE", "RoomSettings", "Unshown", "founded", "unshown", "words_of"]

HOUR_MS: Final = 3_600_000

GRACE_MS: Final = 30_000
"""An idle activation lives longer (`engine.idle_s`), else the room would be put off without end."""

MAX_INSIDE: Final = 1000
"""Who was in a room when it was locked, the latest: 45 bytes each in the event and in the snapshot."""

PLAIN: Final = ("size_limit", "theme", "timer_policy")
"""Settings that are taken as they are, and are the host's."""

ORDER: Final = ("slow_ms", "locked")
"""Settings that co-hosts change as well."""

LISTED: Final = frozenset({"title", "topic", "tags", "visibility"})
"""What is heard by everybody where the room is in the list."""


TEXTS: Final = ("title", "topic", "tags")
"""What is heard by everybody who comes."""


class Unshown(Struct, frozen=True, array_like=True):
    """Private facts of `room.created` and `room.updated`: what nobody is shown of it. Append-only.

    `words`: the room's own, whether these or others stood before. `inside`: who is here as the room is locked; None: this locks nothing.
    """

    words: list[str] = []
    inside: list[Principal] | None = None


class RoomSettings(Changing):
    """The feature `settings`."""

    __slots__ = ("_active_at", "_due", "_put_off")

    name = "settings"
    commands = (RoomUpdate, RoomArchive)
    events = (RoomUpdated, *MEMBERSHIP_EVENTS)

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._due: Deadline | None = None
        self._active_at = 0  # up to when the last event may have been for `_due` to be right
        self._put_off = 0  # until when at least, cluster ms

    def apply(self, event: DurablePush, private: bytes | None) -> None:
        room = self.room
        if not isinstance(event, RoomUpdated):
            for person in self._sent_away(event):
                room.inside.pop(person, None)
            return
        room.info = event.info
        if private is not None:
            kept = unshown(private)
            room.words = words_of(kept.words)
            room.inside = room.inside if kept.inside is None else dict.fromkeys(kept.inside)
        if room.inside and not event.info.locked:
            room.inside = {}

    def _sent_away(self, event: DurablePush) -> tuple[Principal, ...]:
        change = membership(event) if self.room.inside else None
        return () if change is None else change.removed

    def dump(self) -> list[Principal] | None:
        """Who was here when the room was locked."""
        return list(self.room.inside) or None

    def load(self, part: Raw) -> None:
        self.room.inside = dict.fromkeys(msgspec.msgpack.decode(part, type=list[Principal]))

    # -- commands --------------------------------------------------------------

    def receive(self, ctx: Context, command: Command) -> None:
        match command:
            case RoomUpdate():
                self._update(ctx, command)
            case RoomArchive():
                self._archive(ctx, command)

    def _update(self, ctx: Context, command: RoomUpdate) -> None:
        room, before = self.room, self.room.known
        words = room.words if command.filtered_words is None else given_words(command.filtered_words)
        changes = self._changes(command, words)
        if command.filtered_words is not None or not changes.keys() <= set(ORDER):
            require("room.update.settings", ctx.authority, *room.holds(ctx.authority), why="only the host changes this")
        after = replace(before, **changes)
        is_listed = after.visibility == "public" and not LISTED.isdisjoint(changes)
        if is_listed and before.visibility != "public":
            require("room.create.public", ctx.authority)
        if is_listed or any(changes.get(name) for name in TEXTS):
            check_voice(ctx)
        inside = self._here() if after.locked and not before.locked else None
        private = Unshown(list(words.given), inside) if inside or words.given != room.words.given else None
        if changes or private:
            self._persist(ctx, command, after, private)
        else:
            ctx.reply(Reply(command.ref))

    def _changes(self, command: RoomUpdate, words: Words) -> dict[str, Any]:
        """The settings that would be others, as they are kept. Raises Invalid."""
        wanted: dict[str, Any] = {}
        texts = self.room.filter
        if command.title is not None:
            wanted["title"] = line(texts, command.title, "title", words)
        if command.topic is not None:
            wanted["topic"] = line(texts, command.topic, "topic", words)
        if command.language is not None:
            wanted["language"] = check_line(command.language, "language")
        if command.visibility is not None:
            wanted["visibility"] = command.visibility
        if command.tags is not None:
            wanted["tags"] = tags(texts, command.tags, words)
        for name in (*PLAIN, *ORDER):
            if (value := getattr(command, name)) is not None:
                wanted[name] = value
        if wanted.get("size_limit") == 1:
            raise Invalid("size_limit is 0 or at least 2", field="$.size_limit")
        info = self.room.known
        return {name: value for name, value in wanted.items() if value != getattr(info, name)}

    def _here(self) -> list[Principal]:
        return [member.principal for member in self.room.roster][-MAX_INSIDE:]

    def _archive(self, ctx: Context, command: RoomArchive) -> None:
        if command.archived == (self.room.known.archived_at is not None):
            ctx.reply(Reply(command.ref))
            return
        if not command.archived and self.room.known.visibility == "public":
            require("room.create.public", ctx.authority)
            check_voice(ctx)
        self._persist(ctx, command, replace(self.room.known, archived_at=ctx.now if command.archived else None))

    def _persist(self, ctx: Context, command: RoomUpdate | RoomArchive, info: RoomInfo, private: Unshown | None = None) -> None:
        why = self.room.why(ctx, command.why)
        ctx.persist(RoomUpdated(**stamp(ctx, self.room, command.nonce, ctx.authority.principal), info=info, why=why), private=private)

    # -- the end of an idle room -----------------------------------------------

    def due(self) -> Deadline | None:
        room = self.room
        if not room.idle_ms or not room.active_at or (room.info or room.known).archived_at is not None:
            return None
        if room.active_at > self._active_at:
            whole = -(-(room.active_at + room.idle_ms) // HOUR_MS) * HOUR_MS
            self._active_at = whole - room.idle_ms
            self._put_off_until(max(whole, self._put_off))
        return self._due

    def _put_off_until(self, at: int) -> None:
        self._put_off = at
        self._due = Deadline(at, Wake(self.name, at))

    def wake(self, ctx: Context, wake: Wake) -> None:
        """The room was idle for as long as it may; `ctx.now` is when it had been."""
        room = self.room
        if len(room.roster):
            self._put_off_until(-(-(ctx.now + room.idle_ms) // HOUR_MS) * HOUR_MS)
        elif ctx.now < ctx.activated_at + GRACE_MS:
            self._put_off_until(ctx.activated_at + GRACE_MS)
        else:
            info = replace(room.known, archived_at=ctx.now)
            ctx.persist(RoomUpdated(**stamp(ctx, room, None, None), info=info, why="nobody came for long"))


def founded(ctx: Context, command: RoomCreate, texts: Filter) -> tuple[RoomInfo, Unshown | None]:
    """A new room, and what nobody is shown of it.

    Raises:
        Invalid: a text of it is none, or is not wanted.
        SignInNeeded, Forbidden: a public one is not for its founder to open; or they are muted, and write more than they must.
    """
    if command.visibility == "public":
        require("room.create.public", ctx.authority)
    if command.visibility == "public" or command.topic or command.tags:  # every room has a title
        check_voice(ctx)
    if command.size_limit == 1:
        raise Invalid("size_limit is 0 or at least 2", field="$.size_limit")
    words = given_words(command.filtered_words)
    info = RoomInfo(
        kind=command.kind,
        title=line(texts, command.title, "title", words),
        topic=line(texts, command.topic, "topic", words),
        language=check_line(command.language, "language"),  # its pattern's `$` lets a line break pass
        visibility=command.visibility,
        created_at=ctx.now,
        created_by=ctx.authority.principal,
        tags=tags(texts, command.tags, words),
        size_limit=command.size_limit,
        theme=command.theme,
        timer_policy=command.timer_policy,
    )
    return info, Unshown(command.filtered_words) if command.filtered_words else None


def unshown(private: bytes | None) -> Unshown:
    """An event's private facts."""
    return msgspec.msgpack.decode(private, type=Unshown) if private else Unshown()


def words_of(words: list[str]) -> Words:
    """Words that were checked when they were given."""
    return Words(words) if words else NO_WORDS


def given_words(words: list[str]) -> Words:
    """Raises Invalid: one of them is none."""
    try:
        return words_of(words)
    except ValueError as error:
        raise Invalid(f"filtered_words: {error}", field="$.filtered_words") from None


def line(texts: Filter, text: str, field: str, words: Words) -> str:
    """A title or topic as it is shown; an empty topic is one. Raises Invalid."""
    return texts.clean(check_line(text, field), field, words) if text else ""


def tags(texts: Filter, given: list[str], words: Words) -> list[str]:
    """Tags as they are kept, each once. Raises Invalid: one is none, or is not wanted."""
    kept = check_tags(given)
    for tag in kept:
        if texts.clean(tag, "tags", words) != tag:
            raise Invalid("a word in it is not wanted here", field="$.tags")
    return kept
