"""SET QUOTA: a server takes all quotas at once, so what a statement does not name is sent as it is."""

from __future__ import annotations

from collections.abc import Callable

from qql.errors import QQLExecutionError, fail
from qql.records import replace
from qql.rest.request import Request
from qql.rest.types import Json
from qql.syntax.printer import show

__all__ = ["with_kept_quotas"]


def with_kept_quotas(request: Request, call: Callable[[Request], Json]) -> tuple[Request, str]:
    """The request with the quotas that it does not name, as they are now; and which these are, in words.

    Raises what ``call`` raises, and ``server-error`` where the quotas cannot be read: what is not known would
    be lost.
    """
    answer = call(Request("GET", "/quotas"))
    known = answer.get("config") if isinstance(answer, dict) else None
    if not isinstance(known, dict):
        message = "the quotas that are set cannot be read, and setting one would end all others"
        fail("server-error", message, error=QQLExecutionError)
    named = request.body or {}
    kept = {key: value for key, value in known.items() if key not in named and value is not None}
    limits = [f"{key} = {show(value)}" for key, value in kept.items() if value is not False]
    said = f"; kept {', '.join(limits)}" if limits else ""
    return replace(request, body={**kept, **named}), said
