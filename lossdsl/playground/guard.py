"""Requests -> those of the page itself; any other is refused before it is looked at.

A server on the loopback can be reached by every site that a browser shows: by a request that the site makes, or by a
name of the site that it lets point to the loopback (DNS rebinding). `Host` tells the one, `Origin` and `Sec-Fetch-Site`
the other.
"""

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
_NAMES = (HOST, "localhost", "[::1]")
# Of a request without them a browser of before 2023 may be the sender, which has `Origin` where it matters.
_OWN_SITES = ("same-origin", "none")
# The page has its own files and nothing else; no text can become a script, whatever the page does with it.
_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


def hosts_at(port: int) -> frozenset[str]:
    """What a browser calls the server; it leaves the usual port out."""
    return frozenset({f"{name}:{port}" for name in _NAMES} | ({*_NAMES} if port == 80 else set()))


def refusal(method: str, headers: Headers, hosts: Collection[str]) -> tuple[int, str] | None:
    """Why a request is refused, with its status; None if it is one of the page."""
    if len(headers.getlist("host")) != 1 or headers["host"].lower() not in hosts:
        return 403, "the playground answers at its own address alone"
    origins = {origin.lower() for origin in headers.getlist("origin")}
    if origins - {f"http://{headers['host'].lower()}"} or headers.get("sec-fetch-site", "none") not in _OWN_SITES:
        return 403, "the playground answers its own page alone"
    kind = headers.get("content-type", "").partition(";")[0].strip()
    if method not in ("GET", "HEAD") and kind != "application/json":
        return 415, "the playground takes JSON alone"
    return None


class Guard:
    """An application behind the refusals, with the headers of a page that is nobody else's.

    Args:
        app: The application.
        hosts: What a browser may call the server, see `hosts_at`.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]):
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # a websocket is closed by whoever gets no answer
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refused = refusal(scope["method"], Headers(scope=scope), self.hosts)
        app = PlainTextResponse(refused[1], refused[0]) if refused else self.app
        await app(scope, receive, with_headers)
