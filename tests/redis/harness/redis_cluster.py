"""Six nodes on loopback: three primaries that share the slots, a replica of each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from redis.crc import key_slot
from redis_engines import ENGINES, find_engine
from redis_fleet import Fleet
from redis_moves import Move
from redis_nodes import Node, read_nodes
from redis_ports import ReservedPort
from redis_server import RedisServer, until
from redis_watchdog import Watchdog

__all__ = ["Cluster", "SharedClusters"]

SLOTS = 16_384


class Cluster:
    """A cluster of one engine, whose primaries are killed and whose slots are moved.

    Who is a primary is asked each time: that changes. Every method blocks, as those of the servers
    do: call it by `asyncio.to_thread` where the loop must go on.
    """

    def __init__(self, fleet: Fleet, **options: object) -> None:
        self._bus = [ReservedPort() for _ in range(6)]
        self._fleet = fleet
        self.nodes = [
            fleet.prepare(
                cluster_enabled="yes",
                cluster_port=bus.number,
                # How long a node may say nothing before the others take it for dead, in ms.
                cluster_node_timeout="1000",
                # A replica takes over however long it was without its primary.
                cluster_replica_validity_factor="0",
                **options,
            )
            for bus in self._bus
        ]

    def __repr__(self) -> str:
        return f"<Cluster {self.nodes}>"

    @property
    def url(self) -> str:
        """The URL of a running node; it knows the others."""
        return self._running()[0].url

    def start(self) -> None:
        """Start the nodes, introduce them, and wait until all agree: nearly three seconds.

        Two of them are Redis's own: a primary that just started waits so long for news before it
        serves its slots.
        """
        for node in self.nodes:
            node.start()
        primaries, replicas = self.nodes[:3], self.nodes[3:]
        for number, node in enumerate(primaries):
            first, end = (SLOTS * at // 3 for at in (number, number + 1))
            node.say("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.say("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        # Each is introduced to each: gossip alone would take a second longer.
        for number, node in enumerate(self.nodes):
            for other, bus in zip(self.nodes[:number], self._bus, strict=False):
                node.say("CLUSTER", "MEET", "127.0.0.1", other.port, bus.number)
        until(lambda: all(map(self._knows_all, self.nodes)), "all are known to all", pause=0.02)
        for primary, replica in zip(primaries, replicas, strict=True):
            replica.say("CLUSTER", "REPLICATE", primary.say("CLUSTER", "MYID"))
        self.until_agreed()

    def view(self, node: RedisServer) -> list[Node]:
        """All nodes as this one sees them, by port."""
        return read_nodes(node.say("CLUSTER", "NODES"))

    def primaries(self) -> list[RedisServer]:
        """Those that have slots, as a node that runs sees it."""
        return [self._at(node.port) for node in self._seen() if node.slots]

    def primary_of(self, slot: int) -> RedisServer:
        """The node that owns this slot."""
        return next(self._at(node.port) for node in self._seen() if node.has(slot))

    def replica_of(self, primary: RedisServer) -> RedisServer:
        """Its replica, which may be down."""
        seen = self._seen()
        its = next(node.id for node in seen if node.port == primary.port)
        return next(self._at(node.port) for node in seen if node.primary == its)

    def slot_of(self, key: str) -> int:
        """The slot of a key."""
        return int(key_slot(key.encode()))

    def tag_in(self, slot: int) -> str:
        """A hash tag of this slot."""
        return next(str(n) for n in count() if key_slot(str(n).encode()) == slot)

    def move(self, slot: int, to: RedisServer) -> Move:
        """Prepare to move a slot to another primary; nothing is done yet."""
        return Move(slot, self.primary_of(slot), to, self.primaries())

    def kill(self, primary: RedisServer) -> RedisServer:
        """Kill a primary; the replica that is going to take over. Does not wait for that."""
        replica = self.replica_of(primary)
        primary.kill()
        return replica

    def until_promoted(self, replica: RedisServer) -> None:
        """Wait until every node that runs knows it as a primary and serves: two to three seconds.

        One to be missed (`cluster-node-timeout`), up to one more to be elected.
        """
        until(
            lambda: all(self._sees_promoted(node, replica) for node in self._running()),
            "the replica is a primary",
            pause=0.02,
        )

    def until_agreed(self) -> None:
        """Wait until all nodes run, agree on the slots, and replicas are linked."""
        until(self._agreed, "all nodes agree", pause=0.02)

    def heal(self) -> None:
        """Start stopped nodes, resume paused ones, finish moving slots; wait until all agree."""
        for node in self.nodes:
            if not node.running:
                node.start()
            node.thaw()
        for node in self.primaries():
            mine = node.say("CLUSTER", "NODES").split("myself", 1)[1].splitlines()[0]
            for part in mine.split("[")[1:]:
                node.say("CLUSTER", "SETSLOT", int(part.split("-")[0]), "STABLE")
        self.until_agreed()

    def close(self) -> None:
        """End it for good."""
        self._fleet.close()
        for port in self._bus:
            port.free()

    def _running(self) -> list[RedisServer]:
        return [node for node in self.nodes if node.running]

    def _seen(self) -> list[Node]:
        return self.view(self._running()[0])

    def _at(self, port: int) -> RedisServer:
        return next(node for node in self.nodes if node.port == port)

    def _knows_all(self, node: RedisServer) -> bool:
        view = self.view(node)
        return len(view) == len(self.nodes) and not any("handshake" in seen.flags for seen in view)

    def _serves(self, node: RedisServer) -> bool:
        return "cluster_state:ok" in node.say("CLUSTER", "INFO")

    def _sees_promoted(self, node: RedisServer, replica: RedisServer) -> bool:
        seen = next(seen for seen in self.view(node) if seen.port == replica.port)
        return bool(seen.is_primary and seen.slots) and self._serves(node)

    def _agreed(self) -> bool:
        views = [self.view(node) for node in self.nodes]
        return (
            all(view == views[0] for view in views)
            and all(seen.flags in ({"master"}, {"slave"}) for seen in views[0])
            and sum(seen.is_primary for seen in views[0]) == 3
            and all(map(self._serves, self.nodes))
            and all(
                self._at(seen.port).info("master_link_status") == "up"
                for seen in views[0]
                if not seen.is_primary
            )
        )


class SharedClusters:
    """A cluster of each engine for the whole run, healed between tests."""

    def __init__(self, folder: Path, watchdog: Watchdog) -> None:
        self._folder = folder
        self._watchdog = watchdog
        self._clusters: dict[str, Cluster] = {}

    def cluster(self, name: str) -> Cluster:
        """The one of this engine; the first call starts all, at once: it is mostly waiting."""
        if not self._clusters:
            for engine in ENGINES:
                fleet = Fleet(find_engine(engine), self._folder, self._watchdog)
                self._clusters[engine] = Cluster(fleet)
            with ThreadPoolExecutor() as pool:
                list(pool.map(Cluster.start, self._clusters.values()))
        return self._clusters[name]

    def close(self) -> None:
        """End them."""
        for cluster in self._clusters.values():
            cluster.close()
