"""Services that are guarded, and a server for them."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Query, Request, WebSocket
from fastapi.responses import JSONResponse

from keyward import Caller, Keyward
from keyward.asgi import Guard, ResponseHeaders, caller
from keyward.fastapi import Require


def shown(found: Caller) -> Dict[str, Any]:
    return {"name": found.name, "tier": found.tier, "scopes": list(found.scopes)}


def required_app(keyward: Keyward) -> FastAPI:
    """Routes with a dependency each."""
    app = FastAPI()

    @app.get("/whoami")
    def whoami(found: Caller = Depends(Require(keyward))) -> Dict[str, Any]:
        return shown(found)

    @app.get("/articles/{number}")
    def article(number: int, found: Caller = Depends(Require(keyward, "articles:read"))) -> int:
        return number

    @app.get("/export", dependencies=[Depends(Require(keyward, cost=5))])
    def export() -> str:
        return "all"

    @app.get("/dear", dependencies=[Depends(Require(keyward, cost=1_000))])
    def dear() -> str:
        return "all"

    @app.get("/internal")
    def internal(
        found: Caller = Depends(Require(keyward, address=lambda request: "10.1.2.3")),
    ) -> Dict[str, Any]:
        return shown(found)

    return app


def completed_app(keyward: Keyward) -> FastAPI:
    """The same with responses that FastAPI does not make."""
    app = required_app(keyward)
    app.add_middleware(ResponseHeaders)

    @app.get("/own", dependencies=[Depends(Require(keyward))])
    def own() -> JSONResponse:
        return JSONResponse("own", headers={"Vary": "Accept", "Cache-Control": "public, max-age=9"})

    @app.get("/gone", dependencies=[Depends(Require(keyward))])
    def gone() -> None:
        raise HTTPException(410, "Gone")

    return app


def guarded_app(keyward: Keyward) -> FastAPI:
    """All of an app in one guard."""
    app = FastAPI()
    app.add_middleware(Guard, keyward=keyward, exempt=lambda scope: scope["path"] == "/healthz")

    @app.get("/whoami")
    def whoami(request: Request) -> Dict[str, Any]:
        return shown(caller(request.scope))

    @app.get("/healthz")
    def healthz() -> str:
        return "fine"

    @app.websocket("/feed")
    async def feed(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json(shown(caller(socket.scope)))
        await socket.close()

    return app


ARTICLES: List[Dict[str, Any]] = [
    {
        "id": number,
        "title": f"Article {number}",
        "url": f"https://news.example/{number}",
        "description": None,
        "source": "Example" if number % 2 else "Other",
        "category": "science" if number % 3 else "sport",
        "published_at": f"2026-11-{number:02}T09:30:00Z",
    }
    for number in range(30, 0, -1)
]


def articles_app(keyward: Keyward) -> FastAPI:
    """A service of articles, whose `require_api_key` is the client."""
    app = FastAPI()
    require_api_key = Require(keyward)

    @app.get("/articles")
    def list_articles(
        category: Optional[str] = None,
        source: Optional[str] = None,
        limit: int = Query(20, ge=1, le=100),
        caller: Caller = Depends(require_api_key),
    ) -> Dict[str, Any]:
        found = [
            article
            for article in ARTICLES
            if category in (None, article["category"]) and source in (None, article["source"])
        ][:limit]
        return {"articles": found, "count": len(found)}

    return app


class Serving(NamedTuple):
    address: str


@contextmanager
def serving(app: FastAPI, http: str = "auto") -> Iterator[Serving]:
    """Serves an app with uvicorn. Its headers of proxies are not read."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=http, log_level="warning", proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Serving("127.0.0.1:{}".format(listener.getsockname()[1]))
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
