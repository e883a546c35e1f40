"""What is sent for a statement: each request with its size, its prefetches and what models make of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from qql.analysis.text import counted, one_line
from qql.rest.inference_objects import Inferred, inferred_of
from qql.rest.linear_fusion import awaits_lists
from qql.rest.request import Request
from qql.rest.types import Json, JsonObject

__all__ = ["compact_json", "request_dict", "request_lines"]

_SHOWN_NUMBERS = 4


def request_dict(request: Request) -> JsonObject:
    """A request as `explain_dict` has it."""
    return {
        **request.to_dict(),
        "bytes": _body_size(request),
        "prefetches": _count_prefetches(request),
        "embedding": [one._asdict() for one in inferred_of(request)],
    }


def request_lines(request: Request) -> Iterator[str]:
    """What is embedded, the size, method and path, and the body as JSON."""
    inferred = inferred_of(request)
    if inferred:
        whose = "embedded before it is sent, or by the server"
        yield f"embedding: {', '.join(map(_inferred_text, inferred))}; {whose}"
    if request.body is not None:
        prefetches = _count_prefetches(request)
        size = f"request: {counted(_body_size(request), 'byte')} of JSON"
        size += f", {counted(prefetches, 'prefetch', 'prefetches')}" if prefetches else ""
        yield size + ("; vectors take the place of what is embedded" if inferred else "")
    if awaits_lists(request.body):
        yield "before it: a batch of the searches below `linear`; by their scores, a FORMULA takes its place"
    query = "&".join(f"{key}={value}" for key, value in request.query.items())
    yield f"{request.method} {request.path}{'?' + query if query else ''}"
    if request.body is not None:
        yield compact_json(request.body)


def _inferred_text(one: Inferred) -> str:
    text = counted(one.distinct, one.form)
    if one.places != one.distinct:
        text += f" for {counted(one.places, 'place')}"
    return one_line(f"{text} by {one.model or 'a model that is not known'}")


def _body_size(request: Request) -> int:
    """The size of the body as JSON without spaces, in UTF-8; 0 where there is none."""
    if request.body is None:
        return 0
    text = json.dumps(request.body, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass"))


def _count_prefetches(request: Request) -> int:
    """How many prefetches a request holds, on all levels."""
    count, todo = 0, [request.body or {}, *(request.body or {}).get("searches", ())]
    while todo:
        below = todo.pop().get("prefetch") or ()
        count += len(below)
        todo += below
    return count


def compact_json(value: Json, indent: str = "") -> str:
    """JSON with lists of numbers, and whatever else is short, on one line; long vectors are cut."""
    if isinstance(value, list) and len(value) > 8 and all(isinstance(v, (int, float)) for v in value):
        head = ", ".join(json.dumps(v) for v in value[:_SHOWN_NUMBERS])
        return f"[{head}, … {len(value) - _SHOWN_NUMBERS} more]"
    if not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, ensure_ascii=False)
    inner = indent + "  "
    items = []  # filled by loops: a comprehension would be a frame more for each level
    if isinstance(value, dict):
        opening, closing = "{", "}"
        for key, item in value.items():
            items.append(f"{json.dumps(key, ensure_ascii=False)}: {compact_json(item, inner)}")
    else:
        opening, closing = "[", "]"
        for item in value:
            items.append(compact_json(item, inner))
    line = opening + ", ".join(items) + closing
    if len(line) + len(indent) <= 88 and "\n" not in line:
        return line
    return opening + "\n" + ",\n".join(inner + item for item in items) + "\n" + indent + closing
