"""`commonroom user …` beside a server that runs."""

import json
from pathlib import Path

from tests.support.client import Guest
from tests.support.server import ServerProcess, run_cli

FIRST, SECOND = "correct horse battery", "staple battery horse"
CREATE = ("user", "create-admin", "root@example.org", "--password-stdin")
RESET = ("user", "reset-password", "root@example.org", "--password-stdin")


async def test_an_admin_is_made_and_gets_a_new_password_while_a_server_runs(used_data: Path) -> None:
    server = ServerProcess(used_data)
    await server.start()
    try:
        code, printed, error = await run_cli(*CREATE, "--json", data=used_data, typed=FIRST)
        assert code == 0, error
        person = Guest(server.url, "")
        status, body = await person.call("POST", "/v1/auth/login", {"email": "root@example.org", "password": FIRST, "cookie": False})
        assert (status, body["role"], body["principal"]["actorId"]) == (200, "ADMIN", json.loads(printed)["id"])
        code, _, error = await run_cli("user", "create-admin", "ROOT@example.org", "--password-stdin", data=used_data, typed=FIRST)
        assert (code, "belongs to an account already" in error) == (2, True)
        code, printed, error = await run_cli(*RESET, data=used_data, typed=f"{SECOND}\n")
        assert (code, printed.strip()) == (0, "done; login sessions ended: 1"), error
        for password, expected in ((FIRST, 401), (SECOND, 200)):
            status, _ = await person.call("POST", "/v1/auth/login", {"email": "root@example.org", "password": password})
            assert status == expected
        for arguments in (("reset-password", "nobody@example.org"), ("create-admin", "no address")):
            code, _, error = await run_cli("user", *arguments, "--password-stdin", data=used_data, typed=FIRST)
            assert (code, error.count("\n"), FIRST in error) == (2, 1, False)
    finally:
        await server.stop()
