"""What a server's error means, wherever it stands in an answer: nothing else looks at its words.

Servers say the same thing in several ways: alone, inside the answer of a script that does several
operations, or wrapped in the text of a script's own error. All of them become one `Refused` with
the code that counts, and the functions here decide what is done about it.
"""

from __future__ import annotations

import re

from ....values.errors import SessionError, StoreUnavailable
from .call import Answer, Refused

__all__ = [
    "is_partial",
    "leaves",
    "misplaced",
    "is_transient",
    "read_refusal",
    "reason_of",
    "resent",
    "error_for",
]

_CODE = re.compile(
    # Redis before 7 and what speaks like it: how the script was called, and where it stood.
    r"(?:ERR )?(?:Error (?:running|compiling) script \([^)]*\): )?"
    r"(?:@?[a-z_]+:? ?\d*: ?)*"
    r"-?([A-Z][A-Z0-9]+)(?: |$)"
)
_IN_OTHER_WORDS = (
    ("WAIT cannot be used with replica", "READONLY"),
    ("WAITAOF cannot be used with replica", "READONLY"),
    ("while the cluster is down", "CLUSTERDOWN"),
    ("access a slot not served", "CLUSTERDOWN"),
    ("ACL failure in script", "NOPERM"),
    ("The user executing the script", "NOPERM"),
)
"""How a plain `ERR` begins that means what has a code of its own elsewhere."""

_RESENT = frozenset({"ASK", "MOVED", "NOSCRIPT"})
_UNFIT = frozenset({"BUSY", "LOADING", "MASTERDOWN", "NOREPLICAS", "READONLY", "UNBLOCKED"})
_MISPLACED = frozenset({"CLUSTERDOWN", "LOADING", "MASTERDOWN", "MOVED", "READONLY"})
_PASSING = _RESENT | _UNFIT | {"CLUSTERDOWN", "TRYAGAIN"}
_BEFORE_ALL_WRITES = _PASSING | {"MISCONF", "OOM", "WRONGTYPE"}
_FROM_A_SCRIPT = "script: "

# A server's text may quote a command, and with it a message.
_REASONS = {
    "BUSY": "is busy with somebody's script (BUSY)",
    "CLUSTERDOWN": "belongs to a cluster that is down (CLUSTERDOWN)",
    "LOADING": "is loading its data (LOADING)",
    "MASTERDOWN": "is a replica without its primary (MASTERDOWN)",
    "MISCONF": "refuses writes because its last snapshot failed (MISCONF)",
    "NOAUTH": "wants a password (NOAUTH)",
    "NOPERM": "does not let this user run a command or touch a key that the store needs (NOPERM)",
    "NOREPLICAS": "has too few replicas to accept writes (NOREPLICAS)",
    "OOM": "is out of memory (maxmemory)",
    "READONLY": "is a replica (READONLY)",
    "TRYAGAIN": "is moving a slot to another node (TRYAGAIN)",
    "UNBLOCKED": "ended a blocking command (UNBLOCKED)",
    "WRONGTYPE": "holds something else under one of the store's keys (WRONGTYPE)",
}


def read_refusal(text: str, /) -> Refused:
    """Read an error as the server wrote it, wrapped or not."""
    if text.startswith("ERR "):
        # Not further in: what follows may quote the arguments of a command.
        begins = text[:120]
        for words, code in _IN_OTHER_WORDS:
            if words in begins:
                return Refused(code, text)
    found = _CODE.match(text)
    return Refused(found[1] if found else text.partition(" ")[0], text)


def is_transient(refused: Refused) -> bool:
    """Whether the same call may be answered otherwise in a moment. It certainly had no effect.

    Each of these is said before a command runs or, `NOREPLICAS` and `READONLY`, at a script's first
    write.
    """
    return refused.code in _PASSING


def resent(answer: Answer) -> bool:
    """Whether a call is sent again at once: it did not run, and it is known where it would."""
    # As the server itself says it: what comes out of a script has run.
    return (
        type(answer) is Refused and answer.code in _RESENT and answer.text.startswith(answer.code)
    )


def leaves(refused: Refused) -> bool:
    """Whether a new connection may lead to a server that serves: names and proxies follow.

    A primary that was replaced says one of these as long as a connection to it is kept.
    """
    return refused.code in _UNFIT


def misplaced(refused: Refused) -> bool:
    """Whether a cluster may have given the slot to another node, so that one looks again."""
    return refused.code in _MISPLACED or "non local key" in refused.text


def is_partial(refused: Refused) -> bool:
    """Whether a script was stopped at a line of its own: what it wrote before that line stays.

    Of well-tested scripts one case is left: while its slot is on the way to another node, a script
    that has emptied a key (`ZREM` of the last member) and reaches for it again is told that this is
    a "non local key". Keys that were missing from the start are not: `TRYAGAIN` comes before all.
    So does `WRONGTYPE`: scripts look at the kinds of keys before they write. `OOM` and `MISCONF`
    are said at a script's first write or never.
    """
    return _FROM_A_SCRIPT in refused.text and refused.code not in _BEFORE_ALL_WRITES


def error_for(name: str, refused: Refused) -> SessionError:
    """Make the error for what a server refused; the command had no effect."""
    return StoreUnavailable(f"{name} {reason_of(refused)}")


def reason_of(refused: Refused) -> str:
    """Say why a server refuses, as what follows its name."""
    return _REASONS.get(refused.code, f"refused a command ({refused.code})")
