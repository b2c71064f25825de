"""How TLS to a server is verified, as its URL and the environment of libpq say.

Where TLS is asked for, the certificate and the host are verified, with `sslrootcert` or else with
what the system trusts: also with `sslmode=require`, which verifies nothing in libpq. Only
`sslmode=no-verify` encrypts without that.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

from ..postgres_url import SSL_MODES
from .errors import WrongServer

__all__ = ["ssl_mode", "tls_argument"]

_ENVIRONMENT = {
    "sslcert": "PGSSLCERT",
    "sslcrl": "PGSSLCRL",
    "sslkey": "PGSSLKEY",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
}
_USUAL_FILES = {
    "sslcert": "postgresql.crt",
    "sslcrl": "root.crl",
    "sslkey": "postgresql.key",
    "sslrootcert": "root.crt",
}
_UNVERIFIED = ("disable", "allow", "prefer")
_SYSTEM = "system"


def ssl_mode(options: Mapping[str, str]) -> str:
    """Return the mode of the options; `prefer` if neither they nor the environment ask for TLS.

    Raises `WrongServer` for a mode in the environment that does not exist.
    """
    if "sslmode" in options:
        return options["sslmode"]
    if any(name.startswith("ssl") for name in options):
        return "verify-full"
    given = os.environ.get("PGSSLMODE") or "prefer"
    if given not in SSL_MODES:
        raise WrongServer(f"PGSSLMODE is none of {', '.join(SSL_MODES)}")
    return given


def tls_argument(options: Mapping[str, str]) -> str | ssl.SSLContext:
    """Return what asyncpg takes as `ssl`. Raises `WrongServer` for a file that cannot be used.

    The files are read again for each connection: certificates are renewed.
    """
    mode = ssl_mode(options)
    if mode in _UNVERIFIED:
        return mode
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = _version(options, "ssl_min_protocol_version", "TLSv1.2")
    context.maximum_version = _version(options, "ssl_max_protocol_version", "MAXIMUM_SUPPORTED")
    if ssl.HAS_ALPN:
        context.set_alpn_protocols(["postgresql"])
    if mode == "no-verify":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        # `verify-ca` takes any name that its authority signed.
        context.check_hostname = mode != "verify-ca"
        _load_roots(context, options)
    _load_own_certificate(context, options)
    return context


def _load_roots(context: ssl.SSLContext, options: Mapping[str, str]) -> None:
    roots = _file(options, "sslrootcert")
    if roots is None or roots == _SYSTEM:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _load("sslrootcert", lambda: context.load_verify_locations(cafile=roots))
    revoked = _file(options, "sslcrl")
    if revoked is not None:
        _load("sslcrl", lambda: context.load_verify_locations(cafile=revoked))
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def _load_own_certificate(context: ssl.SSLContext, options: Mapping[str, str]) -> None:
    own = _file(options, "sslcert")
    if own is None:
        return
    key = _file(options, "sslkey")
    # Never ask on the terminal.
    secret = options.get("sslpassword", "")
    _load("sslcert or sslkey", lambda: context.load_cert_chain(own, key, lambda: secret))


def _load(what: str, load: Callable[[], object]) -> None:
    try:
        load()
    except (OSError, ValueError) as error:
        reason = None if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None)
        raise WrongServer(f"{what}: {reason or 'nothing that fits is in it'}") from None


def _file(options: Mapping[str, str], name: str) -> str | None:
    """Return the path of a file: of the URL, of the environment, or libpq's usual one if there."""
    given = options.get(name) or os.environ.get(_ENVIRONMENT[name])
    if given:
        return given
    try:
        usual = Path.home() / ".postgresql" / _USUAL_FILES[name]
        return str(usual) if usual.is_file() else None
    except (OSError, RuntimeError):  # there is no home
        return None


def _version(options: Mapping[str, str], name: str, default: str) -> ssl.TLSVersion:
    given = options.get(name) or os.environ.get(_ENVIRONMENT[name]) or default
    try:
        return ssl.TLSVersion[given.replace(".", "_")]
    except KeyError:
        raise WrongServer(f"{name}: there is no such version of TLS") from None
