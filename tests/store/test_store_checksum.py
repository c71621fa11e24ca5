"""CRC-32 is zlib's, whichever library it comes from."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from logd.store.checksum import crc32


@given(st.binary(max_size=2000), st.integers(0, 2**32 - 1))
def test_it_is_zlibs(data: bytes, start: int) -> None:
    assert crc32(data) == crc32(memoryview(data)) == zlib.crc32(data)
    assert crc32(data, start) == zlib.crc32(data, start)


def test_it_is_what_every_tool_says() -> None:
    assert crc32(b"123456789") == 0xCBF43926
