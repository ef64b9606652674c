"""Where Keyward cannot be asked, every request gets 503, and no text shows a key."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
from pathlib import Path
from typing import Any, Awaitable, Callable, Dict, List, Optional

import pytest
from program import PATIENCE, Fault, Program, Relay, relay

from keyward import Keyward, Verdict

KEY = "kw_secretsecretsecretsecretsecretsecretsecretsecr000000"
Check = Callable[[Keyward, str], Verdict]


def check_blocking(keyward: Keyward, key: str) -> Verdict:
    verdict = keyward.verify(key)
    keyward.close()
    return verdict


def check_in_a_loop(keyward: Keyward, key: str) -> Verdict:
    async def check() -> Verdict:
        verdict = await keyward.verify_async(key)
        await keyward.aclose()
        return verdict

    return asyncio.run(check())


@pytest.fixture(params=[check_blocking, check_in_a_loop], ids=["blocking", "loop"])
def check(request: pytest.FixtureRequest) -> Check:
    found: Check = request.param
    return found


def response(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


ALLOWED: Dict[str, Any] = {
    "valid": True,
    "verdict": "allowed",
    "status": 200,
    "detail": None,
    "key": {
        "key_id": 7,
        "name": "bot",
        "tier": "basic",
        "owner": None,
        "scopes": [],
        "expires_at": None,
        "metadata": {},
    },
    "limit": None,
    "headers": {},
}


def changed(**fields: object) -> bytes:
    return response(json.dumps({**ALLOWED, **fields}).encode())


WHOLE = response(json.dumps(ALLOWED).encode())
FAULTS: Dict[str, Optional[bytes]] = {
    "silence": None,
    "hangs up": b"",
    "half a head": WHOLE[:20],
    "half a body": WHOLE[:-20],
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "no length and no end": b"HTTP/1.1 200 OK\r\n\r\n",
    "500": response(b'{"detail":"x"}', "500 Internal Server Error"),
    "503": response(b'{"detail":"x"}', "503 Service Unavailable", "retry-after: 7\r\n"),
    "a redirect": response(b"", "307 Temporary Redirect", "location: http://127.0.0.1:1/\r\n"),
    "HTML": response(b"<html>hello</html>"),
    "nothing": response(b""),
    "a list": response(b"[]"),
    "a number": response(b"7"),
    "no object": response(b"null"),
    "not valid, not invalid": changed(valid=None),
    "valid as a text": changed(valid="true"),
    "valid as a number": changed(valid=1),
    "allowed without a key": changed(key=None),
    "allowed with a half key": changed(key={"key_id": 7}),
    "allowed with 401": changed(status=401),
    "denied with 200": changed(valid=False, detail="x"),
    "denied with 302": changed(valid=False, detail="x", status=302),
    "denied without a detail": changed(valid=False, status=401),
    "allowed with a detail": changed(detail="x"),
    "headers of numbers": changed(headers={"RateLimit": 7}),
    "headers of a list": changed(headers=[]),
    "too long": response(b" " * 3_000_000),
}


def said(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_response_that_is_no_verdict_lets_nothing_in(
    check: Check, fault: Optional[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    with relay(None, lambda request, before: fault) as seen:
        verdict = check(Keyward(seen.url, timeout=0.3), KEY)
    assert not verdict.allowed
    assert (verdict.status, verdict.body) == (503, b'{"detail":"Service Unavailable"}')
    assert verdict.headers == {"Retry-After": "1"}
    assert "cannot be asked" in said(caplog)
    assert "secret" not in said(caplog) + repr(verdict)


def test_a_whole_response_lets_in(check: Check) -> None:
    with relay(None, lambda request, before: WHOLE) as seen:
        assert check(Keyward(seen.url, timeout=PATIENCE), KEY).allowed


def test_a_dead_keyward_is_503(check: Check, caplog: pytest.LogCaptureFixture) -> None:
    verdict = check(Keyward("http://127.0.0.1:1"), KEY)
    assert verdict.status == 503
    assert "127.0.0.1:1" in said(caplog) and "refused" in said(caplog).lower()


def test_a_response_that_trickles_ends_with_the_timeout(check: Check) -> None:
    """Were the timeout that of each byte, this test would not end."""

    class Trickle(Relay):
        def _serve(self, connection: Any) -> None:
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
                connection.settimeout(0.02)
                while True:
                    try:
                        if not connection.recv(1):
                            return
                    except TimeoutError:
                        try:
                            connection.sendall(b" ")
                        except OSError:
                            return
                    except OSError:
                        return

    seen = Trickle(None)
    assert check(Keyward(seen.url, timeout=0.3), KEY).status == 503
    seen.close()


@pytest.mark.parametrize("lost", [b"", None], ids=["hangs up", "silence"])
def test_a_lost_response_is_asked_for_again_and_taken_once(
    program: Program, check: Check, lost: Optional[bytes]
) -> None:
    limit = {"name": "requests", "amount": 100, "per": "1d", "burst": 100}
    _, key = program.issue(limits=[limit])

    def first_is_lost(request: bytes, before: int) -> Optional[bytes]:
        return lost if before == 0 else b"pass"

    with relay(program, first_is_lost) as seen:
        verdict = check(Keyward(seen.url, timeout=4), key)
        first, second = seen.bodies()
    assert verdict.allowed and first == second and len(first["request_id"]) == 32
    assert verdict.headers["X-RateLimit-Remaining"] == "99"


def test_each_call_has_an_id_of_its_own(program: Program, check: Check) -> None:
    _, key = program.issue()
    with relay(program) as seen:
        keyward = Keyward(seen.url, timeout=PATIENCE)
        left = [check(keyward, key).headers["X-RateLimit-Remaining"] for _ in range(3)]
        ids = {body["request_id"] for body in seen.bodies()}
    assert (left, len(ids)) == (["99", "98", "97"], 3)


def test_a_response_is_asked_for_twice_at_most(check: Check) -> None:
    with relay(None) as seen:
        assert check(Keyward(seen.url, timeout=PATIENCE), KEY).status == 503
        assert len(seen.requests) == 2


def test_connections_are_kept(program: Program) -> None:
    _, key = program.issue()
    with relay(program) as seen:
        keyward = Keyward(seen.url, timeout=PATIENCE)
        assert all(keyward.verify(key).allowed for _ in range(20))
        assert seen.connections == 1

        async def more() -> None:
            for _ in range(20):
                assert (await keyward.verify_async(key)).allowed
            await keyward.aclose()

        asyncio.run(more())
        assert seen.connections == 2
        keyward.close()
        assert keyward.verify(key).allowed
        assert seen.connections == 3


def test_a_request_that_was_given_up_leaves_no_response_for_the_next(program: Program) -> None:
    _, key = program.issue("patient")
    _, other = program.issue("other")

    async def both(url: str) -> List[str]:
        keyward = Keyward(url, timeout=PATIENCE)
        given_up = asyncio.ensure_future(keyward.verify_async(key))
        while not seen.requests:
            await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        found = [await keyward.verify_async(other) for _ in range(3)]
        await keyward.aclose()
        return [verdict.caller.name if verdict.caller else "" for verdict in found]

    with relay(program) as seen:
        assert asyncio.run(both(seen.url)) == ["other"] * 3


def test_a_forked_process_has_connections_of_its_own(program: Program) -> None:
    _, key = program.issue()
    with relay(program) as seen:
        keyward = Keyward(seen.url, timeout=PATIENCE)
        assert keyward.verify(key).allowed
        child = os.fork()
        if child == 0:
            os._exit(0 if keyward.verify(key).allowed else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert keyward.verify(key).allowed
        # That of the parent, which goes on with it, and that of the child.
        assert seen.connections == 2


def test_a_restart_of_keyward_goes_unnoticed(own_program: Program) -> None:
    keyward = Keyward(own_program.url, timeout=PATIENCE)
    _, key = own_program.issue()
    assert keyward.verify(key).allowed
    own_program.stop()
    assert keyward.verify(key).status == 503
    own_program.start()
    assert keyward.verify(key).allowed

    async def across() -> None:
        assert (await keyward.verify_async(key)).allowed
        own_program.stop()
        own_program.start()
        assert (await keyward.verify_async(key)).allowed
        await keyward.aclose()

    asyncio.run(across())


def test_a_door_key_is_needed_where_keyward_asks_for_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = subprocess.run(
        [os.environ["KEYWARD_PROGRAM"], "door-key", "tests", "--json"],
        check=True,
        capture_output=True,
    ).stdout
    door_key = json.loads(made)["door_key"]
    (tmp_path / "doors").write_text(json.loads(made)["line"] + "\n")
    program = Program(tmp_path, KEYWARD_DOOR_KEYS_FILE=str(tmp_path / "doors"))
    _, key = program.issue()
    assert Keyward(program.url, timeout=PATIENCE).verify(key).status == 503
    assert Keyward(program.url, timeout=PATIENCE, door_key="wrong").verify(key).status == 503
    assert "set KEYWARD_DOOR_KEY" in said(caplog)
    assert Keyward(program.url, timeout=PATIENCE, door_key=door_key).verify(key).allowed
    monkeypatch.setenv("KEYWARD_DOOR_KEY", door_key)
    monkeypatch.setenv("KEYWARD_URL", program.url)
    keyward = Keyward(timeout=PATIENCE)
    assert keyward.verify(key).allowed and asyncio.run(keyward.verify_async(key)).allowed
    program.stop()
    assert keyward.verify(key).status == 503
    assert door_key not in repr(keyward) + said(caplog)


def test_too_many_wrong_keys_are_429(tmp_path: Path, check: Check) -> None:
    program = Program(tmp_path, KEYWARD_FAILURES_PER_MINUTE="1")
    keyward = Keyward(program.url, timeout=PATIENCE)
    assert check(keyward, "wrong-key").status == 401
    flooded = check(keyward, "wrong-key")
    assert (flooded.status, flooded.verdict) == (429, "flooded")
    assert int(flooded.headers["Retry-After"]) > 1
    # A key that works is let in all the same.
    assert check(keyward, program.issue()[1]).allowed
    program.stop()


def test_a_question_that_does_not_fit_says_where(
    check: Check, caplog: pytest.LogCaptureFixture
) -> None:
    fault = {"type": "x", "loc": ["body", "scopes", 0], "msg": "Input is odd", "input": KEY}
    body = response(json.dumps({"detail": [fault]}).encode(), "422 Unprocessable Content")
    with relay(None, lambda request, before: body) as seen:
        assert check(Keyward(seen.url, timeout=PATIENCE), KEY).status == 503
    assert "body.scopes.0: Input is odd" in said(caplog)
    assert "secret" not in said(caplog)


def test_trouble_is_reported_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    keyward = Keyward("http://127.0.0.1:1")
    keyward._trouble._next = float("inf")
    keyward.verify(KEY)
    assert caplog.records == []
    keyward._trouble._next = 0.0
    for _ in range(20):
        keyward.verify(KEY)
    assert 1 <= len(caplog.records) < 20 and caplog.records[0].levelno == logging.ERROR


@pytest.mark.parametrize(
    "arguments, part",
    [
        ({"url": ""}, "KEYWARD_URL is not set"),
        ({"url": "127.0.0.1:8002"}, "KEYWARD_URL is no address"),
        ({"url": "ftp://127.0.0.1"}, "KEYWARD_URL is no address"),
        ({"url": "http://:80"}, "KEYWARD_URL is no address"),
        ({"url": "http://host:port"}, "KEYWARD_URL is no address"),
        ({"url": "http://user:hunter2@host"}, "KEYWARD_URL is no address"),
        ({"url": "http://host/?a=b"}, "KEYWARD_URL has more"),
        ({"url": "http://host\r\n"}, "KEYWARD_URL"),
        ({"url": "http://host", "timeout": 0}, "timeout is 0"),
        ({"url": "http://host", "door_key": "hunter2\r\n"}, "the door key"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(arguments: Dict[str, Any], part: str) -> None:
    with pytest.raises(ValueError) as error:
        Keyward(**arguments)
    assert part in str(error.value) and "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "need, part",
    [
        ({"scopes": "articles:read"}, "scopes is a text"),
        ({"scopes": ["Articles"]}, "'Articles' is no scope"),
        ({"scopes": ["a:*"]}, "'a:*' is no scope"),
        ({"scopes": ["a:b"] * 9}, "9 scopes"),
        ({"cost": -1}, "cost is -1"),
        ({"cost": 1_000_001}, "cost is 1000001"),
        ({"cost": True}, "cost is True"),
    ],
)
def test_a_need_that_does_not_fit_is_named(need: Dict[str, Any], part: str) -> None:
    with pytest.raises(ValueError) as error:
        Keyward("http://127.0.0.1:1").verify(KEY, **need)
    assert part in str(error.value) and "secret" not in str(error.value)
