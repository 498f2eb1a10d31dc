"""The faults of a run, drawn from its seed before it begins: the same seed, the same faults."""

from random import Random
from typing import NamedTuple

__all__ = ["NAMES", "Fault", "plan"]

MOST_AT_ONCE = 3
GAP_S = (0.3, 3.5)
FIRST_S = 2.0
ROUND_S = 35.0
BUSY_S = 25.0
"""Of each round. In the rest nothing new happens: each trouble with Redis freezes membership for two
TTLs, and a cluster that is always frozen shows little."""


class Kind(NamedTuple):
    """How often one sort of fault comes, and how long it lasts."""

    weight: int
    lasts_s: tuple[float, float]


KINDS = {
    "kill node": Kind(5, (0.1, 8.0)),
    "stop node": Kind(4, (1.0, 15.0)),
    "break sockets": Kind(3, (0.0, 0.0)),
    "kill redis": Kind(2, (0.1, 5.0)),
    "stop redis": Kind(2, (1.0, 8.0)),
    "flush redis": Kind(2, (0.0, 0.0)),
    "kill subscribers": Kind(2, (0.0, 0.0)),
    "kill redis clients": Kind(2, (0.0, 0.0)),
    "terminate backends": Kind(3, (0.0, 0.0)),
    "crash postgres": Kind(2, (0.5, 2.0)),
    "slow link": Kind(3, (1.0, 10.0)),
    "stall link": Kind(3, (1.0, 10.0)),
    "cut link": Kind(4, (1.0, 10.0)),
    "late writes": Kind(3, (2.0, 9.0)),
    "drop link": Kind(2, (0.0, 0.0)),
    "scale": Kind(2, (20.0, 30.0)),
    "roll": Kind(1, (20.0, 30.0)),
}
"""`late writes`: a node is killed while nothing of it reaches PostgreSQL; what it had sent arrives as soon
as others have its slots. `scale`: down to two nodes, up to four, back; `roll`: all nodes restarted one after another."""

NAMES = tuple(KINDS)
EXCLUSIVE = frozenset({"scale", "roll"})


class Fault(NamedTuple):
    """`target` picks among the nodes, `choice` among the variants of the fault."""

    at_s: float
    name: str
    lasts_s: float
    target: int
    choice: int

    @property
    def end_s(self) -> float:
        return self.at_s + self.lasts_s


def plan(seed: int, seconds: float) -> list[Fault]:
    """Faults that begin within `seconds`; at most three at once, none twice, one of scale and roll."""
    random = Random(f"chaos {seed}")
    faults: list[Fault] = []
    at_s = FIRST_S
    while at_s < seconds:
        fault = _draw(random, at_s)
        under_way = [one for one in faults if one.end_s > at_s]
        clash = any(one.name == fault.name or {one.name, fault.name} <= EXCLUSIVE for one in under_way)
        lull = at_s % ROUND_S > BUSY_S
        if not lull and len(under_way) < MOST_AT_ONCE and not clash and fault.end_s < seconds + 15:
            faults.append(fault)
        at_s += random.uniform(*GAP_S)
    return faults


def _draw(random: Random, at_s: float) -> Fault:
    name = random.choices(NAMES, [kind.weight for kind in KINDS.values()])[0]
    lasts_s = random.uniform(*KINDS[name].lasts_s)
    return Fault(at_s, name, lasts_s, random.randrange(3), random.randrange(1 << 16))
