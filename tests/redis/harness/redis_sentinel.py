"""One real sentinel: the same program as a server, which watches one and holds no data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redis_engines import Engine
from redis_server import RedisServer
from redis_watchdog import Watchdog

__all__ = ["SERVICE", "Sentinel"]

SERVICE = "mymaster"
_SETTINGS = {
    # Milliseconds: a primary that says nothing for so long is replaced.
    "down-after-milliseconds": 500,
    "failover-timeout": 3000,
}


class Sentinel(RedisServer):
    """Started, stopped and frozen as a server is. It writes its own configuration."""

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        watchdog: Watchdog,
        primary: int,
        options: Mapping[str, object],
    ) -> None:
        super().__init__(engine, folder, watchdog, {})
        self._primary = primary
        self._options = options

    def primary(self) -> int:
        """The port of the server that it takes for the primary."""
        _, port = self.say("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(port)

    def knows(self, *, sentinels: int, replicas: int) -> bool:
        """Whether it has heard of so many sentinels, itself among them, and of so many replicas."""
        fields: Any = self.say("SENTINEL", "MASTER", SERVICE)
        others, slaves = int(fields["num-other-sentinels"]), int(fields["num-slaves"])
        return others >= sentinels - 1 and slaves >= replicas

    def _arguments(self) -> list[str]:
        file = self.folder / "sentinel.conf"
        if not file.exists():  # later it holds what the sentinel has learned
            lines = [
                f"port {self.port}",
                "bind 127.0.0.1",
                f"dir {self.folder}",
                f"sentinel monitor {SERVICE} 127.0.0.1 {self._primary} 2",
                *(f"sentinel {name} {SERVICE} {value}" for name, value in _SETTINGS.items()),
                *(f"{name.replace('_', '-')} {value}" for name, value in self._options.items()),
            ]
            file.write_text("\n".join(lines))
        return [str(file), "--sentinel"]
