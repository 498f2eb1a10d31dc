"""`commonroom keys rotate` beside a server that runs."""

import json
from pathlib import Path

from tests.support.client import Guest
from tests.support.server import ServerProcess, run_cli


async def test_T8_keys_are_rotated_while_a_server_runs_and_nobody_is_signed_out(used_data: Path) -> None:
    server = ServerProcess(used_data)
    await server.start()
    try:
        ada = await Guest(server.url, "Ada").sign_in()
        code, printed, error = await run_cli("keys", "rotate", "--json", data=used_data)
        assert code == 0, error
        assert set(json.loads(printed)) == {"access", "refresh", "ws", "oauth", "code"}
        await ada.ws_token()
        code, printed, _ = await run_cli("keys", "rotate", "ws", data=used_data)
        assert (code, printed.split()[0]) == (0, "ws")
    finally:
        await server.stop()
    server = ServerProcess(used_data)
    await server.start()
    try:
        ada.url = server.url
        await ada.ws_token()
    finally:
        await server.stop()


async def test_a_purpose_that_is_none_is_refused(data: Path) -> None:
    code, _, error = await run_cli("keys", "rotate", "everything", data=data)
    assert code == 2
    assert "everything" in error
