"""The end of a run in numbers."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.plan import NAMES
from tests.chaos.run import Run

__all__ = ["summary"]

PROMISES = {"lost": ("I2",), "duplicates": ("I4",), "reorders": ("I5", "I6")}

OF_NODES = {
    "fenced writes": "commonroom_journal_fenced_total",
    "lapsed leases": "commonroom_cluster_lease_lapses_total",
    "rebirths": "commonroom_cluster_rebirths_total",
    "slots claimed": "commonroom_cluster_slots_claimed_total",
    "slots handed over": "commonroom_cluster_slots_given_total",
    "commands between nodes": "commonroom_cluster_outgoing_calls_total",
    "re-sends": "commonroom_cluster_outgoing_resent_total",
    "repeats": "commonroom_cluster_incoming_repeated_total",
    "broken links": "commonroom_cluster_link_resyncs_total",
    "gap pulls": "commonroom_gateway_pulls_total",
    "disagreements": "commonroom_cluster_relay_disagreements_total",
}
"""What nodes count, as it was seen last of each process: a killed one may have counted more."""


def summary(run: Run) -> Iterator[str]:
    """A line for each area: promises, clients, nodes, faults."""
    counts, nodes = run.ledger.counts, run.world.totals()
    broken = Counter(failure.partition(":")[0] for failure in run.failures)
    kept = {name: sum(broken.pop(promise, 0) for promise in promises) for name, promises in PROMISES.items()}
    yield _row("promises", {"acked": counts["acked"], **kept, "other failures": broken.total()})
    clients = ("shown", "reconnects", "silences", "sent again", "visits failed", "rooms reset")
    yield _row("clients", {name: counts[name] for name in clients})
    yield _row("joins", {name.partition(" ")[2]: count for name, count in sorted(counts.items()) if name.startswith("joins ")})
    yield _row("refusals", {name.partition(" ")[2]: count for name, count in sorted(counts.items()) if name.startswith("refused ")})
    yield _row("nodes", {name: nodes[metric] for name, metric in OF_NODES.items()})
    yield _row("faults", {name: counts[name] for name in NAMES if counts[name]})
    yield f"{'limits':9} longest wait for an ack {run.ledger.longest_wait_s:.1f} s, largest node {run.world.largest_rss_bytes >> 20} MB"


def _row(area: str, numbers: dict[str, int]) -> str:
    return f"{area:9} " + ", ".join(f"{name} {number}" for name, number in numbers.items())
