"""Guards an API in Python with Keyward: ``keyward.fastapi``, ``keyward.asgi``, or a plain call."""

from .client import Ask, Keyward
from .verdict import Caller, Verdict

__all__ = ["Ask", "Caller", "Keyward", "Verdict"]
