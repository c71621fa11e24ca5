"""CRC-32, as zlib has it, from ISA-L: which takes a seventh off a flood."""

from __future__ import annotations

from isal.isal_zlib import crc32

__all__ = ["crc32"]
