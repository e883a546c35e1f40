"""Dense vectors as base64: the text of 32-bit floats, little-endian, as embedding services send them."""

from __future__ import annotations

from qql.rest.types import Json
from qql.schema import VectorInfo

__all__ = ["is_base64", "vector_of_base64"]


def is_base64(value: Json) -> bool:
    """Whether a value is base64 of whole 32-bit floats."""
    return isinstance(value, str) and bool(value) and len(_bytes_of(value) or b"-") % 4 == 0


def vector_of_base64(value: Json, vector: VectorInfo | None) -> list[float] | None:
    """The numbers of a text that is as long as the vector; None of any other value.

    A text for a vector with a model is a text to embed, whatever it looks like.
    """
    if vector is None or vector.kind != "dense" or vector.model is not None or not vector.size:
        return None
    if not isinstance(value, str) or len(value) != (vector.size * 4 + 2) // 3 * 4:
        return None
    data = _bytes_of(value)
    if data is None or len(data) != vector.size * 4:
        return None
    import struct

    return list(struct.unpack(f"<{vector.size}f", data))


def _bytes_of(text: str) -> bytes | None:
    import binascii

    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # what is no ASCII, too
        return None
