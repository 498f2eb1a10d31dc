"""Signals as calls: what they say arrives."""

import pytest

from commonroom.engine.cluster.call import pack_call, unpack_call
from commonroom.engine.envelope import Attach, Detach, Envelope, Query, Resync
from commonroom.identity import Authority, Principal, SessionId
from tests.cluster.core.command import ROOM

USER = Authority(Principal("user", "u"), SessionId("s"), "U", 1, guests=("s", "earlier"))
HIDDEN = frozenset({Principal("user", "a"), Principal("guest", "b")})


@pytest.mark.parametrize("command", [Attach(), Attach(refreshed=True), Detach(), Resync(), Query("room.read"), Query("room.read", HIDDEN)])
def test_a_signal_arrives_as_it_was_sent(command: Attach | Detach | Resync | Query) -> None:
    sent = Envelope(ROOM, command, USER, None, "session")
    assert unpack_call(pack_call(sent, 1, 2, 3, 0), None) == sent
