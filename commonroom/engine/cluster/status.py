"""The cluster as one node sees it: what `/v1/admin/cluster` answers and `commonroom cluster status` prints.

Append-only like the wire: an older command reads a newer node's answer.
"""

from typing import Literal

from msgspec import Struct

__all__ = ["ClusterStatus", "MemberStatus"]


class MemberStatus(Struct, frozen=True, rename="camel"):
    """One node.

    `id` is its incarnation, `name` its name for people, `host` its machine. `weight` is its
    share of the slots relative to others; 0 while it drains. `here`: it is the node that
    answered. `slots`: how many it owns. `state` is `gone` where it is no member any more
    but still owns slots, which are about to be claimed.
    """

    id: str
    name: str
    host: str
    version: str
    weight: float
    here: bool
    slots: int
    state: Literal["up", "draining", "gone"] = "up"


class ClusterStatus(Struct, frozen=True, rename="camel"):
    """What one node knows of all, and of itself.

    About all: `members`; `quiet` (membership is frozen, nobody is taken for dead now);
    `unowned` (slots without an owner); `epochs` and `owners` (slot number → its epoch, its owner's id).

    About `node`, the incarnation that answered: `lease_margin_ms` (time for which its
    ownership is still proven; 0: it reads nothing from memory now; None: it is alone and needs no proof); `moving` (slots it hands
    over or opens); `lane_rows` (rows that wait for the journal); `bus_queued_bytes` (bytes
    that wait for other nodes); `loop_lag_ms` (how late its event loop was when last looked at).
    """

    node: str
    quiet: bool
    lease_margin_ms: int | None
    members: list[MemberStatus]
    moving: list[int]
    unowned: int
    lane_rows: int
    bus_queued_bytes: int
    loop_lag_ms: float
    epochs: dict[str, int] = {}
    owners: dict[str, str] = {}
