"""The application: its page, its answers, and all that it refuses, in words."""

import asyncio
import re
import socket
import threading
from pathlib import Path

import pytest

import lossdsl as ld
from lossdsl.playground import app as served
from lossdsl.playground.app import MOST_BYTES, Start, application
from lossdsl.playground.guard import HEADERS, hosts_at
from tests.playground.serving import running

PAGE = Path(served.__file__).parent / "page"
HTML = "<img src=x onerror=alert(1)>"


def client():
    return running(Start("position", ld.FEEDBAX, ld.example(), "the reaches"))


@pytest.fixture(scope="module")
def page():
    with client() as page:
        yield page


def test_the_page_and_its_files(page):
    kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    for file in PAGE.iterdir():
        found = page.get("/" if file.name == "index.html" else f"/{file.name}")
        assert found.content == file.read_bytes()
        assert found.headers["content-type"].startswith(kinds[file.suffix])
    assert page.get("/math.ttf").content[:4] == b"\0\1\0\0"


def test_the_page_has_nothing_from_elsewhere():
    """And no script or style in it, which its policy would not run."""
    for file in PAGE.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
        assert "//" not in text.replace("://", "") or "http" not in text, file.name
        assert "innerHTML" not in text and "eval" not in text
    html = (PAGE / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=", html)
    assert html.count("<script") == html.count('<script type="module" src="page.js">') == 1


@pytest.mark.parametrize("path", ["/../app.py", "/%2e%2e/app.py", "/page/page.js", "/nope", "/answer/", "//etc/passwd"])
def test_no_other_file(page, path):
    assert page.get(path).status in (404, 405)


def test_it_begins_with_its_text(page):
    assert page.post("/begin", {}).json() == {
        "text": "position",
        "data": "the reaches",
        "has_data": True,
        "most": served.MOST_CHARACTERS,
    }


def test_answers(page):
    found = page.post("/answer", {"text": "2*position"}).json()
    assert found["values"]["total"] == "97.081"
    sent = {"key": found["key"], "weights": {"position": "3"}, "parameters": {}, "step": "0"}
    assert page.post("/numbers", sent).json()["values"]["total"] == "145.622"
    assert page.post("/read", {"text": "2*positon", "at": 2}).json()["errors"][0]["code"] == "unknown-name"
    assert page.post("/answer", {"text": "2*positon"}).json()["errors"][0]["code"] == "unknown-name"


@pytest.mark.parametrize("path", ["/", "/page.js", "/math.ttf", "/begin", "/nope"])
@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("host", "evil.example"),
        ("host", "evil.example:PORT"),
        ("host", "127.0.0.1"),
        ("host", "127.0.0.1:1"),
        ("host", "127.0.0.1.evil.example:PORT"),
        ("host", ""),
        ("origin", "http://evil.example"),
        ("origin", "http://localhost:PORT"),
        ("origin", "https://127.0.0.1:PORT"),
        ("origin", "http://127.0.0.1:PORT/"),
        ("origin", "null"),
        ("origin", ""),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "nonsense"),
    ],
)
def test_other_hosts_and_origins_are_refused(page, path, header, value):
    headers = {"content-type": "application/json", header: value.replace("PORT", str(page.port))}
    for method in ("GET", "POST", "OPTIONS", "DELETE"):
        found = page.request(method, path, b"{}", headers)
        whose = "at its own address" if header == "host" else "its own page"
        assert (found.status, found.text) == (403, f"the playground answers {whose} alone")
        assert "access-control-allow-origin" not in found.headers


def test_two_hosts_are_refused(page):
    sent = f"GET / HTTP/1.1\r\nhost: 127.0.0.1:{page.port}\r\nhost: evil.example\r\nconnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", page.port), timeout=60) as raw:
        raw.sendall(sent.encode())
        assert raw.recv(100).split()[1] in (b"400", b"403")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1:PORT", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"host": "localhost:PORT", "origin": "http://localhost:PORT"},
        {"host": "LocalHost:PORT", "origin": "http://localhost:PORT"},
        {"host": "[::1]:PORT", "origin": "http://[::1]:PORT"},
    ],
    ids=str,
)
def test_its_own_page_is_answered(page, headers):
    given = {name: value.replace("PORT", str(page.port)) for name, value in headers.items()}
    assert page.post("/begin", {}, given).status == 200


def test_the_usual_port_is_left_out():
    assert hosts_at(80) - hosts_at(81) == {
        *("127.0.0.1", "localhost", "[::1]"),
        *("127.0.0.1:80", "localhost:80", "[::1]:80"),
    }


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_form_can_send_is_refused(page, kind):
    found = page.post("/answer", {"text": "position"}, {"content-type": kind})
    assert (found.status, found.text) == (415, "the playground takes JSON alone")


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/answer", "", "this is not JSON"),
        ("/answer", "{", "this is not JSON"),
        ("/answer", "\xff", "this is not JSON"),
        ("/answer", "[" * 50_000, "this is not JSON"),
        ("/answer", "9" * 10_000, "this is not JSON"),
        ("/answer", "[]", "this is not an object of JSON"),
        ("/answer", "{}", "the key `text` is missing, or is no text"),
        ("/answer", '{"text": 3}', "the key `text` is missing, or is no text"),
        ("/read", '{"text": "a"}', "the key `at` is missing, or is no place in the text"),
        ("/read", '{"text": "a", "at": -1}', "the key `at` is missing, or is no place in the text"),
        ("/read", '{"text": "a", "at": true}', "the key `at` is missing, or is no place in the text"),
        ("/read", '{"text": "a", "at": 1e9}', "the key `at` is missing, or is no place in the text"),
    ],
)
def test_what_is_no_request_is_told(page, path, body, says):
    found = page.post(path, body.encode("latin-1"))
    assert (found.status, found.json()) == (400, {"message": says})


@pytest.mark.parametrize("rows", [[], {"position": 3}, {"position": None}, "position"])
def test_numbers_are_texts_by_name(page, rows):
    key = page.post("/answer", {"text": "position"}).json()["key"]
    found = page.post("/numbers", {"key": key, "weights": rows})
    assert (found.status, found.json()["message"]) == (
        400,
        "the key `weights` holds numbers by name, each as a text",
    )


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods(page, method):
    found = page.request(method, "/answer", b"{}", {"content-type": "application/json"})
    assert (found.status, found.json()) == (405, {"message": "Method Not Allowed"})


def test_a_body_over_the_limit_is_refused(page):
    found = page.post("/answer", {"text": "x" * MOST_BYTES})
    assert (found.status, found.json()) == (413, {"message": "the playground takes at most 80,000 bytes"})
    (wrong,) = page.post("/answer", {"text": "é" * (served.MOST_CHARACTERS + 1)}).json()["errors"]
    assert wrong["message"] == "the text has 10,001 characters, the limit is 10,000"
    assert page.post("/read", {"text": "é" * (served.MOST_CHARACTERS + 1), "at": 0}).json() == {}


@pytest.mark.parametrize("length", [None, "10", "999999999999", "nonsense", "-1", "1" * 5_000])
def test_a_body_without_end_is_not_read(length):
    """Whatever it says of its length, or if it says nothing."""
    taken = 0

    async def receive():
        nonlocal taken
        taken += 1
        assert taken < 1_000, "it is read on and on"
        return {"type": "http.request", "body": b" " * 1_000, "more_body": True}

    async def send(message):
        sent.append(message)

    sent = []
    headers = [(b"host", b"127.0.0.1:8765"), (b"content-type", b"application/json")]
    headers += [] if length is None else [(b"content-length", length.encode())]
    scope = {"type": "http", "method": "POST", "path": "/answer", "headers": headers, "query_string": b""}
    asyncio.run(application(Start("", ld.FEEDBAX), 8765)(scope, receive, send))
    assert sent[0]["status"] == 413
    assert taken <= MOST_BYTES / 1_000 + 2 and (length in (None, "10") or taken == 0)


def test_all_answers_have_the_headers_of_a_page_that_is_nobody_elses(page):
    assert "script-src 'self';" in HEADERS["content-security-policy"] and "unsafe" not in str(HEADERS)
    for found in [
        page.get("/"),
        page.get("/nope"),
        page.get("/", host="evil.example"),
        page.post("/answer", {"text": "x" * MOST_BYTES}),
        page.post("/answer", {"text": "position"}),
        page.post("/answer", b"", {"content-type": "text/html"}),
    ]:
        assert HEADERS.items() <= found.headers.items()


def test_websockets_get_no_answer(page):
    asks = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "eA=="}
    assert page.request("GET", "/answer", headers=asks).status == 405
    sent = []
    asyncio.run(application(Start("", ld.FEEDBAX), 8765)({"type": "websocket"}, None, sent.append))
    assert sent == []


@pytest.mark.parametrize("text", [HTML, f"2*position # {HTML}", "\ud800", "\0", "\u2028", "'\"&<>"])
def test_a_text_comes_back_as_data(page, text):
    found = page.post("/read", {"text": text, "at": 1})
    assert found.headers["content-type"] == "application/json"
    assert "".join(piece for _, piece in found.json()["colours"]) == text
    assert page.post("/answer", {"text": text}).status == 200


def test_a_mistake_of_ours_is_told_without_a_traceback(monkeypatch):
    def broken(*given):
        raise RuntimeError("secret path")

    monkeypatch.setattr(served, "shown", broken)
    with client() as page:
        found = page.post("/answer", {"text": "position"})
    message = "the playground failed here, RuntimeError: please report it"
    assert (found.status, found.json()) == (500, {"message": message})


def test_the_last_texts_stay_and_others_are_gone(monkeypatch):
    monkeypatch.setattr(served, "_MOST_PLAYED", 2)
    with client() as page:
        keys = [page.post("/answer", {"text": f"{i}*position"}).json()["key"] for i in range(2)]
        assert "values" in page.post("/numbers", {"key": keys[0]}).json()
        page.post("/answer", {"text": "5*position"})
        assert page.post("/numbers", {"key": keys[1]}).json() == {"gone": True}
        assert "values" in page.post("/numbers", {"key": keys[0]}).json()
        assert page.post("/numbers", {}).json() == {"gone": True}


def test_one_text_is_compiled_at_a_time_and_the_rest_is_answered(monkeypatch):
    """A text that takes long lets others wait for a while, and what comes at once not at all."""
    free, begun = threading.Event(), threading.Event()
    compiled = served.Played

    def slow(text, *more):
        if text == "slow":
            begun.set()
            assert free.wait(60)
            text = "position"
        return compiled(text, *more)

    monkeypatch.setattr(served, "Played", slow)
    monkeypatch.setattr(served, "_PATIENCE", 0.2)
    found = []
    with client() as page:
        thread = threading.Thread(target=lambda: found.append(page.post("/answer", {"text": "slow"})))
        thread.start()
        assert begun.wait(60)
        refused = page.post("/answer", {"text": "velocity"})
        assert page.get("/page.js").status == 200
        assert page.post("/read", {"text": "positon", "at": 0}).json()["errors"]
        free.set()
        thread.join(60)
        assert (refused.status, refused.json()) == (503, {"message": "another text is still being compiled"})
        assert "values" in found[0].json()
        assert "values" in page.post("/answer", {"text": "velocity"}).json()
