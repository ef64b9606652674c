"""Kept connections to Keyward: blocking ones of ``http.client``, and those of an event loop."""

from __future__ import annotations

import asyncio
import http.client
import io
import os
import socket
import ssl
import time
from collections import deque
from typing import Any, Deque, Dict, NamedTuple, Optional, Tuple
from weakref import WeakKeyDictionary

#: Connections that are kept while idle; more may be open at a time. A verdict takes well under a
#: millisecond, so that even a busy service seldom needs that many.
KEPT_MAX = 64
#: A verdict has at most some 10 KiB, most of it metadata; a batch has 100 of them.
RESPONSE_LEN_MAX = 2 * 1024 * 1024


class Origin(NamedTuple):
    """Where Keyward is."""

    host: str
    port: int
    path: str
    tls: Optional[ssl.SSLContext]


class Response(NamedTuple):
    status: int
    retry_after: Optional[str]
    body: bytes


class UnreachableError(Exception):
    """No whole response came. The text never contains a part of the request."""


def _unreachable(error: BaseException) -> UnreachableError:
    in_time = not isinstance(error, (TimeoutError, asyncio.TimeoutError, socket.timeout))
    text = f"{type(error).__name__}: {error}" if in_time else "no response in time"
    return UnreachableError(text)


class BlockingConnections:
    """For threads. Any number of them may use it at once."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._process = os.getpid()
        # Appending to a deque and taking from it are atomic.
        self._idle: Deque[http.client.HTTPConnection] = deque()

    def post(
        self, path: str, body: bytes, headers: Dict[str, str], seconds: float, fresh: bool
    ) -> Response:
        """Sends once. ``fresh`` opens a connection, for a kept one may have been closed meanwhile.

        :raises UnreachableError: if no whole response came within ``seconds``.
        """
        end = time.monotonic() + seconds
        connection = None if fresh else self._take()
        try:
            if connection is None:
                connection = self._open(seconds)
            timed: Any = connection.sock
            timed.end = end
            connection.request("POST", self._origin.path + path, body, headers)
            response = connection.getresponse()
            read = response.read(RESPONSE_LEN_MAX + 1)
            if len(read) > RESPONSE_LEN_MAX:
                raise http.client.HTTPException("its response is too long")
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._drop(connection)
            raise _unreachable(error) from None
        except BaseException:
            # An interrupt: the response to this request must not meet the next one.
            self._drop(connection)
            raise
        self._keep(connection)
        return Response(response.status, response.headers.get("Retry-After"), read)

    def close(self) -> None:
        """Closes the idle connections. The next request opens one anew."""
        while (connection := self._take()) is not None:
            connection.close()

    def _open(self, seconds: float) -> http.client.HTTPConnection:
        host, port, _, tls = self._origin
        if tls is None:
            connection = http.client.HTTPConnection(host, port, timeout=seconds)
        else:
            connection = http.client.HTTPSConnection(host, port, timeout=seconds, context=tls)
        connection.connect()
        connection.sock = _Timed(connection.sock)
        return connection

    def _take(self) -> Optional[http.client.HTTPConnection]:
        if self._process != os.getpid():
            # The connections of the parent process: two processes would read each other's verdicts.
            self._process, self._idle = os.getpid(), deque()
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        # One that the server ends has no socket any more.
        if connection.sock is not None:
            if len(self._idle) < KEPT_MAX:
                self._idle.append(connection)
            else:
                connection.close()

    @staticmethod
    def _drop(connection: Optional[http.client.HTTPConnection]) -> None:
        if connection is not None:
            connection.close()


class _Timed:
    """A socket whose steps all end by one time: a timeout of a socket counts for each step anew."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.end = 0.0

    def limit(self) -> None:
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)

    def sendall(self, data: bytes) -> None:
        self.limit()
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self, self._sock.makefile("rb", buffering=0)))

    def close(self) -> None:
        self._sock.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, timed: _Timed, raw: Any) -> None:
        self._timed = timed
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        self._timed.limit()
        count: Optional[int] = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


_Stream = Tuple[asyncio.StreamReader, asyncio.StreamWriter]


class LoopConnections:
    """For coroutines. No thread takes part: handing a request to one costs more than the request.

    Each event loop has connections of its own.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._process = os.getpid()
        self._idle: WeakKeyDictionary[asyncio.AbstractEventLoop, Deque[_Stream]]
        self._idle = WeakKeyDictionary()

    async def post(
        self, path: str, body: bytes, headers: Dict[str, str], seconds: float, fresh: bool
    ) -> Response:
        """The same as :meth:`BlockingConnections.post`, without blocking the loop."""
        try:
            return await asyncio.wait_for(self._exchange(path, body, headers, fresh), seconds)
        except (OSError, EOFError, ValueError, asyncio.TimeoutError) as error:
            raise _unreachable(error) from None
        except asyncio.LimitOverrunError:
            raise UnreachableError("the head of its response is too long") from None

    async def aclose(self) -> None:
        """Closes the idle connections of the running loop."""
        idle = self._idle_here()
        while idle:
            writer = idle.pop()[1]
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                pass  # It is closed all the same.

    async def _exchange(
        self, path: str, body: bytes, headers: Dict[str, str], fresh: bool
    ) -> Response:
        idle = self._idle_here()
        reader, writer = await self._open() if fresh or not idle else idle.pop()
        kept = False
        try:
            writer.write(self._head(path, len(body), headers) + body)
            response, kept = await _read(reader)
        finally:
            # Also when the time is over or the task was cancelled: the response to this request
            # must not meet the next one.
            if kept and len(idle) < KEPT_MAX:
                idle.append((reader, writer))
            else:
                writer.close()
        return response

    async def _open(self) -> _Stream:
        host, port, _, tls = self._origin
        return await asyncio.open_connection(host, port, ssl=tls)

    def _head(self, path: str, length: int, headers: Dict[str, str]) -> bytes:
        host, port, prefix, _ = self._origin
        host = f"[{host}]" if ":" in host else host
        lines = [f"POST {prefix}{path} HTTP/1.1", f"Host: {host}:{port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {length}", "", ""]
        return "\r\n".join(lines).encode("ascii")

    def _idle_here(self) -> Deque[_Stream]:
        if self._process != os.getpid():
            self._process, self._idle = os.getpid(), WeakKeyDictionary()
        return self._idle.setdefault(asyncio.get_running_loop(), deque())


async def _read(reader: asyncio.StreamReader) -> Tuple[Response, bool]:
    """The response, and whether the connection can be used again.

    Only the form that Keyward sends is read, which is that of a body with a known length.
    """
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    protocol, _, rest = head[0].partition(" ")
    status, length, retry_after, kept = rest[:3], "", None, protocol == "HTTP/1.1"
    for line in head[1:-2]:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        if name == "content-length":
            length = value
        elif name == "retry-after":
            retry_after = value
        elif name == "connection" and "close" in value.lower():
            kept = False
        elif name == "transfer-encoding":
            raise ValueError("its response has no length")
    if not (protocol.startswith("HTTP/1.") and _is_number(status) and _is_number(length)):
        raise ValueError("its response is not HTTP")
    if int(length) > RESPONSE_LEN_MAX:
        raise ValueError("its response is too long")
    body = await reader.readexactly(int(length))
    return Response(int(status), retry_after, body), kept


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10
