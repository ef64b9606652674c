"""The outcome of a check, ready for the end client."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple


@dataclass(frozen=True)
class Caller:
    """A verified key. It has no secret in it, so it may be logged."""

    key_id: int
    name: str
    tier: str
    owner: Optional[str] = None
    scopes: Tuple[str, ...] = ()
    #: RFC 3339; ``None`` is never.
    expires_at: Optional[str] = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """Whether a request may go on, and what its client is to get.

    A request that is not ``allowed`` gets ``status``, ``headers`` and ``body``; the response of one
    that is gets ``headers`` in addition to its own.
    """

    allowed: bool
    status: int
    #: Why, for the client; empty if the request is allowed.
    detail: str
    headers: Mapping[str, str]
    #: The key, where it was verified; also of a key that is limited, revoked and so on.
    caller: Optional[Caller]
    #: The reason in a word, for your log. Do not show it to the client: it tells a revoked key from
    #: one that never existed.
    verdict: str

    @property
    def body(self) -> bytes:
        """The JSON of a rejection."""
        return json.dumps({"detail": self.detail}, separators=(",", ":")).encode()


class NoVerdictError(Exception):
    """Keyward responded with something that is no verdict. The text never contains the key."""


def rejection(verdict: str, status: int, detail: str, **headers: str) -> Verdict:
    """A verdict that no key is needed for."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Verdict(False, status, detail, named, None, verdict)


# The texts of Keyward's own rejections, to the letter.
MISSING = rejection("missing", 401, "Missing Authorization header", WWW_Authenticate="Bearer")
MALFORMED = rejection(
    "malformed",
    401,
    "Invalid Authorization format. Use: Bearer YOUR_API_KEY",
    WWW_Authenticate='Bearer error="invalid_request"',
)
SEVERAL = rejection(
    "ambiguous",
    400,
    "More than one API key in the request",
    WWW_Authenticate='Bearer error="invalid_request"',
)
UNKNOWN = rejection(
    "unknown",
    401,
    "Invalid or inactive API key",
    WWW_Authenticate='Bearer error="invalid_token"',
)
UNAVAILABLE = rejection("unavailable", 503, "Service Unavailable", Retry_After="1")


def flooded(retry_after: Optional[str]) -> Verdict:
    """Too many wrong keys came from the client's address."""
    seconds = retry_after if retry_after and retry_after.isdecimal() else "1"
    return rejection("flooded", 429, "Rate limit exceeded", Retry_After=seconds)


def parse(body: bytes) -> Verdict:
    """The verdict of a response with status 200.

    :raises NoVerdictError: for anything else, so that a doubtful response lets nothing through.
    """
    try:
        read = json.loads(body)
    except ValueError:
        # Its text would quote the body.
        raise NoVerdictError("its response is not JSON") from None
    return verdict_of(read)


def verdict_of(read: Any) -> Verdict:
    """The verdict that a JSON value is."""
    try:
        allowed, status, detail = read["valid"], read["status"], read["detail"]
        headers, key, word = read["headers"], read["key"], read["verdict"]
        caller = None if key is None else _caller(key)
    except (KeyError, TypeError):
        raise NoVerdictError("its response lacks a field of a verdict") from None
    texts = isinstance(headers, dict) and all(isinstance(text, str) for text in headers.values())
    if allowed is True and detail is None:
        fits, detail = type(status) is int and status == 200 and caller is not None, ""
    else:
        denied = allowed is False and isinstance(detail, str)
        fits = denied and type(status) is int and 400 <= status < 600
    if not fits or not texts or not isinstance(word, str):
        raise NoVerdictError("its response is no verdict")
    return Verdict(allowed, status, detail, headers, caller, word)


def _caller(key: Dict[str, Any]) -> Caller:
    return Caller(
        key_id=key["key_id"],
        name=key["name"],
        tier=key["tier"],
        owner=key["owner"],
        scopes=tuple(key["scopes"]),
        expires_at=key["expires_at"],
        metadata=key["metadata"],
    )
