"""PostgreSQL stopped and crashed under load: no ack without commit, RETRY, service resumes by itself."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from commonroom.protocol.session import Reply
from commonroom.protocol.typing import Typing
from tests.support.client import Guest, Peer, Refused, until
from tests.support.server import HURRIED, ServerProcess, postgres_pids

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


def _postmaster(data: Path) -> int:
    return int((data / "postgres" / "postmaster.pid").read_text().split("\n")[0])


async def _send(peer: Peer, room: str, nonce: str) -> Reply:
    """Send until it is answered: RETRY asks for the same command again."""
    while True:
        try:
            answer = await peer.request("message.send", room=room, text=nonce, nonce=nonce)
        except Refused as refused:
            assert refused.error.name == "RETRY", refused
            await asyncio.sleep((refused.error.retry_after_ms or 100) / 1000)
            continue
        assert isinstance(answer, Reply)
        return answer


async def test_a_crashed_database_costs_no_acked_message_and_comes_back(used_data: Path) -> None:
    server = ServerProcess(used_data, {"COMMONROOM_POSTGRES__CALL_TIMEOUT_S": "3", **HURRIED})
    await server.start()
    guest = await Guest(server.url, "ada").sign_in()
    room = await guest.create_room()
    peer = await Peer.open(server.ws_url, await guest.ws_token())
    witness = await Peer.open(server.ws_url, await guest.ws_token())
    for each in (peer, witness):
        await each.request("room.join", room=room)
    acked = {"nonce-before": (await _send(peer, room, "nonce-before")).offset}
    stopped = postgres_pids(used_data)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    flight = {nonce: asyncio.create_task(_send(peer, room, nonce)) for nonce in (f"nonce-during-{n}" for n in range(20))}
    await peer.notify("typing.start", room=room)
    await until(lambda: witness.pushes(room, Typing), "typing while the database is away")
    assert not any(task.done() and not task.exception() for task in flight.values())
    os.kill(_postmaster(used_data), signal.SIGQUIT)
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    for nonce, task in flight.items():
        acked[nonce] = (await asyncio.wait_for(task, 30)).offset
    acked["nonce-after"] = (await _send(peer, room, "nonce-after")).offset
    history = await guest.history(room)
    assert {row["text"]: row["id"] for row in history} == acked
    assert len(history) == len(acked)
    await peer.close()
    await witness.close()
    await server.stop()
