"""The real program, a relay in front of it that can fail, and requests as bytes."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import secrets
import socket
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

#: Where a test is not about time, a machine that is busy may take its own.
PATIENCE = 30.0
TABLE: Any = json.loads((Path(__file__).parents[2] / "cases.json").read_text())
CASES: List[Dict[str, Any]] = TABLE["cases"]


class Program:
    """``keyward serve`` with doors, on free ports, in a directory of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = settings
        self.admin_key = secrets.token_hex(32)
        self.public = self.doors = ""
        self.start()

    def start(self) -> None:
        listen = self.public or "127.0.0.1:0"
        environment = {
            "ADMIN_API_KEY": self.admin_key,
            "KEYWARD_DOORS_LISTEN": self.doors or "127.0.0.1:0",
            **self.settings,
        }
        self._process = subprocess.Popen(
            [os.environ["KEYWARD_PROGRAM"], "serve", "--listen", listen],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "log").open("ab"),
        )
        assert self._process.stdout is not None
        found = {}
        for line in self._process.stdout:
            name, _, address = line.decode().strip().partition("  http://")
            found[name.strip()] = address
            if {"listening", "doors"} <= found.keys():
                self.public, self.doors = found["listening"], found["doors"]
                return
        raise AssertionError(self.log())

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def url(self) -> str:
        return f"http://{self.doors}"

    def admin(self, method: str, path: str, body: object = None) -> Tuple[int, Any]:
        connection = http.client.HTTPConnection(self.public, timeout=30)
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"X-Admin-Key": self.admin_key})
        response = connection.getresponse()
        read = response.read()
        connection.close()
        return response.status, json.loads(read) if read else None

    def issue(self, name: str = "weather-bot", **fields: object) -> Tuple[int, str]:
        """A new key: its id and its secret."""
        status, issued = self.admin("POST", "/admin/api-keys", {"name": name, **fields})
        assert status == 201, issued
        return issued["key_id"], issued["api_key"]

    def take_in_cases(self) -> Dict[str, str]:
        """Makes every key of the table work, and returns their names."""
        names = {case["key"]: f"case-{at}" for at, case in enumerate(CASES) if "key" in case}
        rows = "".join(
            json.dumps({"name": name, "digest": digest(key), "limits": []}) + "\n"
            for key, name in names.items()
        )
        path = self.folder / "cases.jsonl"
        path.write_text(rows)
        subprocess.run(
            [os.environ["KEYWARD_PROGRAM"], "import", path, "--server", f"http://{self.public}"],
            env={"ADMIN_API_KEY": self.admin_key},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return names


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class Reply(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(
    address: str, path: str, lines: Sequence[Tuple[str, str]] = (), method: str = "GET"
) -> Reply:
    """A request with header lines to the byte, and its response."""
    head = [f"{method} {path} HTTP/1.1", f"Host: {address}", "Connection: close"]
    head += [f"{name}: {value}" for name, value in lines]
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode("latin-1"))
        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        return Reply(response.status, response.headers, response.read())


def bearer(key: str) -> List[Tuple[str, str]]:
    return [("Authorization", f"Bearer {key}")]


#: Gets what the client sent, and how many requests came before. Returns the bytes of a response
#: (``b""`` hangs up), or ``None`` for silence until the client hangs up.
Fault = Callable[[bytes, int], Optional[bytes]]


class Relay:
    """In front of the program. A fault takes the place of a response that it has fetched."""

    def __init__(self, program: Optional[Program], fault: Optional[Fault] = None) -> None:
        self._program = program
        self._fault = fault
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:{}".format(self._listener.getsockname()[1])
        self.connections = 0
        self.requests: List[bytes] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.close()

    def bodies(self) -> List[Any]:
        return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in self.requests]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._relay(connection)
        except OSError:
            pass  # The client hung up.

    def _relay(self, connection: socket.socket) -> None:
        with connection:
            while request := _request(connection):
                before = len(self.requests)
                self.requests.append(request)
                response = self._from_program(request) if self._program else b""
                if self._fault is not None:
                    faulty = self._fault(request, before)
                    if faulty is None:
                        connection.recv(1)
                        return
                    response = faulty if faulty != b"pass" else response
                if not response:
                    return
                connection.sendall(response)

    def _from_program(self, request: bytes) -> bytes:
        assert self._program is not None
        host, _, port = self._program.doors.partition(":")
        with socket.create_connection((host, int(port)), timeout=30) as upstream:
            upstream.sendall(request)
            return _request(upstream)


def _request(connection: socket.socket) -> bytes:
    """A head and a body of a known length; nothing if the other end hung up."""
    read = b""
    while b"\r\n\r\n" not in read:
        part = connection.recv(65536)
        if not part:
            return b""
        read += part
    head, _, body = read.partition(b"\r\n\r\n")
    length = next(
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            return b""
        body += part
    return head + b"\r\n\r\n" + body


@contextmanager
def relay(program: Optional[Program], fault: Optional[Fault] = None) -> Iterator[Relay]:
    made = Relay(program, fault)
    try:
        yield made
    finally:
        made.close()
