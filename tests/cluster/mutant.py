"""Mutants: faults of the program itself, put in on purpose, that tests must catch.

A mutant changes one method of one class; the text of its function says what is wrong with it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest

from commonroom.actors.room.roster import Roster
from commonroom.engine.cluster.cluster import Cluster
from commonroom.engine.cluster.member import View
from commonroom.engine.cluster.outgoing import Outgoing
from commonroom.engine.cluster.ownership import Ownership
from commonroom.engine.cluster.router import MAX_PARKED, ClusterRouter
from commonroom.engine.cluster.window import Window
from commonroom.engine.cluster.wire import Call
from commonroom.engine.dedup import Dedup
from commonroom.engine.envelope import Admission, Attach, Envelope
from commonroom.engine.gate import Gate, Output, leave
from commonroom.engine.gateway.fanout import Subscription
from commonroom.engine.host import ActorHost
from commonroom.engine.lease import Lease
from commonroom.engine.testing.journal import SimulatedJournal
from commonroom.identity import Authority
from commonroom.protocol.room import RoomJoin
from commonroom.storage.journal.port import Commit, Outcome
from commonroom.storage.slot_table import SlotOwner
from commonroom.tasks import pause

__all__ = ["MUTANTS", "Catch", "Mutant"]

Mutant = Callable[[pytest.MonkeyPatch], None]


def ack_before_commit(patch: pytest.MonkeyPatch) -> None:
    """The gate lets every output pass at once."""

    def emit(_gate: Gate, outputs: list[Output], _envelope: Envelope | None) -> None:
        leave(outputs)

    patch.setattr(Gate, "emit", emit)


def snapshot_shows_an_uncommitted_event(patch: pytest.MonkeyPatch) -> None:
    """The gate lets the answers to joins pass at once."""
    emit = Gate.emit

    def overtake(gate: Gate, outputs: list[Output], envelope: Envelope | None) -> None:
        leave([output for output in outputs if output[0].__name__ == "admitted"])
        emit(gate, [output for output in outputs if output[0].__name__ != "admitted"], envelope)

    patch.setattr(Gate, "emit", overtake)


def claim_inside_the_quiet_period(patch: pytest.MonkeyPatch) -> None:
    """Who is missing from a view is dead, whatever the view knows."""

    def is_orphan(_ownership: Ownership, row: SlotOwner, view: View) -> bool:
        return row.owner is None or row.owner not in view.members

    patch.setattr(Ownership, "_is_orphan", is_orphan)


def resend_only_the_head_of_a_window(patch: pytest.MonkeyPatch) -> None:
    """After a loss the oldest call goes again, and nothing behind it."""
    again = Window.again

    def head(window: Window) -> list[Call]:
        return again(window)[:1]

    patch.setattr(Window, "again", head)


def load_before_the_claim_commits(patch: pytest.MonkeyPatch) -> None:
    """A slot opens at the epoch that the move is going to give it, which takes 20 virtual ms to get there."""
    move = Ownership._move

    async def hurry(ownership: Ownership, epochs: Mapping[int, int], owner: str | None) -> Mapping[int, int]:
        if epochs and owner == ownership.me:
            ownership.learn(SlotOwner(slot, epoch + 1, owner) for slot, epoch in epochs.items())
            await ownership._open_ours()
            await pause(0.02)
        return await move(ownership, epochs, owner)

    patch.setattr(Ownership, "_move", hurry)


def no_dedup(patch: pytest.MonkeyPatch) -> None:
    """Neither the ring nor the journal knows a key."""
    execute = SimulatedJournal._execute

    def forgetful(journal: SimulatedJournal, commit: Commit, epoch: int) -> Outcome:
        if commit.stream in journal.streams:
            journal.streams[commit.stream].keys.clear()
        return execute(journal, commit, epoch)

    def get(_dedup: Dedup, _key: str) -> None:
        return None

    patch.setattr(Dedup, "get", get)
    patch.setattr(SimulatedJournal, "_execute", forgetful)


def incarnation_reused(patch: pytest.MonkeyPatch) -> None:
    """An expelled node goes on under its old id."""
    make: Callable[..., None] = Cluster.__init__

    def remade(cluster: Cluster, settings: Any, ports: Any, member: Any, _renew: Any) -> None:
        make(cluster, settings, ports, member, lambda member: member)

    patch.setattr(Cluster, "__init__", remade)


def lease_ignored(patch: pytest.MonkeyPatch) -> None:
    """Answers from memory are given for ever."""

    def valid(_lease: Lease) -> bool:
        return True

    patch.setattr(Lease, "valid", valid)


def full_mailbox_drops_in_silence(patch: pytest.MonkeyPatch) -> None:
    """What an actor's queue does not take is gone."""

    def deliver(host: ActorHost, envelope: Envelope) -> None:
        activation = host._live.get(envelope.address) or host._admit(envelope)
        if activation is not None and not activation.mailbox.put(envelope):
            host.stats.overflowed += 1

    patch.setattr(ActorHost, "deliver", deliver)


def full_window_drops_in_silence(patch: pytest.MonkeyPatch) -> None:
    """What a window does not take is gone."""
    send = Outgoing.send

    def send_or_drop(outgoing: Outgoing, slot: int, epoch: int, member: str, envelope: Envelope) -> None:
        if len(outgoing._window(slot, envelope.address, epoch, member)) < outgoing._limit:
            send(outgoing, slot, epoch, member, envelope)
        else:
            outgoing._stats.refused += 1

    patch.setattr(Outgoing, "send", send_or_drop)


def full_park_drops_in_silence(patch: pytest.MonkeyPatch) -> None:
    """What does not fit into a slot's queue is gone."""
    park = ClusterRouter._park

    def park_or_drop(router: ClusterRouter, envelope: Envelope) -> None:
        if router.parked < MAX_PARKED:
            park(router, envelope)

    patch.setattr(ClusterRouter, "_park", park_or_drop)


def an_upgrade_is_told_to_no_room(patch: pytest.MonkeyPatch) -> None:
    """Rooms hear of the user when they hear of the session again, if ever."""
    patch.setattr(Subscription, "refreshed", lambda _subscription: None)


def a_join_is_not_followed_up(patch: pytest.MonkeyPatch) -> None:
    """Who becomes a user while a join is under way stays the guest there."""
    admitted = Subscription.admitted

    def forget(subscription: Subscription, ref: int, admission: Admission) -> None:
        subscription._joined_by = subscription.reader.authority
        admitted(subscription, ref, admission)

    patch.setattr(Subscription, "admitted", forget)


def an_owner_hears_of_the_guest_again(patch: pytest.MonkeyPatch) -> None:
    """Sessions are announced by the authority of their first join."""
    first: dict[Subscription, Authority] = {}
    join, attach = Subscription.join, Subscription._attach

    def remember(subscription: Subscription, command: RoomJoin) -> None:
        first.setdefault(subscription, subscription.reader.authority)
        join(subscription, command)

    def announce(subscription: Subscription, *, refreshed: bool) -> None:
        if refreshed:
            attach(subscription, refreshed=True)
        else:
            envelope = Envelope(subscription.fanout.address, Attach(), first[subscription], subscription, subscription.reader.id)
            subscription._around.router.send(envelope)

    patch.setattr(Subscription, "join", remember)
    patch.setattr(Subscription, "_attach", announce)


def a_guest_that_became_a_user_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """The room does not know by whom an old token's place was taken over."""
    patch.setattr(Roster, "remember", lambda _roster, _principal, _guests: None)


class Catch(NamedTuple):
    """`by`: a scene's name, or so many seeded histories, of which one at least must fail. `saying`: a part of the complaint."""

    by: str | int
    saying: str


MUTANTS: Mapping[Mutant, Catch] = {
    ack_before_commit: Catch(10, "I2: .* acked"),
    snapshot_shows_an_uncommitted_event: Catch(10, "I2: the snapshot"),
    claim_inside_the_quiet_period: Catch("redis_forgets_while_a_node_is_paused", "claimed from a node that lives"),
    resend_only_the_head_of_a_window: Catch(20, "not well|should be"),
    load_before_the_claim_commits: Catch("writes_go_on_during_a_claim", "I1"),
    no_dedup: Catch(10, "is stored at"),
    incarnation_reused: Catch("an_expelled_node_comes_back", "under its old id"),
    lease_ignored: Catch("an_island_is_asked", "I8"),
    full_mailbox_drops_in_silence: Catch("a_burst_to_a_room_that_loads", "never answered"),
    full_window_drops_in_silence: Catch("a_burst_to_a_room_elsewhere", "never answered"),
    full_park_drops_in_silence: Catch("a_burst_to_a_room_that_nobody_has", "never answered"),
    an_upgrade_is_told_to_no_room: Catch(40, "P2"),
    a_join_is_not_followed_up: Catch("a_guest_signs_in_while_joining_a_room_that_moves", "P2"),
    an_owner_hears_of_the_guest_again: Catch("a_guest_signs_in_as_the_owner_dies", "P2"),
    a_guest_that_became_a_user_is_forgotten: Catch(100, "P2"),
}
