"""A playground -> a server on the loopback that runs until it is interrupted."""

import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from lossdsl.errors import error
from lossdsl.playground.app import Start, application
from lossdsl.playground.guard import HOST

# In seconds: how long an end waits for answers that are under way.
_LAST = 1


def opened(port: int) -> socket.socket:
    """A socket at a port of the loopback; at one that is free for the port 0.

    Raises:
        LossValueError: If another program has the port.
    """
    found = socket.socket()
    # A port is free again as soon as a server has ended.
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except OSError as failure:
        found.close()
        advice = "give another one, or leave it out for one that is free"
        raise error("bad-argument", argument="--port", got=f"{port}: {failure.strerror}", advice=advice) from None
    return found


def server(start: Start, port: int) -> uvicorn.Server:
    """The server of a playground that is reached at a port."""
    config = uvicorn.Config(
        application(start, port),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=_LAST,
    )
    return uvicorn.Server(config)


def serve(start: Start, port: int, look: bool, say: Callable[[str], None]) -> None:
    """Run a playground until it is interrupted.

    Args:
        start: What it begins with.
        port: Where; 0 for a port that is free.
        look: Whether a browser is to be opened.
        say: Is told the address.

    Raises:
        LossValueError: If another program has the port.
    """
    with opened(port) as found:
        port = found.getsockname()[1]
        found.listen()
        say(f"http://{HOST}:{port}/")
        if look:
            webbrowser.open(f"http://{HOST}:{port}/")
        with suppress(KeyboardInterrupt):
            server(start, port).run(sockets=[found])
