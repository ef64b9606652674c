"""ASGI middleware: for any framework, and for what a dependency of FastAPI cannot reach."""

from __future__ import annotations

from typing import (
    Any,
    Awaitable,
    Callable,
    Iterable,
    List,
    Mapping,
    MutableMapping,
    Optional,
    Sequence,
    Tuple,
)

from .client import Keyward, Need
from .verdict import Caller, Verdict

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Lines = List[Tuple[bytes, bytes]]

CALLER = "keyward.caller"
_VERDICTS = "keyward.verdicts"
_VARY = (b"authorization", b"Authorization"), (b"x-api-key", b"X-API-Key")


def peer(scope: Scope) -> Optional[str]:
    """The other end of the connection, as the server knows it. No header is read."""
    client = scope.get("client")
    return client[0] if client else None


def caller(scope: Scope) -> Caller:
    """The caller of a request that :class:`Guard` let in."""
    found: Caller = scope[CALLER]
    return found


class Guard:
    """Lets in requests and websockets whose key works, and rejects every other one.

    :param exempt: which requests pass without a key, such as ``lambda scope: scope["path"] ==
        "/healthz"``; none by default.
    :param address: where the client's address is; the peer of the connection by default. After a
        proxy that you trust, read it from a header that the proxy overwrites in every request.
    """

    def __init__(
        self,
        app: App,
        keyward: Keyward,
        scopes: Sequence[str] = (),
        cost: int = 1,
        exempt: Optional[Callable[[Scope], bool]] = None,
        address: Callable[[Scope], Optional[str]] = peer,
    ) -> None:
        self._app = app
        self._keyward = keyward
        self._need = Need(scopes, cost).checked()
        self._exempt = exempt
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (self._exempt is not None and self._exempt(scope)):
            return await self._app(scope, receive, send)
        scopes, cost = self._need
        verdict = await self._keyward.check_async(
            scope["headers"], scopes, cost, self._address(scope)
        )
        if not verdict.allowed:
            return await reject(verdict, scope, receive, send)
        scope[CALLER] = verdict.caller
        await self._app(scope, receive, _completing([verdict], send))


class ResponseHeaders:
    """Adds the limits of the caller to every response, whatever the handler returns or raises.

    For :class:`keyward.fastapi.Require`, which by itself adds them only to the responses that
    FastAPI makes of a handler's return value.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        verdicts: List[Verdict] = []
        scope[_VERDICTS] = verdicts
        await self._app(scope, receive, _completing(verdicts, send))


def noted(scope: Scope, verdict: Verdict) -> bool:
    """Leaves a verdict to :class:`ResponseHeaders`, where there is one."""
    verdicts: Optional[List[Verdict]] = scope.get(_VERDICTS)
    if verdicts is not None:
        verdicts.append(verdict)
    return verdicts is not None


def complete(lines: Iterable[Tuple[bytes, bytes]], headers: Mapping[str, str]) -> Lines:
    """The header lines of a response with those of a verdict.

    A cache on the way must not hand out what an ``X-API-Key`` opened, so that the response varies by
    it; a ``Cache-Control`` of the handler is kept.
    """
    told = {name.lower().encode(): text.encode("latin-1") for name, text in headers.items()}
    told.pop(b"vary", None)
    cache_control = told.pop(b"cache-control", b"private, no-cache")
    kept = [(name, value) for name, value in lines if name.lower() not in told]
    vary = [part.strip() for name, value in kept if name.lower() == b"vary" for part in value.split(b",")]
    named = [part.lower() for part in vary]
    if b"*" not in named:
        kept = [(name, value) for name, value in kept if name.lower() != b"vary"]
        vary += [text for name, text in _VARY if name not in named]
        kept.append((b"vary", b", ".join(part for part in vary if part)))
    if all(name.lower() != b"cache-control" for name, _ in kept):
        kept.append((b"cache-control", cache_control))
    return kept + list(told.items())


async def reject(verdict: Verdict, scope: Scope, receive: Receive, send: Send) -> None:
    """Responds to a request, or to the opening of a websocket, that is not let in."""
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            # The server makes 403 of it.
            return await send({"type": "websocket.close", "code": 1008})
        kind = "websocket.http.response"
    body = verdict.body
    lines = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    headers = complete(lines, verdict.headers)
    await send({"type": f"{kind}.start", "status": verdict.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})


def _completing(verdicts: List[Verdict], send: Send) -> Send:
    async def completing(message: Message) -> None:
        if verdicts and message["type"] == "http.response.start":
            headers = complete(message.get("headers", ()), verdicts[-1].headers)
            message = {**message, "headers": headers}
        await send(message)

    return completing
