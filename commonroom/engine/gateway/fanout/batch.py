"""Publications on their way out: framed once for each codec in use, however many readers."""

from collections.abc import Sequence

from commonroom.engine.envelope import Publication
from commonroom.engine.gateway.fanout.veil import Veil
from commonroom.identity import Principal
from commonroom.protocol.codec import MSGPACK, Codec
from commonroom.protocol.frame import TEXT, frame
from commonroom.protocol.session import Skip
from commonroom.protocol.wire import ServerMessage

__all__ = ["Batch", "framed"]


def framed(codec: Codec, message: ServerMessage) -> bytes:
    """One message for one reader."""
    return frame(codec.encode(message), TEXT) if codec.text else frame(codec.encode(message))


class Batch:
    """What a room sends in one loop turn, in order.

    Args:
        room: its id on the wire, for `skip`.
    """

    __slots__ = ("_frames", "plain", "publications", "room")

    def __init__(self, room: str, publications: Sequence[Publication]) -> None:
        self.room = room
        self.publications = publications
        self.plain = all(publication.audience is None for publication in publications)
        """Whether everybody sees everything."""
        self._frames: dict[str, list[bytes]] = {}

    def joined(self, codec: Codec) -> bytes:
        """The whole batch as bytes for one write."""
        return b"".join(self.frames(codec))

    def seen(self, codec: Codec, principal: Principal, after: int = 0, veil: Veil | None = None, guests: tuple[str, ...] = ()) -> bytes:
        """What one reader sees of it: `skip` for a durable event that is hidden from it.

        Args:
            after: the reader has the durable events up to here already.
            veil: the reader's, if people are hidden from it.
            guests: who the reader was.
        """
        frames = []
        for publication, whole in zip(self.publications, self.frames(codec), strict=True):
            if 0 < publication.offset <= after:
                continue
            if publication.audience is not None and not publication.audience.admits(principal, guests):
                seen = None
            else:
                seen = publication.message if veil is None else veil.seen(publication.message)
            if seen is publication.message:
                frames.append(whole)
            elif seen is not None:
                frames.append(framed(codec, seen))
            elif publication.offset:
                frames.append(framed(codec, Skip(self.room, publication.offset)))
        return b"".join(frames)

    def frames(self, codec: Codec) -> list[bytes]:
        """Each publication's frame. A payload is MessagePack already."""
        frames = self._frames.get(codec.name)
        if frames is None:
            if codec is MSGPACK:
                frames = [frame(publication.payload) for publication in self.publications]
            else:
                frames = [framed(codec, publication.message) for publication in self.publications]
            self._frames[codec.name] = frames
        return frames
