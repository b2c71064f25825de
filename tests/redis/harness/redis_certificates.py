"""A private authority, with certificates for a server and a client."""

from __future__ import annotations

from pathlib import Path

import trustme

__all__ = ["Certificates"]


class Certificates:
    """Three PEM files in a folder: `ca`, `server` and `client`, the last two with their keys."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.server = folder / "server.pem"
        self.client = folder / "client.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        for path, name in ((self.server, "localhost"), (self.client, "client.localhost")):
            signed = authority.issue_cert(name, "127.0.0.1")
            signed.private_key_and_cert_chain_pem.write_to_path(str(path))
