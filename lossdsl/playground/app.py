"""Requests of the page -> answers: the application of the playground, which is thin."""

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from importlib.resources import files
from threading import Lock
from typing import Any

from anyio import CapacityLimiter, fail_after, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from lossdsl.backends import Trajectories
from lossdsl.errors import LossError
from lossdsl.mathematics.mathml import font
from lossdsl.meaning import Vocabulary
from lossdsl.playground.answers import MOST_CHARACTERS, Numbers, Played, shown
from lossdsl.playground.guard import Guard, hosts_at
from lossdsl.playground.words import read, wrong

# A text of the most characters, each of them as an escape, and numbers.
MOST_BYTES = 8 * MOST_CHARACTERS
# How many texts stay compiled, and how long in seconds a request waits for another text.
_MOST_PLAYED, _PATIENCE = 32, 30
_PAGE = files("lossdsl.playground") / "page"


@dataclass(frozen=True)
class Start:
    """What a playground begins with.

    Attributes:
        text: The text.
        vocabulary: What its names mean.
        data: What it is evaluated on, if there is anything.
        said: What the data are, in words.
    """

    text: str
    vocabulary: Vocabulary
    data: Trajectories | None = None
    said: str = ""


@dataclass
class Memory:
    """The last texts that were compiled, by a key."""

    played: "OrderedDict[str, Played]" = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def get(self, key: str) -> Played | None:
        """The text of a key; None if it was too long ago."""
        with self.lock:
            found = self.played.get(key)
            if found:
                self.played.move_to_end(key)
            return found

    def put(self, key: str, played: Played) -> None:
        """Keep a text."""
        with self.lock:
            self.played[key] = played
            while len(self.played) > _MOST_PLAYED:
                self.played.popitem(last=False)


class Answers:
    """What the page asks for, each a function of what it sends to plain data."""

    def __init__(self, start: Start):
        self.start, self.memory = start, Memory()

    def begin(self, sent: dict[str, Any]) -> dict[str, Any]:
        """What the page begins with."""
        start = self.start
        return {"text": start.text, "data": start.said, "has_data": start.data is not None, "most": MOST_CHARACTERS}

    def read(self, sent: dict[str, Any]) -> dict[str, Any]:
        """Colours, mistakes and words of a text, which come at once."""
        text = _text(sent)
        # One that is too long gets its error from `answer`; nobody looks at its colours.
        return read(text, _whole(sent, "at"), self.start.vocabulary) if len(text) <= MOST_CHARACTERS else {}

    def answer(self, sent: dict[str, Any]) -> dict[str, Any]:
        """All of a text, which is compiled, with the numbers that are sent and fit to it."""
        text = _text(sent)
        key = sha256(text.encode(errors="surrogatepass")).hexdigest()
        try:
            played = self.memory.get(key) or Played(text, self.start.vocabulary, self.start.data)
            self.memory.put(key, played)
            return {"key": key, **shown(played, Numbers())}
        except LossError as failure:
            return {"errors": wrong(failure, text, self.start.vocabulary)}

    def numbers(self, sent: dict[str, Any]) -> dict[str, Any]:
        """The same for other numbers, which nothing is compiled for."""
        played = self.memory.get(str(sent.get("key")))
        if played is None:
            return {"gone": True}
        numbers = Numbers(_texts(sent, "weights"), _texts(sent, "parameters"), str(sent.get("step") or "0"))
        try:
            return shown(played, numbers)
        except LossError as failure:
            return {"errors": wrong(failure, played.text, played.vocabulary)}


def application(start: Start, port: int) -> Guard:
    """The playground as an application of ASGI that is reached at a port."""
    answers = Answers(start)
    # One text is compiled at a time; what comes at once does not wait for it.
    slow, quick = CapacityLimiter(1), CapacityLimiter(1)
    asked = {"/begin": answers.begin, "/read": answers.read, "/answer": answers.answer, "/numbers": answers.numbers}
    limits = {"/answer": slow, "/numbers": slow}
    names = [file.name for file in _PAGE.iterdir()]
    routes = [Route(f"/{name.replace('index.html', '')}", partial(_static, name)) for name in names]
    routes += [Route("/math.ttf", _font)]
    routes += [
        Route(path, partial(_answered, work, limits.get(path, quick)), methods=["POST"]) for path, work in asked.items()
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _told, Exception: _failed})
    app.router.redirect_slashes = False
    return Guard(app, hosts_at(port))


async def _static(name: str, request: Request) -> Response:
    return FileResponse(str(_PAGE / name))


async def _font(request: Request) -> Response:
    return FileResponse(font(), media_type="font/ttf")


async def _answered(
    work: Callable[[dict[str, Any]], dict[str, Any]], limit: CapacityLimiter, request: Request
) -> Response:
    sent = await _sent(request)
    try:
        with fail_after(_PATIENCE):
            await limit.acquire()
    except TimeoutError:
        raise HTTPException(503, "another text is still being compiled") from None
    try:
        if await request.is_disconnected():
            return Response(status_code=204)  # nobody waits for it any more
        return _json(await to_thread.run_sync(work, sent))
    finally:
        limit.release()


async def _sent(request: Request) -> dict[str, Any]:
    """What the page sends; what is too much is not read to its end."""
    body, length = b"", request.headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) <= MOST_BYTES:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                break
        else:
            return _object(body)
    raise HTTPException(413, f"the playground takes at most {MOST_BYTES:,} bytes", {"connection": "close"})


def _object(body: bytes) -> dict[str, Any]:
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, "this is not JSON") from None
    if not isinstance(sent, dict):
        raise HTTPException(400, "this is not an object of JSON")
    return sent


def _text(sent: dict[str, Any]) -> str:
    if not isinstance(sent.get("text"), str):
        raise HTTPException(400, "the key `text` is missing, or is no text")
    return str(sent["text"])


def _whole(sent: dict[str, Any], key: str) -> int:
    value = sent.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_BYTES:
        raise HTTPException(400, f"the key `{key}` is missing, or is no place in the text")
    return value


def _texts(sent: dict[str, Any], key: str) -> dict[str, str]:
    rows = sent.get(key, {})
    if not isinstance(rows, dict) or not all(isinstance(value, str) for value in rows.values()):
        raise HTTPException(400, f"the key `{key}` holds numbers by name, each as a text")
    return rows


def _json(content: dict[str, Any], status: int = 200, headers: Any = None) -> Response:
    # In ASCII, since a text may have half of a character.
    return Response(json.dumps(content, allow_nan=False), status, headers, media_type="application/json")


async def _told(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, HTTPException)
    return _json({"message": failure.detail}, failure.status_code, failure.headers)


async def _failed(request: Request, failure: Exception) -> Response:
    """A mistake of ours, or of the machine; the server writes its traceback to the terminal."""
    return _json({"message": f"the playground failed here, {type(failure).__name__}: please report it"}, 500)
