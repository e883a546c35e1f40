"""Requests → QQL: what a Qdrant REST request says, as a statement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from qql import nodes
from qql.allowed import Allowed, holds_host, host_of, parse_allowed
from qql.compiler.compile import compile_text
from qql.compiler.model_names import is_url
from qql.compiler.named_models import models_in
from qql.convert.inputs import Found, Hints, read_all
from qql.convert.routes import unsaid
from qql.convert.statements import compare, normal_form, tree_of
from qql.convert.statements import to_tree as _to_tree
from qql.errors import Diagnostic, QQLCompileError, QQLRefusedError, QQLScriptError
from qql.kinds import TEXT, require_kinds
from qql.rest.shapes import refusal
from qql.rest.types import Json
from qql.syntax.formatter import format_tree
from qql.syntax.printer import show

__all__ = ["from_request", "normal_form", "to_tree"]


_KINDS = dict.fromkeys(("method", "path", "collection", "name"), TEXT)


def from_request(
    request: Json,
    *,
    method: str | None = None,
    path: str | None = None,
    collection: str | None = None,
    format: Literal["script", "line"] = "script",
    name: str = "<request>",
    allow: Iterable[str] = (),
) -> str:
    """The QQL of a request to Qdrant's REST interface, or of several: a script in the canonical layout.

    ``request`` is a `Request`; a dict ``{"method", "path", "query"?, "body"?}``; a body with ``method`` and
    ``path`` beside it, or with ``collection`` where its keys tell the rest; an object of
    ``qdrant_client.models`` with ``collection``; a list of such; or text with one or several: JSON of them,
    ``POST /collections/docs/points/query`` with JSON below it, curl commands, or a page of Markdown with any
    of these between fences. JSON may have comments, ``...``, and commas that are missing or too many. Routes
    and keys of older days are read, and said as those of today. Nested prefetches become named stages.
    ``format="line"`` puts each statement on one line. ``name`` is what messages call the text. A comment
    above a statement says what it does not: a timeout of the URL, and what a text leaves out (``...``).

    >>> body = {"query": [0.1, 0.2], "using": "dense", "with_payload": True}
    >>> from_request(body, collection="docs", format="line")
    'QUERY [0.1, 0.2] FROM docs USING dense;\\n'

    What comes out compiles to the request that went in, but for what ``normal_form`` evens out. It takes some
    things for equal that are not quite: ids as ``points`` and ids as a filter, where payloads are changed or
    vectors deleted (of an id that is not there, Qdrant makes an error in the first form, and nothing in the
    second); ``GET …/points/7``, which is an error where there is no such point, and a query for it, which
    brings none; and ``with_payload: []`` and false. Raises `QQLSyntaxError` (``malformed-request``),
    `QQLPlanError` (``cannot-convert``, with the JSON path of what QQL cannot say), and `QQLScriptError` with
    all of these faults where several requests have some. A model that is an address is one that QQL would
    call: it raises `QQLRefusedError` (``no-access``) unless ``allow`` has its host, as in ``host:localhost``.
    """
    require_kinds({"method": method, "path": path, "collection": collection, "name": name}, _KINDS)
    if format not in ("script", "line"):
        raise ValueError(f"the formats are script and line, not {format!r}")
    texts, errors, allowed = [], [], parse_allowed(allow)
    try:
        for found in read_all(request, Hints(method, path, collection), name):
            try:
                texts.append(_text(found, format, allowed))
            except QQLCompileError as exc:
                errors.append(found.placed(exc))
    except RecursionError as exc:
        raise refusal("the request", "it nests too deep for the call stack") from exc
    if len(errors) > 1:
        raise QQLScriptError(*(one for error in errors for one in error.diagnostics))
    if errors:
        raise errors[0]
    return ("\n" if format == "script" else "").join(texts)


def _text(found: Found, format: str, allowed: Allowed) -> str:
    wanted = normal_form(found.request)
    tree = tree_of(wanted)
    _require_hosts(tree, allowed)
    try:
        text = format_tree(tree) if format == "script" else f"{show(tree)};\n"
        (made,) = compile_text(text)
    except QQLCompileError as exc:
        raise refusal("QQL cannot say this", exc.message, exc.hint) from exc
    compare(made, wanted)
    notes = unsaid(found.request.query, wanted.route)
    if found.left_out:
        notes.append(f"the request leaves something out (...) in {', '.join(found.left_out)}")
    return "".join(f"-- {note}\n" for note in notes) + text


def _require_hosts(tree: nodes.Statement, allowed: Allowed) -> None:
    """Raises `QQLRefusedError` for the address of a model, which did not come from whoever writes QQL."""
    for model in models_in(tree):
        if is_url(model) and not holds_host(allowed, model):
            message = f"the request names the model {model!r:.80}, an address that would be called"
            hint = f"what allows it: `host:{host_of(model)[0] or 'NAME'}` in `allow=`, or behind --allow"
            raise QQLRefusedError(Diagnostic("no-access", message, hint=hint))


def to_tree(
    request: Json,
    *,
    method: str | None = None,
    path: str | None = None,
    collection: str | None = None,
    allow: Iterable[str] = (),
) -> nodes.Statement:
    """The statement of one request, which may be given as for `from_request`. Raises as it does."""
    allowed = parse_allowed(allow)
    try:
        found = list(read_all(request, Hints(method, path, collection)))
        if len(found) != 1:
            raise refusal("the request", f"one is required, found {len(found)}")
        tree = _to_tree(found[0].request)
        _require_hosts(tree, allowed)
        return tree
    except RecursionError as exc:
        raise refusal("the request", "it nests too deep for the call stack") from exc
