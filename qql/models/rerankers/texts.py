"""The text of a hit that a reranker reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from qql.compiler.rows import TEXT_FIELDS

__all__ = ["hit_text"]

_STEP = re.compile(r'(?:^|\.)(?:"([^"]+)"|([^."\[\]]+))|(?<!^)\[([0-9]{0,9})\]')


def hit_text(payload: Mapping[str, Any] | None, field: str | None = None) -> str | None:
    """What a payload has to say, or None where it holds no text at the field.

    ``field`` is a path as Qdrant writes it: ``a.b``, ``a[].b`` (of each element), ``a[0].b``, ``"a.b".c``;
    a name that is no path stands for itself. Several texts, those of a list included, are joined by line
    ends; what is not a string is left out. Without a field, it is the first of `TEXT_FIELDS` that is not
    empty. An empty string is a text.
    """
    if payload is None:
        return None
    if field is not None:
        texts = [value for value in _values(payload, field) if isinstance(value, str)]
        return "\n".join(texts) if texts else None
    texts = [payload[name] for name in TEXT_FIELDS if isinstance(payload.get(name), str)]
    return next((text for text in texts if text), "" if texts else None)


def _values(payload: Mapping[str, Any], field: str) -> list[Any]:
    """The values at a path; of a list at its end, the elements."""
    found: list[Any] = [payload]
    for step in _steps(field):
        if isinstance(step, str):
            found = [value[step] for value in found if isinstance(value, Mapping) and step in value]
        elif step is None:
            found = [item for value in found if isinstance(value, list) for item in value]
        else:
            found = [value[step] for value in found if isinstance(value, list) and step < len(value)]
    return [item for value in found for item in (value if isinstance(value, list) else [value])]


def _steps(field: str) -> list[str | int | None]:
    """Keys, places in a list, and None for all elements of one; the name itself where it is no path."""
    steps: list[str | int | None] = []
    at = 0
    while at < len(field):
        match = _STEP.match(field, at)
        if match is None:
            return [field]
        quoted, plain, index = match.groups()
        steps.append(quoted or plain or (int(index) if index else None))
        at = match.end()
    return steps
