"""Asking Keyward about a key, and failing closed where that is not possible."""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import re
import secrets
import ssl
import time
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from . import credentials
from .connections import (
    BlockingConnections,
    LoopConnections,
    Origin,
    Response,
    UnreachableError,
)
from .verdict import UNAVAILABLE, UNKNOWN, NoVerdictError, Verdict, flooded, parse, verdict_of

_log = logging.getLogger("keyward")

SCOPES_MAX = 8
COST_MAX = 1_000_000
RESOURCE_LEN_MAX = 128
BATCH_MAX = 100

_SCOPE = re.compile(r"[a-z0-9_.-]+:[a-z0-9_.-]+")

_ADVICE = {
    401: "it rejects the door key: set KEYWARD_DOOR_KEY to one whose line is in its door_keys_file",
    403: "it does not accept connections from this machine: add its address to door_networks",
    404: "nothing is there: set KEYWARD_URL to the address of doors_listen",
}


class Need(NamedTuple):
    """What a route needs of a key.

    :raises ValueError: by :meth:`checked`, naming the part that does not fit.
    """

    #: All of them; at most 8. Without any, every key that works will do.
    scopes: Sequence[str] = ()
    #: How many ordinary requests it counts as: 0 to 1 000 000; 0 judges and takes nothing.
    cost: int = 1

    def checked(self) -> Need:
        if isinstance(self.scopes, str):
            raise ValueError('scopes is a text: write ("articles:read",) for one scope')
        for scope in self.scopes:
            if not _SCOPE.fullmatch(scope):
                raise ValueError(f"{scope!r} is no scope: write resource:action in a-z 0-9 _ . -")
        if len(self.scopes) > SCOPES_MAX:
            raise ValueError(f"{len(self.scopes)} scopes: ask for at most {SCOPES_MAX}")
        if type(self.cost) is not int or not 0 <= self.cost <= COST_MAX:
            raise ValueError(f"cost is {self.cost!r}: use a whole number from 0 to {COST_MAX}")
        return self


class Ask(NamedTuple):
    """One question of :meth:`Keyward.verify_batch`."""

    key: str
    scopes: Sequence[str] = ()
    cost: int = 1
    address: Optional[str] = None
    resource: Optional[str] = None

    def __repr__(self) -> str:
        return f"Ask(key=…, scopes={self.scopes!r}, cost={self.cost!r})"


class Keyward:
    """Asks one Keyward. Make one for all of a process; threads and event loops may share it.

    :param url: where ``doors_listen`` is, such as ``http://127.0.0.1:8002``; by default the variable
        ``KEYWARD_URL``.
    :param door_key: the door key, where Keyward has a ``door_keys_file``; by default the variable
        ``KEYWARD_DOOR_KEY``.
    :param timeout: seconds for all of a check. Half of it is for a first try, the rest for a second
        one with the same ``request_id``, so that the limits are taken from once.
    :param tls: for an ``https`` address; by default the authorities of the system.
    :raises ValueError: if an argument or variable does not fit; the text says which one.
    """

    def __init__(
        self,
        url: Optional[str] = None,
        *,
        door_key: Optional[str] = None,
        timeout: float = 1.0,
        tls: Optional[ssl.SSLContext] = None,
    ) -> None:
        origin = _origin(os.environ.get("KEYWARD_URL", "") if url is None else url, tls)
        if not timeout > 0:
            raise ValueError(f"timeout is {timeout!r}: use seconds, such as 1.0")
        if door_key is None:
            door_key = os.environ.get("KEYWARD_DOOR_KEY", "")
        self._timeout = timeout
        self._headers = {"Content-Type": "application/json"}
        if door_key:
            if not re.fullmatch(r"[!-~]+", door_key):
                raise ValueError("the door key has characters that no door key has")
            self._headers["X-Keyward-Door"] = door_key
        self._shown = f"{origin.host}:{origin.port}"
        self._blocking = BlockingConnections(origin)
        self._loops = LoopConnections(origin)
        self._trouble = _Trouble(self._shown)

    def __repr__(self) -> str:
        return f"Keyward({self._shown})"

    def verify(
        self,
        key: str,
        scopes: Sequence[str] = (),
        cost: int = 1,
        address: Optional[str] = None,
        resource: Optional[str] = None,
    ) -> Verdict:
        """Judges the text of a key, and takes ``cost`` from its limits if it is let in.

        :param address: the address of the end client. Without one, a key that is restricted to
            networks is denied; a text that is no IP address counts as none.
        :param resource: the route, such as ``GET /articles/{id}``, for Keyward's access log; at most
            128 characters, and a longer one is left out. Never a path with ids in it.
        """
        return self.verify_batch([Ask(key, scopes, cost, address, resource)])[0]

    async def verify_async(
        self,
        key: str,
        scopes: Sequence[str] = (),
        cost: int = 1,
        address: Optional[str] = None,
        resource: Optional[str] = None,
    ) -> Verdict:
        """The same without blocking the event loop."""
        return (await self.verify_batch_async([Ask(key, scopes, cost, address, resource)]))[0]

    def check(
        self,
        headers: Iterable[Tuple[bytes, bytes]],
        scopes: Sequence[str] = (),
        cost: int = 1,
        address: Optional[str] = None,
        resource: Optional[str] = None,
    ) -> Verdict:
        """Finds the key among the header lines of a request, and judges it."""
        key = credentials.find(headers)
        if isinstance(key, Verdict):
            return key
        return self.verify(key, scopes, cost, address, resource)

    async def check_async(
        self,
        headers: Iterable[Tuple[bytes, bytes]],
        scopes: Sequence[str] = (),
        cost: int = 1,
        address: Optional[str] = None,
        resource: Optional[str] = None,
    ) -> Verdict:
        """The same without blocking the event loop."""
        key = credentials.find(headers)
        if isinstance(key, Verdict):
            return key
        return await self.verify_async(key, scopes, cost, address, resource)

    def verify_batch(self, asks: Sequence[Ask]) -> List[Verdict]:
        """Judges up to 100 keys in one request, in order, each with its own take."""
        known = [ask for ask in asks if credentials.can_be_a_key(ask.key)]
        if len(known) < len(asks):
            found = iter(self.verify_batch(known) if known else [])
            return [next(found) if ask in known else UNKNOWN for ask in asks]
        path, body = _question(asks)
        begin = time.monotonic()
        try:
            try:
                response = self._blocking.post(path, body, self._headers, self._timeout / 2, False)
            except UnreachableError:
                left = begin + self._timeout - time.monotonic()
                response = self._blocking.post(path, body, self._headers, left, True)
        except UnreachableError as error:
            return self._trouble.reported(str(error), len(asks))
        return self._verdicts(response, len(asks))

    async def verify_batch_async(self, asks: Sequence[Ask]) -> List[Verdict]:
        """The same without blocking the event loop."""
        known = [ask for ask in asks if credentials.can_be_a_key(ask.key)]
        if len(known) < len(asks):
            found = iter(await self.verify_batch_async(known) if known else [])
            return [next(found) if ask in known else UNKNOWN for ask in asks]
        path, body = _question(asks)
        begin = time.monotonic()
        try:
            try:
                first = self._timeout / 2
                response = await self._loops.post(path, body, self._headers, first, False)
            except UnreachableError:
                left = begin + self._timeout - time.monotonic()
                response = await self._loops.post(path, body, self._headers, left, True)
        except UnreachableError as error:
            return self._trouble.reported(str(error), len(asks))
        return self._verdicts(response, len(asks))

    def close(self) -> None:
        """Closes the idle connections of threads."""
        self._blocking.close()

    async def aclose(self) -> None:
        """Closes the idle connections of the running event loop."""
        await self._loops.aclose()

    def _verdicts(self, response: Response, count: int) -> List[Verdict]:
        if response.status == 429:
            return [flooded(response.retry_after)] * count
        try:
            if response.status != 200:
                raise NoVerdictError(_advice(response))
            if count == 1:
                return [parse(response.body)]
            return _batch(response.body, count)
        except NoVerdictError as error:
            return self._trouble.reported(str(error), count)


class _Trouble:
    """Says in the log why requests get 503, at most once a second."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._next = 0.0

    def reported(self, text: str, count: int) -> List[Verdict]:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 1.0
            _log.error("Keyward at %s cannot be asked, so requests get 503: %s", self._shown, text)
        return [UNAVAILABLE] * count


def _origin(url: str, tls: Optional[ssl.SSLContext]) -> Origin:
    if not url:
        raise ValueError("KEYWARD_URL is not set: set it to the doors, as http://127.0.0.1:8002")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    # The text is not shown, for it may contain a password.
    if not host or parts.scheme not in ("http", "https") or parts.username is not None:
        raise ValueError("KEYWARD_URL is no address: write it as http://127.0.0.1:8002")
    if parts.query or parts.fragment or not url.isascii() or re.search(r"[\x00-\x20\x7f]", url):
        raise ValueError("KEYWARD_URL has more than an address and a path: remove the rest")
    secure = parts.scheme == "https"
    if secure and tls is None:
        tls = ssl.create_default_context()
    port = port or (443 if secure else 80)
    return Origin(host, port, parts.path.rstrip("/"), tls if secure else None)


def _question(asks: Sequence[Ask]) -> Tuple[str, bytes]:
    if not 1 <= len(asks) <= BATCH_MAX:
        raise ValueError(f"{len(asks)} keys: ask about 1 to {BATCH_MAX} at a time")
    items = [_item(ask) for ask in asks]
    if len(items) == 1:
        return "/verify", json.dumps(items[0]).encode()
    return "/verify/batch", json.dumps({"requests": items}).encode()


def _item(ask: Ask) -> Dict[str, Any]:
    need = Need(ask.scopes, ask.cost).checked()
    # Of this call alone: with it, a second try takes nothing more from the limits.
    item: Dict[str, Any] = {"key": ask.key, "request_id": secrets.token_hex(16)}
    if need.scopes:
        item["scopes"] = list(need.scopes)
    if need.cost != 1:
        item["cost"] = need.cost
    address = _address(ask.address)
    if address is not None:
        item["address"] = address
    if ask.resource and len(ask.resource) <= RESOURCE_LEN_MAX:
        item["resource"] = ask.resource
    return item


def _address(text: Optional[str]) -> Optional[str]:
    if text is None:
        return None
    try:
        # Without the zone, which means something on this machine only.
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def _advice(response: Response) -> str:
    if response.status == 422:
        return f"it rejects the question: {_faults(response.body)}"
    return _ADVICE.get(response.status, f"it responds with {response.status}")


def _faults(body: bytes) -> str:
    """Where a question does not fit. What was sent there is left out."""
    try:
        faults = json.loads(body)["detail"]
        return "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in faults
        )
    except (ValueError, KeyError, TypeError):
        return "it does not say why"


def _batch(body: bytes, count: int) -> List[Verdict]:
    try:
        results = json.loads(body)["results"]
    except (ValueError, KeyError, TypeError):
        raise NoVerdictError("its response is no list of verdicts") from None
    if not isinstance(results, list) or len(results) != count:
        raise NoVerdictError("its response has another number of verdicts")
    return [verdict_of(result) for result in results]
