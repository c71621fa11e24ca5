"""CRC-32 as zlib has it, where it can be from ISA-L: which takes a seventh off a flood.

Which of both is decided once. The sums of index entries, of 64 bytes, are so short that an operation's choice for each
(logd/accel.py) would take longer than they do.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from logd import accel


def _fastest() -> Callable[..., int]:
    if accel.mode() == "off":
        return zlib.crc32
    try:
        from isal.isal_zlib import crc32
    except ImportError:
        return zlib.crc32
    return crc32


crc32: Callable[..., int] = _fastest()
