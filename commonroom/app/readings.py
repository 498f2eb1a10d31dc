"""What /metrics and /v1/admin/cluster show: counts that the parts keep anyway, read when asked."""

import asyncio
from collections import Counter

from msgspec.structs import asdict

from commonroom import __version__
from commonroom.app.engine import Engine
from commonroom.app.people import People
from commonroom.app.storage import Storage
from commonroom.audit import Audit
from commonroom.config.settings import Settings
from commonroom.delay import BOUNDS_S, Delays
from commonroom.engine.address import SLOTS
from commonroom.engine.cluster.cluster import Cluster
from commonroom.engine.cluster.member import Member
from commonroom.engine.cluster.status import ClusterStatus, MemberStatus
from commonroom.engine.lag import LoopLag
from commonroom.http.metrics import Buckets, Reading, Value

__all__ = ["Readings"]


class Readings:
    """Reads the parts of one node."""

    def __init__(self, settings: Settings, engine: Engine, storage: Storage, people: People, *, audit: Audit, lag: LoopLag) -> None:
        self._settings = settings
        self._engine = engine
        self._storage = storage
        self._people = people
        self._audit = audit
        self._lag = lag

    def by_area(self) -> dict[str, Reading]:
        """For /metrics."""
        areas: dict[str, Reading] = {
            "engine": self._read_engine,
            "gateway": self._read_gateway,
            "journal": self._read_journal,
            "storage": self._read_storage,
            "mail": self._read_mail,
            "limit": self._read_limit,
            "audit": self._read_audit,
            "visit": self._read_visits,
            "status": self._read_status,
            "list": self._read_list,
            "process": self._read_process,
        }
        return {**areas, "cluster": self._read_cluster, "redis": self._read_redis} if self._engine.cluster is not None else areas

    async def status(self) -> ClusterStatus:
        """For /v1/admin/cluster."""
        cluster = self._engine.cluster
        lag_ms = self._lag.last_s * 1000
        if cluster is None:
            name = self._settings.cluster.name or f"{self._settings.http.host}:{self._settings.http.port}"
            alone = MemberStatus("node", name, "", __version__, 1.0, here=True, slots=SLOTS)
            journal = self._storage.journal
            epochs = {str(slot): journal.epoch(slot) for slot in journal.slots}
            return ClusterStatus("node", False, None, [alone], [], 0, journal.queued_rows, 0, lag_ms, epochs, dict.fromkeys(epochs, "node"))
        return self._status_of(cluster, lag_ms)

    def _status_of(self, cluster: Cluster, lag_ms: float) -> ClusterStatus:
        view, owners = cluster.membership.view, cluster.ownership.owners()
        slots = Counter(owner for owner in owners if owner is not None)
        members = [_member(member, cluster.me, slots[member.id]) for member in view.reachable.values()]
        gone = [MemberStatus(one, "", "", "", 0.0, False, slots[one], "gone") for one in slots if one not in view.reachable]
        return ClusterStatus(
            node=cluster.me,
            quiet=view.quiet,
            lease_margin_ms=max(0, int(cluster.lease.margin_s * 1000)),
            members=sorted(members, key=lambda member: member.name) + gone,
            moving=cluster.ownership.moving,
            unowned=owners.count(None),
            lane_rows=self._storage.journal.queued_rows,
            bus_queued_bytes=0 if self._engine.transport is None else self._engine.transport.stats.queued_bytes,
            loop_lag_ms=lag_ms,
            epochs={str(slot): cluster.ownership.known(slot)[0] for slot in range(SLOTS)},
            owners={str(slot): owner for slot, owner in enumerate(owners) if owner is not None},
        )

    def _read_engine(self) -> dict[str, Value]:
        stats = self._engine.host.stats
        totals: dict[str, Value] = {f"{name}_total": count for name, count in asdict(stats).items() if name != "live"}
        return {**totals, "live": stats.live, "loop_lag_seconds": _buckets(self._lag), "clock_offset_ms": self._people.clock.offset_ms}

    def _read_gateway(self) -> dict[str, Value]:
        stats = self._engine.gateway.stats
        totals: dict[str, Value] = {f"{name}_total": getattr(stats, name) for name in stats.TOTALS}
        closes: dict[str, Value] = {f"closes_{code}_total": count for code, count in stats.closes.items()}
        now: dict[str, Value] = {"connections": stats.connections, "sessions": stats.sessions, "subscriptions": stats.subscriptions}
        addresses, veiled = len(self._engine.gateway.places), self._engine.gateway.hidden.veiled
        loads = self._engine.gateway.loaded()
        loaded: dict[str, Value] = {f"rooms_load_{level}": loads[level] for level in (1, 2, 3)}
        return {
            **totals,
            **closes,
            **now,
            **loaded,
            "addresses": addresses,
            "veiled": veiled,
            "remembered": len(self._engine.gateway.chronicle),
            "refusals_total": stats.refusals.total(),
        }

    def _read_storage(self) -> dict[str, Value]:
        database, journal = self._storage.database, self._storage.journal
        return {
            "statements_total": database.statements + journal.calls,
            "writes_total": database.writes + journal.calls + self._engine.summaries.stats.writes,
            "statement_seconds": _buckets(database.durations),
        }

    def _read_list(self) -> dict[str, Value]:
        summaries, listings = self._engine.summaries.stats, self._engine.gateway.listings
        written: dict[str, Value] = {f"summary_{name}_total": count for name, count in asdict(summaries).items()}
        watched: dict[str, Value] = {"viewers": len(listings), "reads_total": listings.reads, "updates_total": listings.told}
        return {**written, **watched, "pages_total": self._engine.room_list.pages}

    def _read_mail(self) -> dict[str, Value]:
        stats = asdict(self._people.mailer.stats)
        return {"queued": stats.pop("queued"), **{f"{name}_total": count for name, count in stats.items()}}

    def _read_limit(self) -> dict[str, Value]:
        limiter = self._engine.limiter
        return {"keys": limiter.keys, **{f"{name}_total": count for name, count in asdict(limiter.stats).items()}}

    def _read_process(self) -> dict[str, Value]:
        return {"tasks": len(asyncio.all_tasks())}

    def _read_visits(self) -> dict[str, Value]:
        return {"queued": len(self._engine.visits), "lost_total": self._engine.visits.lost}

    def _read_status(self) -> dict[str, Value]:
        statuses, seen = self._engine.gateway.statuses, self._engine.seen
        return {
            "users": len(statuses),
            "viewers": len(statuses.pages),
            "reports_total": statuses.reports,
            "reads_total": statuses.facts.reads,
            "updates_total": statuses.pages.told,
            "last_seen_lost_total": seen.lost,
        }

    def _read_audit(self) -> dict[str, Value]:
        return {"written_total": self._audit.written, "lost_total": self._audit.lost, "muted_total": self._audit.muted}

    def _read_journal(self) -> dict[str, Value]:
        journal, projections = self._storage.journal, self._storage.projections
        return {
            "queued_rows": journal.queued_rows,
            "wait_seconds": _buckets(journal.waits),
            "call_seconds": _buckets(journal.durations),
            "healthy": float(journal.healthy),
            "fenced_total": journal.fenced,
            "slots": len(journal.slots),
            "projected_events_total": projections.applied_events,
            "projection_queued_slots": projections.queued_slots,
            "projection_lag_events": projections.lag_events,
        }

    def _read_cluster(self) -> dict[str, Value]:
        cluster = self._engine.cluster
        if cluster is None:
            return {}
        ownership, outgoing, incoming, links = cluster.ownership.stats, cluster.outgoing_stats, cluster.incoming_stats, cluster.link_stats
        return {
            "members": len(cluster.membership.view.reachable),
            "quiet": float(cluster.membership.view.quiet),
            "lease_margin_seconds": cluster.lease.margin_s,
            "lease_lapses_total": cluster.lease.lapses,
            "rebirths_total": cluster.rebirths,
            "slots": len(cluster.ownership.here),
            "slots_moving": len(cluster.ownership.moving),
            **{f"slots_{name}_total": value for name, value in asdict(ownership).items()},
            **{f"outgoing_{name}_total": value for name, value in asdict(outgoing).items()},
            **{f"incoming_{name}_total": value for name, value in asdict(incoming).items()},
            **{f"link_{name}_total": value for name, value in asdict(links).items()},
            **{f"relay_{name}_total": value for name, value in asdict(cluster.relay.stats).items()},
            **{f"router_{name}_total": value for name, value in asdict(cluster.router.stats).items()},
            **self._read_steering(),
            "router_waiting": cluster.router.parked,
            "outgoing_waiting": len(cluster.outgoing),
            "links_broken": cluster.links.broken,
        }

    def _read_steering(self) -> dict[str, Value]:
        steering = self._engine.steering
        return {} if steering is None else {f"steering_{name}_total": value for name, value in asdict(steering.stats).items()}

    def _read_redis(self) -> dict[str, Value]:
        transport = self._engine.transport
        if transport is None:
            return {}
        commands = transport.stats.commands + sum(client.commands for client in self._engine.clients)
        stats = asdict(transport.stats)
        totals: dict[str, Value] = {f"{name}_total": value for name, value in stats.items() if name != "queued_bytes"}
        return {**totals, "commands_total": commands, "queued_bytes": transport.stats.queued_bytes}


def _buckets(delays: Delays) -> Buckets:
    return Buckets(BOUNDS_S, delays.counts, delays.total_s)


def _member(member: Member, me: str, slots: int) -> MemberStatus:
    state = "up" if member.weight > 0 else "draining"
    return MemberStatus(member.id, member.name, member.host, member.version, member.weight, member.id == me, slots, state)  # type: ignore[arg-type]
