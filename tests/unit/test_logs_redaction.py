"""Nothing secret leaves through a log, whoever wrote the line."""

from __future__ import annotations

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.telemetry.logs import Redactor, configure

CANARY = "cAnArY0123456789deadbeef"
URL = f"https://user:{CANARY}@node.example:8545/v3/{CANARY}?key={CANARY}"
KEY = "0x" + "a1" * 32
TX_HASH = "0x" + "b2" * 32


class Terminal(io.StringIO):
    isatty = staticmethod(lambda: True)


@pytest.fixture(autouse=True)  # ruff: ignore[pytest-fixture-autouse] - the logging of the whole process is changed
def restored_logging():
    root, own = logging.getLogger(), logging.getLogger("keeper")
    before = (root.handlers[:], root.level, own.level, logging.raiseExceptions)
    yield
    root.handlers, logging.raiseExceptions = before[0], before[3]
    root.setLevel(before[1])
    own.setLevel(before[2])


@pytest.fixture(params=[io.StringIO, Terminal])
def stream(request) -> io.StringIO:
    return request.param()


def test_a_canary_is_in_no_line(stream):
    telemetry = configure(stream, level=logging.DEBUG, secrets=[URL, KEY, f"{CANARY}-passphrase"])
    telemetry.event("node.failed", url=URL, why=f"cannot reach {URL}: timeout", nested={"list": [URL, (URL,)]})
    telemetry.event("key.loaded", private_key=KEY, passphrase="short", text=f"key={KEY}", tail=KEY[2:])
    telemetry.event("part.seen", why=f"path /v3/{CANARY} refused", **{CANARY: 1})
    logging.getLogger("httpx").warning("HTTP Request: POST %s", URL)

    def job() -> None:
        local = URL
        raise RuntimeError(f"failed for {local}")

    try:
        job()
    except RuntimeError:
        logging.getLogger("apscheduler").exception("job raised")
    text = stream.getvalue()
    assert CANARY not in text
    assert KEY[2:] not in text
    assert "node.example:8545" in text
    assert "RuntimeError" in text
    assert len(text.splitlines()) >= 5


def test_a_transaction_hash_stays(stream):
    telemetry = configure(stream, secrets=[KEY])
    telemetry.event("stage.sent", tx_hash=TX_HASH, why=f"transaction {TX_HASH} is pending")
    assert stream.getvalue().count(TX_HASH) == 2


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_configured_secret_never_survives(before, after):
    redactor = Redactor([CANARY])
    assert CANARY not in redactor.text(f"{before}{CANARY}{after}")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60).filter(lambda text: "://" not in text))
def test_harmless_text_is_left_alone(text):
    assert Redactor([CANARY]).text(f"tick {text}") == f"tick {text}"


def test_off_a_terminal_each_line_is_one_object():
    stream = io.StringIO()
    telemetry = configure(stream)
    telemetry.event("cycle.begun", cycle=7, block=12)
    telemetry.event("stage.done", gas_wei=10**20)
    telemetry.event("cycle.ended", cycle=7, state="done")
    telemetry.event("daemon.stopped")
    begun, done, ended, stopped = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (begun["event"], begun["level"], begun["timestamp"][-1]) == ("cycle.begun", "info", "Z")
    assert (done["cycle"], done["gas_wei"]) == (7, 10**20)
    assert ended["cycle"] == 7
    assert "cycle" not in stopped


@pytest.mark.parametrize(
    ("name", "level"), [("keeper.halted", "error"), ("cycle.postponed", "warning"), ("cycle.ended", "info")]
)
def test_the_verb_sets_the_level(name, level):
    stream = io.StringIO()
    configure(stream).event(name)
    assert json.loads(stream.getvalue())["level"] == level


class Unspeakable:
    def __str__(self) -> str:
        raise OSError(URL)


def test_telling_never_raises(stream):
    loop: dict = {}
    loop["self"] = loop
    telemetry = configure(stream)
    telemetry.event("thing.seen", thing=Unspeakable(), loop=loop, nan=float("nan"))
    assert "Unspeakable" in stream.getvalue()
    stream.close()
    telemetry.event("thing.seen", why="the stream is gone")


def test_quiet_keeps_what_matters():
    stream = io.StringIO()
    telemetry = configure(stream, level=logging.WARNING)
    telemetry.event("cycle.ended")
    telemetry.event("keeper.halted", why="a person must look")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["keeper.halted"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8545", "https://node.example/"])
def test_an_address_without_a_key_is_no_secret(url):
    told = Redactor([url]).text(f"{url.rstrip('/')} did not answer")
    assert told == f"{url.rstrip('/')} did not answer"
