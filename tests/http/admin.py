"""An admin for tests, made as an operator makes one: by the database."""

from commonroom.app import Node
from tests.http.account import log_in, registered, unused
from tests.http.api import Account, Api, account_of
from tests.support.client import Peer
from tests.support.mail import MailServer

__all__ = ["admin_of", "peer_of", "promote"]


async def promote(node: Node, user: Account) -> None:
    await node._storage.database.execute("UPDATE app_user SET role = 'ADMIN' WHERE id = $1", user.principal["actorId"])


async def admin_of(api: Api, mail: MailServer) -> Account:
    address = unused()
    await promote(api.node, await registered(api, mail, address))
    return account_of(await log_in(api, address))


async def peer_of(api: Api, account: Account) -> Peer:
    token = (await api.call("POST", "/v1/ws-token", {}, account.bearer)).json["token"]
    return await Peer.open(api.url.replace("http", "ws") + "/v1/ws", token)
