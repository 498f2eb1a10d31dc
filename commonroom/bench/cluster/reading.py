"""What the cluster's figures are read into, and what they are told."""

from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from commonroom.bench.suite import Outcome, Reading

__all__ = ["Outcome", "Reading", "Setting", "quantile"]


class Setting(Struct):
    """What a figure is measured with."""

    raised: Mapping[str, str] = field(default_factory=dict)
    """Settings of the servers that differ from the defaults."""
    rooms: int = 60
    """Rooms, and so samples, where a figure is about rooms."""
    scale: float = 1.0
    """Of times, sockets and idle rooms; less than 1 for a try."""


def quantile(values: Iterable[float], share: float) -> float:
    """The least value that so large a share does not exceed; infinite where there is none, so that no goal is reached by nothing."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("inf")
