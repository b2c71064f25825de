"""A node's view of its cluster, from CLUSTER NODES."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Node", "read_nodes"]


@dataclass(frozen=True, slots=True)
class Node:
    """One node as another sees it."""

    id: str
    port: int
    flags: frozenset[str]
    """Without `myself`, so that the views of two nodes can be compared."""
    primary: str
    """The id of the node it is a replica of, or `-`."""
    slots: tuple[range, ...]

    @property
    def is_primary(self) -> bool:
        """A primary in this view; a failed one may still count."""
        return "master" in self.flags

    def has(self, slot: int) -> bool:
        """Whether the slot is its own."""
        return any(slot in part for part in self.slots)


def read_nodes(text: str) -> list[Node]:
    """Each line: id, address, flags, primary, three times, link, slots."""
    nodes: list[Node] = []
    for line in text.splitlines():
        name, address, flags, primary, _, _, _, _, *slots = line.split()
        # Slots on their way are in brackets: they still belong to where they come from.
        ranges = [part.split("-") for part in slots if not part.startswith("[")]
        nodes.append(
            Node(
                id=name,
                port=int(address.partition("@")[0].rpartition(":")[2]),
                flags=frozenset(flags.split(",")) - {"myself"},
                primary=primary,
                slots=tuple(range(int(ends[0]), int(ends[-1]) + 1) for ends in ranges),
            )
        )
    return sorted(nodes, key=lambda node: node.port)
