"""A playground that runs in this process, and a client that sends what it is told to."""

import http.client
import json
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any

from lossdsl.playground.serve import opened, server


@dataclass
class Answer:
    """What comes back."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self):
        return self.content.decode()

    def json(self):
        return json.loads(self.content)


@dataclass
class Client:
    """Requests to a port of this machine, as the page makes them if nothing else is said."""

    port: int

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def request(self, method, path, content=None, headers: Any = ()):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {"host": f"127.0.0.1:{self.port}", **dict(headers)}
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                connection.putheader(name, value)
            if content is not None:
                connection.putheader("content-length", str(len(content)))
            connection.endheaders()
            if content:
                self.send(connection, content)
            found = connection.getresponse()
            return Answer(found.status, {n.lower(): value for n, value in found.getheaders()}, found.read())
        finally:
            connection.close()

    @staticmethod
    def send(connection, content):
        # It may be refused before it is sent to its end.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.send(content)

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def post(self, path, sent, headers: Any = ()):
        body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        return self.request("POST", path, body, {"content-type": "application/json", **dict(headers)})


@contextmanager
def running(start):
    """A client of a playground."""
    with opened(0) as found:
        found.listen()
        served = server(start, found.getsockname()[1])
        thread = Thread(target=served.run, kwargs={"sockets": [found]}, daemon=True)
        thread.start()
        try:
            yield Client(found.getsockname()[1])
        finally:
            served.should_exit = True
            thread.join(20)
