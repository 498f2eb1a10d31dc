"""What the audit is told of those who were refused on a socket."""

from typing import Any

from commonroom.errors import Denied
from commonroom.identity import Authority
from commonroom.protocol.session import Error
from commonroom.protocol.status import StatusSet
from tests.gateway.rig import Rig, principal


async def test_P7_a_refusal_is_told_with_the_address_under_which_limits_count_it(rig: Rig) -> None:
    told: list[Any] = []

    def denied(error: Denied, who: Authority | None, request: str, address: str) -> None:
        told.append((error.action, who and who.principal, request.partition("/")[2], address))

    rig.gateway.around = rig.gateway.around._replace(denied=denied)
    socket = await rig.hello("ada")
    socket.command(StatusSet(7, "dnd"))
    assert isinstance(await socket.message(), Error)
    assert told == [("status.set", principal("ada"), "7", "127.0.0.1")]
