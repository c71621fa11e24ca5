"""Input becomes blocks: text and structured batches are stamped, given levels, and encoded as stored JSON Lines."""

from logd.ingest.block import MAX_BLOCK_BYTES, Block, Envelope
from logd.ingest.lines import LineBatch, encode_lines
from logd.ingest.structured import encode_records

__all__ = ["MAX_BLOCK_BYTES", "Block", "Envelope", "LineBatch", "encode_lines", "encode_records"]
