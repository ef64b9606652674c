"""A dependency of FastAPI. The only module that needs FastAPI."""

# Annotations are values here, for FastAPI reads them.
from typing import Any, Callable, Optional

from fastapi import HTTPException, Request, Response
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from .asgi import complete, noted, peer
from .client import Keyward, Need
from .verdict import Caller, Verdict


def peer_of(request: Request) -> Optional[str]:
    """The other end of the connection, as the server knows it. No header is read."""
    return peer(request.scope)


class Require(SecurityBase):
    """Lets a request in if its key works and has all of ``scopes``; the value is its caller.

    >>> caller: Annotated[Caller, Depends(Require(keyward, "articles:read"))]  # doctest: +SKIP

    :param cost: how many ordinary requests it counts as.
    :param address: where the client's address is; the peer of the connection by default. After a
        proxy that you trust, read it from a header that the proxy overwrites in every request.
    """

    def __init__(
        self,
        keyward: Keyward,
        *scopes: str,
        cost: int = 1,
        address: Callable[[Request], Optional[str]] = peer_of,
    ) -> None:
        self.model = HTTPBearer(description="An API key")
        self.scheme_name = "Keyward"
        self._keyward = keyward
        self._need = Need(scopes, cost).checked()
        self._address = address

    async def __call__(self, request: Request, response: Response) -> Caller:
        scopes, cost = self._need
        headers, address = request.scope["headers"], self._address(request)
        resource = _resource(request)
        verdict = await self._keyward.check_async(headers, scopes, cost, address, resource)
        seen = noted(request.scope, verdict)
        if verdict.caller is None or not verdict.allowed:
            raise _rejection(verdict)
        if not seen:
            response.headers.raw[:] = complete(response.headers.raw, verdict.headers)
        return verdict.caller


def _rejection(verdict: Verdict) -> HTTPException:
    lines = complete([], verdict.headers)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in lines}
    return HTTPException(verdict.status, verdict.detail, headers)


def _resource(request: Request) -> Optional[str]:
    """The template of the route, never the path with its ids."""
    route: Any = request.scope.get("route")
    path = getattr(route, "path", None)
    return f"{request.method} {path}" if isinstance(path, str) else None
