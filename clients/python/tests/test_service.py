"""Guarded services in front of the real program: what their clients get."""

from __future__ import annotations

import json
import threading
from typing import Dict, Iterator, List

import pytest
from apps import (
    ARTICLES,
    Serving,
    articles_app,
    completed_app,
    guarded_app,
    required_app,
    serving,
)
from fastapi import FastAPI
from fastapi.testclient import TestClient
from program import PATIENCE, Program, Reply, ask, bearer, relay
from starlette.websockets import WebSocketDisconnect

from keyward import Ask, Keyward



def a_day(amount: int) -> List[Dict[str, object]]:
    """One limit, of which nothing comes back while a test runs."""
    return [{"name": "requests", "amount": amount, "per": "1d", "burst": amount}]


@pytest.fixture(scope="module")
def service(program: Program) -> Iterator[Serving]:
    with serving(required_app(Keyward(program.url, timeout=PATIENCE))) as started:
        yield started


def detail(reply: Reply) -> str:
    found: str = json.loads(reply.body)["detail"]
    return found


def test_the_curls_of_the_tutorial(program: Program) -> None:
    with serving(articles_app(Keyward(program.url, timeout=PATIENCE))) as service:
        at = service.address
        key_id, key = program.issue("my-app", tier="basic")

        listed = ask(at, "/articles", bearer(key))
        assert listed.status == 200
        assert json.loads(listed.body) == {"articles": ARTICLES[:20], "count": 20}
        assert listed.headers["X-RateLimit-Limit"] == "100"
        assert listed.headers["X-RateLimit-Remaining"] == "99"

        science = [article for article in ARTICLES if article["category"] == "science"][:3]
        some = ask(at, "/articles?category=science&limit=3", bearer(key))
        assert json.loads(some.body) == {"articles": science, "count": 3}

        none = ask(at, "/articles?source=nowhere", bearer(key))
        assert none.body == b'{"articles":[],"count":0}'

        missing = ask(at, "/articles")
        assert missing.status == 401
        assert missing.body == b'{"detail":"Missing Authorization header"}'
        assert missing.headers["WWW-Authenticate"] == "Bearer"

        malformed = ask(at, "/articles", [("Authorization", key)])
        assert malformed.status == 401
        assert malformed.body == (
            b'{"detail":"Invalid Authorization format. Use: Bearer YOUR_API_KEY"}'
        )

        wrong = ask(at, "/articles", bearer("wrong-key"))
        assert wrong.status == 401
        assert wrong.body == b'{"detail":"Invalid or inactive API key"}'

        # A key is asked for before the parameters are looked at.
        assert ask(at, "/articles?limit=0").status == 401
        assert ask(at, "/articles?limit=0", bearer(key)).status == 422

        assert program.admin("DELETE", f"/admin/api-keys/{key_id}") == (204, None)
        revoked = ask(at, "/articles", bearer(key))
        assert (revoked.status, revoked.body) == (401, wrong.body)
        assert revoked.headers["WWW-Authenticate"] == wrong.headers["WWW-Authenticate"]


def test_a_handler_gets_the_caller_and_its_client_the_limits(
    program: Program, service: Serving
) -> None:
    _, key = program.issue("weather-bot", scopes=["articles:read"])
    reply = ask(service.address, "/whoami", bearer(key))
    assert reply.status == 200
    scopes = ["articles:read"]
    assert json.loads(reply.body) == {"name": "weather-bot", "tier": "basic", "scopes": scopes}
    assert reply.headers["RateLimit-Policy"] == '"requests";q=100;w=60'
    assert reply.headers["RateLimit"].startswith('"requests";r=99;t=')
    assert reply.headers["X-RateLimit-Reset"].isdecimal()
    assert reply.headers["Vary"] == "Authorization, X-API-Key"
    assert reply.headers["Cache-Control"] == "private, no-cache"


def test_a_key_without_the_scope_is_rejected_with_its_name(
    program: Program, service: Serving
) -> None:
    _, key = program.issue()
    reply = ask(service.address, "/articles/7", bearer(key))
    assert (reply.status, detail(reply)) == (403, "Insufficient scope")
    challenge = 'Bearer error="insufficient_scope", scope="articles:read"'
    assert reply.headers["WWW-Authenticate"] == challenge
    _, key = program.issue(scopes=["articles:*"])
    assert ask(service.address, "/articles/7", bearer(key)).body == b"7"


def test_a_cost_is_taken_and_a_limit_is_kept(program: Program, service: Serving) -> None:
    _, key = program.issue(limits=a_day(11))
    left = [ask(service.address, "/export", bearer(key)) for _ in range(3)]
    assert [reply.status for reply in left] == [200, 200, 429]
    assert [reply.headers["X-RateLimit-Remaining"] for reply in left] == ["6", "1", "1"]
    assert detail(left[2]) == "Rate limit exceeded"
    assert int(left[2].headers["Retry-After"]) >= 1
    dear = ask(service.address, "/dear", bearer(key))
    assert dear.status == 403
    assert detail(dear) == "Request costs more than its limit ever allows"


def test_a_limit_is_never_exceeded_by_parallel_requests(program: Program) -> None:
    _, key = program.issue(limits=a_day(50))
    keyward = Keyward(program.url, timeout=PATIENCE)
    allowed: List[bool] = []

    def some() -> None:
        for _ in range(20):
            allowed.append(keyward.verify(key).allowed)

    threads = [threading.Thread(target=some) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(allowed), sum(allowed)) == (200, 50)
    keyward.close()


def test_an_address_is_that_of_the_connection_or_what_the_app_says(
    program: Program, service: Serving
) -> None:
    _, key = program.issue(networks=["10.0.0.0/8"])
    forged = [*bearer(key), ("X-Forwarded-For", "10.1.2.3"), ("Forwarded", "for=10.1.2.3")]
    reply = ask(service.address, "/whoami", forged)
    assert (reply.status, detail(reply)) == (403, "Address not allowed")
    assert ask(service.address, "/internal", bearer(key)).status == 200
    # A test client has no address; that is no reason for 503.
    app = TestClient(required_app(Keyward(program.url, timeout=PATIENCE)))
    assert app.get("/whoami", headers={"X-API-Key": key}).status_code == 403
    _, key = program.issue()
    assert app.get("/whoami", headers={"X-API-Key": key}).status_code == 200


def test_a_suspended_key_is_denied_like_an_unknown_one_and_let_in_again(
    program: Program, service: Serving
) -> None:
    key_id, key = program.issue()
    assert program.admin("POST", f"/admin/api-keys/{key_id}/suspend")[0] == 200
    reply = ask(service.address, "/whoami", bearer(key))
    assert (reply.status, detail(reply)) == (401, "Invalid or inactive API key")
    assert b"suspended" not in reply.body + str(reply.headers).encode()
    assert Keyward(program.url, timeout=PATIENCE).verify(key).verdict == "suspended"
    assert program.admin("POST", f"/admin/api-keys/{key_id}/resume")[0] == 200
    assert ask(service.address, "/whoami", bearer(key)).status == 200


def test_every_response_gets_the_limits_behind_the_middleware(program: Program) -> None:
    _, key = program.issue()
    with serving(completed_app(Keyward(program.url, timeout=PATIENCE))) as service:
        own = ask(service.address, "/own", bearer(key))
        assert own.headers["X-RateLimit-Remaining"] == "99"
        assert own.headers["Vary"] == "Accept, Authorization, X-API-Key"
        assert own.headers["Cache-Control"] == "public, max-age=9"
        gone = ask(service.address, "/gone", bearer(key))
        assert (gone.status, gone.headers["X-RateLimit-Remaining"]) == (410, "98")
        assert ask(service.address, "/gone").status == 401
        assert ask(service.address, "/nowhere").headers["Vary"] is None


def test_a_guard_holds_for_every_path_method_and_websocket(program: Program) -> None:
    _, key = program.issue()
    app = guarded_app(Keyward(program.url, timeout=PATIENCE))
    with serving(app) as service:
        assert ask(service.address, "/healthz").status == 200
        assert ask(service.address, "/nowhere").status == 401
        assert ask(service.address, "/nowhere", bearer(key)).status == 404
        head = ask(service.address, "/whoami", method="HEAD")
        assert (head.status, head.body) == (401, b"")
    client = TestClient(app)
    with client.websocket_connect("/feed", headers={"X-API-Key": key}) as socket:
        assert socket.receive_json()["name"] == "weather-bot"
    for lines in ({}, {"X-API-Key": "wrong-key"}):
        with pytest.raises((WebSocketDisconnect, AssertionError, RuntimeError, Exception)) as denied:
            with client.websocket_connect("/feed", headers=lines):
                pass
        assert getattr(denied.value, "status_code", 401) == 401


def test_the_description_says_that_a_key_is_needed(program: Program) -> None:
    schema = FastAPI.openapi(required_app(Keyward(program.url, timeout=PATIENCE)))
    assert schema["paths"]["/whoami"]["get"]["security"] == [{"Keyward": []}]
    assert schema["components"]["securitySchemes"]["Keyward"]["scheme"] == "bearer"


def test_the_route_is_named_by_its_template(program: Program) -> None:
    _, key = program.issue(scopes=["articles:read"])
    with relay(program) as seen, serving(required_app(Keyward(seen.url, timeout=PATIENCE))) as service:
        assert ask(service.address, "/articles/7", bearer(key)).status == 200
        (body,) = seen.bodies()
    assert body["resource"] == "GET /articles/{number}"
    assert body["address"] == "127.0.0.1"
    assert body["scopes"] == ["articles:read"]


def test_a_batch_has_a_verdict_for_each(program: Program) -> None:
    keyward = Keyward(program.url, timeout=PATIENCE)
    _, key = program.issue(limits=a_day(50))
    asks = [
        Ask(key),
        Ask("no key at all"),
        Ask("wrong-key"),
        Ask(key, scopes=["a:b"]),
        Ask(key, cost=7),
    ]
    verdicts = keyward.verify_batch(asks)
    expected = ["allowed", "unknown", "unknown", "out_of_scope", "allowed"]
    assert [verdict.verdict for verdict in verdicts] == expected
    assert verdicts[4].headers["X-RateLimit-Remaining"] == "42"
    assert keyward.verify_batch([Ask("no key")])[0].status == 401
    # Judged, and nothing taken.
    assert keyward.verify(key, cost=0).headers["X-RateLimit-Remaining"] == "42"
    assert "kw_" not in repr(asks)
