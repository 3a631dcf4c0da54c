"""The server's addresses: whether they are free before the start, and what to open in a browser after it."""

import socket
import sys
from collections.abc import Iterable

# gunicorn stops, instead of starting another worker, when a worker exits with this code.
EXIT_CANNOT_START = 4


def exit_unless_free(addresses: Iterable[tuple[str, int] | str]) -> None:
    """Exit with one line on standard error if an address cannot be used; gunicorn would try for seconds.

    addresses: host and port of each; a path, that of a Unix socket, is left to gunicorn.
    """
    for address in addresses:
        if not isinstance(address, str) and (reason := _why_not(*address)):
            host, port = address
            print(
                f"Cannot start: Expected a free address. Received {host} port {port}: {reason}. "
                "Set PORT to another, or stop what listens there.",
                file=sys.stderr,
            )
            sys.exit(EXIT_CANNOT_START)


def page_address(addresses: Iterable[tuple[str, int] | str]) -> str:
    """Return where a browser on this machine finds the page; nothing where only Unix sockets are served."""
    for address in addresses:
        if not isinstance(address, str):
            host, port = "127.0.0.1" if address[0] in ("0.0.0.0", "::", "localhost") else address[0], address[1]
            return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return ""


def most_open_host(addresses: Iterable[tuple[str, int] | str]) -> str:
    """Return the host of the first address that is not this machine's alone, else of the first; a path for a socket."""
    hosts = [address if isinstance(address, str) else address[0] for address in addresses]
    return next((host for host in hosts if host not in ("127.0.0.1", "::1")), hosts[0])


def _why_not(host: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As gunicorn does: leftovers of an earlier server do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or "it cannot be used"
        except OverflowError:
            return "there is no such port"
    return ""
