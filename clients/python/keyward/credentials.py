"""Finding the key in a request, by the rules of Keyward itself.

``clients/cases.json`` has the rules as a table, which all clients and the server pass.
"""

from __future__ import annotations

import re
from typing import Iterable, List, Tuple, Union

from .verdict import MALFORMED, MISSING, SEVERAL, UNKNOWN, Verdict

KEY_LEN_MAX = 512

_BEARER = re.compile(rb"bearer +([!-~]+) *", re.IGNORECASE)
_KEY = re.compile(r"[!-~]{1,%d}" % KEY_LEN_MAX)
_SCHEME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SPACE = b" \t"


def find(headers: Iterable[Tuple[bytes, bytes]]) -> Union[str, Verdict]:
    """Returns the one key of a request, or the verdict that rejects the request.

    ``headers`` are all header lines as they came, each on its own and in bytes, as ASGI has them.
    A framework that joins two lines of one name hides that there are two keys.

    >>> find([(b"authorization", b"Bearer kw_abc")])
    'kw_abc'
    >>> find([(b"x-api-key", b"kw_abc"), (b"x-api-key", b"kw_def")]).status
    400
    """
    bearers: List[bytes] = []
    keys: List[bytes] = []
    for name, value in headers:
        lines = {b"authorization": bearers, b"x-api-key": keys}.get(name.lower())
        # A line without a value is as if it were not there.
        if lines is not None and value.strip(_SPACE):
            lines.append(value)
    if len(bearers) > 1 or len(keys) > 1:
        return SEVERAL
    if not bearers:
        return _readable(keys[0]) if keys else MISSING
    bearer = _BEARER.fullmatch(bearers[0])
    if bearer:
        return SEVERAL if keys else _readable(bearer[1])
    # Credentials of another scheme may be for a proxy in front.
    return _readable(keys[0]) if keys and _has_another_scheme(bearers[0]) else MALFORMED


def can_be_a_key(text: str) -> bool:
    """Any other text is that of an unknown key, and stays in this process."""
    return _KEY.fullmatch(text) is not None


def _readable(key: bytes) -> Union[str, Verdict]:
    text = key.decode("latin-1")
    return text if can_be_a_key(text) else UNKNOWN


def _has_another_scheme(line: bytes) -> bool:
    scheme = line.strip(_SPACE).split(b" ", 1)[0]
    return _SCHEME.fullmatch(scheme) is not None and scheme.lower() != b"bearer"
