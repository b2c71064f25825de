"""What a server's error means, wherever it is in an answer. Only this module reads its text.

Servers report the same error in several ways: alone, inside the answer of a script that does
several operations, or wrapped in the text of a script's own error. All of them become one `Refused`
with the code that counts. The functions here decide what follows from it.
"""

from __future__ import annotations

import re

from ....values.errors import SessionError, StoreUnavailable
from .call import Answer, Refused

__all__ = [
    "error_for",
    "error_for_slots",
    "error_for_wait",
    "is_misplaced",
    "is_not_run",
    "is_partial",
    "is_transient",
    "needs_reconnect",
    "read_redirection",
    "read_refusal",
    "describe_failure",
    "wants_script",
]

_CODE = re.compile(
    # Redis before 7, and servers like it: the name of the script, and the line.
    r"(?:ERR )?(?:Error (?:running|compiling) script \([^)]*\): )?"
    r"(?:@?[a-z_]+:? ?\d*: ?)*"
    r"-?([A-Z][A-Z0-9]+)(?: |$)"
)
_CODES_OF_TEXTS = (
    ("WAIT cannot be used with replica", "READONLY"),
    ("WAITAOF cannot be used with replica", "READONLY"),
    ("while the cluster is down", "CLUSTERDOWN"),
    ("access a slot not served", "CLUSTERDOWN"),
    ("ACL failure in script", "NOPERM"),
    ("The user executing the script", "NOPERM"),
)
"""How a plain `ERR` begins that means the same as an error with a code of its own."""

_NOT_RUN = frozenset({"ASK", "MOVED", "NOSCRIPT"})
_UNUSABLE = frozenset({"BUSY", "LOADING", "MASTERDOWN", "NOREPLICAS", "READONLY", "UNBLOCKED"})
_MISPLACED = frozenset({"CLUSTERDOWN", "LOADING", "MASTERDOWN", "MOVED", "READONLY"})
_TRANSIENT = _NOT_RUN | _UNUSABLE | {"CLUSTERDOWN", "TRYAGAIN"}
_BEFORE_ALL_WRITES = _TRANSIENT | {"MISCONF", "OOM", "WRONGTYPE"}
_FROM_A_SCRIPT = "script: "

# A server's text may quote a command, and with it a message.
_REASONS = {
    "BUSY": "is busy with another script (BUSY)",
    "CLUSTERDOWN": "belongs to a cluster that is down (CLUSTERDOWN)",
    "LOADING": "is loading its data (LOADING)",
    "MASTERDOWN": "is a replica without its primary (MASTERDOWN)",
    "MISCONF": "refuses writes because its last snapshot failed (MISCONF)",
    "NOAUTH": "needs a password (NOAUTH)",
    "NOPERM": "does not let this user run a command or touch a key that the store needs (NOPERM)",
    "NOREPLICAS": "has too few replicas to accept writes (NOREPLICAS)",
    "OOM": "is out of memory (maxmemory): delete, trim, expire or purge to make room",
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
        for phrase, code in _CODES_OF_TEXTS:
            if phrase in begins:
                return Refused(code, text)
    found = _CODE.match(text)
    return Refused(found[1] if found else text.partition(" ")[0], text)


def is_transient(refused: Refused) -> bool:
    """Whether the same call may succeed in a moment. It certainly had no effect.

    A server reports each of these before a command runs; `NOREPLICAS` and `READONLY` also at a
    script's first write.
    """
    return refused.code in _TRANSIENT


def is_not_run(answer: Answer) -> bool:
    """Whether a call did not run, and is sent again at once: it is known where it would run."""
    # Only if the text begins with the code: an error from inside a script means that it ran.
    return (
        type(answer) is Refused and answer.code in _NOT_RUN and answer.text.startswith(answer.code)
    )


def needs_reconnect(refused: Refused) -> bool:
    """Whether a new connection may lead to a server that works: a name or a proxy follows it.

    A primary that was replaced reports one of these as long as a connection to it is kept.
    """
    return refused.code in _UNUSABLE


def is_misplaced(refused: Refused) -> bool:
    """Whether another node may have the slot by now, so that the slot map is read again."""
    return refused.code in _MISPLACED or "non local key" in refused.text


def is_partial(refused: Refused) -> bool:
    """Whether a script stopped at one of its lines: what it wrote before that line stays.

    With tested scripts one case is left. While its slot moves to another node, a script that has
    emptied a key (`ZREM` of the last member) and uses it again gets "non local key". For keys that
    were missing from the start it gets `TRYAGAIN` before it runs. `WRONGTYPE` also comes first:
    scripts check the types of keys before they write. `OOM` and `MISCONF` come at a script's first
    write or never.
    """
    return _FROM_A_SCRIPT in refused.text and refused.code not in _BEFORE_ALL_WRITES


def error_for(name: str, refused: Refused) -> SessionError:
    """Make the error for a refused command. The command had no effect."""
    return StoreUnavailable(f"{name} {describe_failure(refused)}")


def describe_failure(refused: Refused) -> str:
    """Return why a server refuses, as a phrase that follows its name."""
    return _REASONS.get(refused.code, f"refused a command ({refused.code})")


def error_for_wait(name: str, refused: Refused) -> SessionError:
    """Make the error for a server that refuses `WAIT` or `WAITAOF`."""
    if "unknown command" in refused.text:
        return StoreUnavailable(f"{name} knows no WAITAOF; wait_aof needs 7.2 or newer")
    if "appendonly" in refused.text:
        return StoreUnavailable(f"{name} has appendonly no: wait_aof would wait for ever")
    return error_for(name, refused)


def error_for_slots(name: str, refused: Refused) -> StoreUnavailable:
    """Make the error for a node that refuses to show its slot map."""
    if "cluster support disabled" in refused.text:
        return StoreUnavailable(f"{name} has cluster-enabled no: use redis:// or rediss://")
    return StoreUnavailable(f"{name} refused CLUSTER SLOTS ({refused.code})")


def read_redirection(refused: Refused) -> tuple[str, int]:
    """Read the host and port in `MOVED 3999 10.0.0.1:6381` or `ASK ...`; the host may be empty."""
    _, _, address = refused.text.split(" ")[:3]
    host, _, port = address.rpartition(":")
    return host, int(port)


def wants_script(answer: Answer) -> bool:
    """Whether the server does not have the script that a call names."""
    return type(answer) is Refused and answer.code == "NOSCRIPT"
