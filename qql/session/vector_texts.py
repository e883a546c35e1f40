"""Vectors as JSON: each number as its shortest decimal from which the same 32-bit float is read."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from qql.rest.types import Json

__all__ = ["vector_json"]


def vector_json(vector: Json) -> str:
    """The JSON of a point's vector, of its vectors by name, or of null: dense, sparse and multivectors.

    Engines keep 32-bit floats, which as Python's floats have up to 17 digits; nine always suffice.
    """
    import json

    if isinstance(vector, list):
        if vector and isinstance(vector[0], list):
            return f"[{', '.join(map(vector_json, vector))}]"
        return _numbers_json(vector)
    if isinstance(vector, dict):
        named = (f"{json.dumps(key, ensure_ascii=False)}: {_part(key, one)}" for key, one in vector.items())
        return f"{{{', '.join(named)}}}"
    return json.dumps(vector)


def _part(key: str, value: Json) -> str:
    if key == "indices" and isinstance(value, list) and all(type(one) is int for one in value):
        return str(value)
    return vector_json(value)


def _numbers_json(numbers: Sequence[float]) -> str:
    """Numbers in brackets. The digits are tried from seven up, of all numbers at once."""
    exact = array("f", numbers)
    texts = (", ".join(["%.7g"] * len(numbers)) % tuple(numbers)).split(", ") if numbers else []
    for digits in (8, 9):
        found = array("f", map(float, texts))
        if found == exact:
            break
        for place, (one, other) in enumerate(zip(found, exact, strict=True)):
            if one != other:
                texts[place] = f"{numbers[place]:.{digits}g}"
    return f"[{', '.join('-0.0' if text == '-0' else text for text in texts)}]"
