"""One copy in, one write a reader out: a room's pushes on their way to the sockets of this node."""

from commonroom.engine.gateway.fanout.batch import framed
from commonroom.engine.gateway.fanout.fanout import RoomFanout
from commonroom.engine.gateway.fanout.reader import Reader
from commonroom.engine.gateway.fanout.subscription import Place, Subscription

__all__ = ["Place", "Reader", "RoomFanout", "Subscription", "framed"]
