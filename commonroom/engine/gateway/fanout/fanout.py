"""One followed room on this node: what arrives once leaves to every reader, in order.

Invariant (I6): what leaves is, for durable events, `delivered + 1`, `delivered + 2` …: a repeat
is dropped, a gap is read from the journal before anything durable goes on. Volatile
pushes may overtake.

*Flush once per room and loop turn*: what arrived in a turn is joined and the same
bytes are written to every reader. A reader costs one write, whatever the number of publishers.
A room over its `Budget` of writes flushes less often, with more in each.

Readers are *live* (they get the shared bytes), *ahead* (live, but their snapshot was newer
than what was delivered here: they skip what they have) or *waiting* (joining, catching up, or
slow: their subscription keeps the batch and follows by itself). A reader whose outbox congests
moves from live to waiting by itself, within the very write: nobody asks per delivery.

Some durable pushes end subscriptions (`DurablePush.expelled`): asked once a push, when it has left, and before what follows it does.
So whom a room sends away stops hearing it on every node, and by a gap's repair where the push was lost.
"""

from collections.abc import Iterator
from typing import Final

from commonroom.engine.address import Address
from commonroom.engine.envelope import Publication
from commonroom.engine.gateway.fanout.batch import Batch
from commonroom.engine.gateway.fanout.budget import Budget
from commonroom.engine.gateway.fanout.doubt import Doubts
from commonroom.engine.gateway.fanout.scene import TELLING, Scene
from commonroom.engine.gateway.fanout.subscription import Subscription
from commonroom.engine.gateway.outbox import Outbox, write_all
from commonroom.engine.gateway.surroundings import Surroundings
from commonroom.errors import Unavailable
from commonroom.protocol.codec import MSGPACK, Codec
from commonroom.protocol.registry import EXPELLING
from commonroom.protocol.room import LoadLevel, RoomLoad, RoomUpdated
from commonroom.protocol.wire import DurablePush

__all__ = ["RoomFanout"]

MAX_HELD: Final = 1000
"""Durable pushes kept while a gap before them is read; what is beyond is read as well."""


NOTABLE: Final = EXPELLING | TELLING
"""Durable pushes that mean something to the gateway itself."""


class RoomFanout:
    """The subscriptions to one address. Exists while there is one."""

    __slots__ = (
        "_ahead",
        "_around",
        "_budget",
        "_head",
        "_held",
        "_is_private",
        "_live",
        "_notable",
        "_pending",
        "_planned",
        "_pulling",
        "_target",
        "_waiting",
        "address",
        "delivered",
        "doubts",
        "load",
        "scene",
    )

    def __init__(self, address: Address, around: Surroundings) -> None:
        self.address = address
        self.delivered = 0
        """The last durable offset that was written to the live readers."""
        self.load: LoadLevel | None = None
        """The last that the room told; None: nothing yet."""
        self.scene = Scene()
        """What of the room its people's status depends on."""
        self.doubts = Doubts()
        """Who of its readers may stay, as the room is asked."""
        self._around = around
        self._budget = Budget(around.settings.fanout_writes_per_s, around.settings.fanout_max_delay_ms / 1000, around.monotonic)
        self._head: int | None = None  # the last durable offset taken in; None: not known yet
        self._is_private = False  # since the last change of it that left; False also: not known
        self._pending: list[Publication] = []
        self._notable = False  # whether one of the pending means something to the gateway itself
        self._planned = False  # `_due` is on its way
        self._live: dict[Codec, dict[Subscription, Outbox]] = {}
        self._ahead: set[Subscription] = set()
        self._waiting: dict[Subscription, None] = {}  # in order of arrival
        self._pulling = False
        self._target = 0
        self._held: list[Publication] = []

    def __len__(self) -> int:
        return len(self._waiting) + sum(len(members) for members in self._live.values())

    def __iter__(self) -> Iterator[Subscription]:
        """All subscriptions, as they are now."""
        return iter([*self._waiting, *(one for members in self._live.values() for one in members)])

    # What arrives.

    def publish(self, publication: Publication) -> None:
        """Take a push from the room; it leaves in this loop turn unless a gap is before it or the room is over its budget."""
        offset = publication.offset
        if offset:
            if self._head is not None and offset != self._head + 1:
                self._misfit(publication)
                return
            self._head = offset
            if type(publication.message) in NOTABLE:
                self._notable = True
        elif type(publication.message) is RoomLoad:
            self.loaded(publication.message.level)
        self._pending.append(publication)
        if not self._planned:
            self._planned = True
            if not self._budget.tight or not self._put_off():
                self._around.soon(self._due)

    def reveal(self, offset: int) -> None:
        """Somebody was told that the stream is at `offset`: what is not here yet is a gap."""
        if self._head is None or (offset > self._head and len(self) == 1):
            self._head = self.delivered = offset
            self._is_private = False
        elif offset > self._head:
            self._pull(offset)

    def expect(self, head: int) -> None:
        """The stream is at `head`: whatever is not here yet will not come by itself."""
        if self._head is not None and head > self._head:
            self._pull(head)

    def loaded(self, level: LoadLevel) -> None:
        """The room told how much it leaves out; from 1 on its pushes are gathered."""
        self.load = level
        self._budget.widen(level > 0)

    def seen(self, scene: Scene) -> None:
        """Something else may go on in the room."""
        if scene != self.scene:
            self.scene = scene
            for subscription in self:
                subscription.reader.moved()

    def flush(self) -> None:
        """Write what is pending, planned or not. Cost: a write for each reader, one more for each push that ends subscriptions."""
        pending, self._pending = self._pending, []
        if self._notable:
            self._notable = False
            pending = self._flush_notable(pending)
        if pending:
            self._write(pending)

    def _flush_notable(self, pending: list[Publication]) -> list[Publication]:
        """Write up to the last push that ends subscriptions; what is left."""
        begin = 0
        for end, publication in enumerate(pending, 1):
            if type(publication.message) in EXPELLING:
                self._write(pending[begin:end])
                self._expel(publication)
                begin = end
            self.seen(self.scene.after(publication.message))
        return pending[begin:]

    def _write(self, pending: list[Publication]) -> None:
        self._budget.spend(self._deliver(Batch(self.address.key, pending)), len(pending))

    def _put_off(self) -> bool:
        """Plan the flush for when the budget allows it; False: that is now."""
        wait_s, stats = self._budget.wait_s(), self._around.stats
        if not wait_s:
            return False
        stats.widened += 1
        stats.widened_ms += wait_s * 1000
        self._around.later(wait_s, self._due)
        return True

    def _due(self) -> None:
        self._planned = False
        self.flush()

    # Who reads.

    def wait(self, subscription: Subscription) -> None:
        """Keep batches for a subscription that is not live (any more)."""
        self.remove(subscription)
        self._waiting[subscription] = None

    def go_live(self, subscription: Subscription) -> None:
        """From now on the subscription gets the shared bytes."""
        self._waiting.pop(subscription, None)
        reader = subscription.reader
        self._live.setdefault(reader.codec, {})[subscription] = reader.outbox
        if subscription.position > self.delivered:
            self._ahead.add(subscription)

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        self._waiting.pop(subscription, None)
        self._ahead.discard(subscription)
        members = self._live.get(subscription.reader.codec)
        if members is not None:
            members.pop(subscription, None)
            if not members:
                del self._live[subscription.reader.codec]

    def announce(self) -> None:
        """Tell a new activation who is here: at once, since it handles nothing before.

        What the one before has sent leaves first: it must not follow a snapshot of this one. And
        this one leaves nothing out, unless it says so.
        """
        if self.load:
            calm = RoomLoad(self.address.key, 0)
            self.publish(Publication(calm, MSGPACK.encode(calm), 0, None, None, "load"))
        self.flush()
        for subscription in self:
            subscription.announce()

    # Delivery.

    def _deliver(self, batch: Batch) -> int:
        """Write a batch to the live readers, give it to the others; how many are live."""
        for publication in batch.publications:
            self.delivered = publication.offset or self.delivered
        number, stats, writes = len(batch.publications), self._around.stats, 0
        waiting = tuple(self._waiting)  # not those who congest below: they have this batch
        for codec, members in tuple(self._live.items()):
            readers = len(members)
            if batch.plain and not self._ahead:
                data = batch.joined(codec)
                write_all(tuple(members.values()), data)
                stats.bytes_out += len(data) * readers
            else:
                self._deliver_apart(batch, codec, members)
            stats.deliveries += number * readers
            writes += readers
        self._ahead = {one for one in self._ahead if one.position > self.delivered} if self._ahead else self._ahead
        for subscription in waiting:
            subscription.keep(batch)
        return writes

    def _expel(self, publication: Publication) -> None:
        """End the subscriptions that a durable push concerns, or have them wait for the room's word. They have read it.

        Of a room that was private before nobody is asked again: whoever follows it was let in as such.
        """
        push = publication.message
        expulsion = push.expelled() if isinstance(push, DurablePush) else None
        was_private = False
        if isinstance(push, RoomUpdated):
            was_private, self._is_private = self._is_private, push.info.visibility == "private"
        if expulsion is not None and not was_private:
            for subscription in self:
                subscription.expel(publication.offset, expulsion)

    def _deliver_apart(self, batch: Batch, codec: Codec, members: dict[Subscription, Outbox]) -> None:
        """The slow path: some see less than others."""
        for subscription, outbox in tuple(members.items()):
            after = subscription.position if subscription in self._ahead else 0
            who = subscription.reader.authority
            data = batch.seen(codec, who.principal, after, guests=who.guests)
            self._around.stats.bytes_out += len(data)
            if data:
                outbox.write(data)

    # Gaps.

    def _misfit(self, publication: Publication) -> None:
        if self._head is None or publication.offset <= self._head:
            self._around.stats.repeats += 1
            return
        if len(self._held) < MAX_HELD:
            self._held.append(publication)
        self._pull(publication.offset)

    def _pull(self, upto: int) -> None:
        self._target = max(self._target, upto)
        if not self._pulling:
            self._pulling = True
            self._around.stats.pulls += 1
            self._around.tasks.start(f"pull {self.address}", self._read_gap())

    async def _read_gap(self) -> None:
        try:
            while self._head is not None and self._head < self._target and len(self):
                for publication in await self._around.reader.after(self.address, self._head, self._target):
                    self._take_back(publication)
        except Unavailable as error:
            self._give_up(error)
        finally:
            self._pulling = False

    def _take_back(self, publication: Publication) -> None:
        """An event from the journal, then what was held behind it."""
        self.publish(publication)
        held, self._held = self._held, []
        for other in held:
            if self._head is not None and other.offset == self._head + 1:
                self.publish(other)
            elif self._head is None or other.offset > self._head:
                self._held.append(other)

    def _give_up(self, error: Unavailable) -> None:
        """Order cannot be kept: everybody joins again with the position they have."""
        self._held.clear()
        self._target = 0
        for subscription in self:
            subscription.void(error)
