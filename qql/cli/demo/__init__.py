"""The sample collection of the prompt: ``demo.qql`` makes it, `EXAMPLES` are statements to try on it.

Nothing is downloaded for it: its vectors are those of ``local/hash-256`` and ``qdrant/bm25``.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from qql.cli.usage import UsageError
from qql.errors import QQLError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = ["COLLECTION", "EXAMPLES", "load_demo"]

COLLECTION = "demo"
"""The name of the sample collection."""
_SCRIPT = Path(__file__).with_name("demo.qql")

EXAMPLES = """\
QUERY 'help in an emergency' FROM demo USING dense WHERE topic = 'health' LIMIT 3;
QUERY HYBRID 'how birds cross the sea' FROM demo WHERE year >= 2021 LIMIT 5;
FACET topic FROM demo;
SCROLL FROM demo WHERE minutes <= 3 LIMIT 10;
EXPLAIN ANALYZE WITH near AS (QUERY 'old light' USING dense LIMIT 20),
  words AS (QUERY 'old light' USING sparse LIMIT 20)
QUERY FROM demo PREFETCH (near, words) FUSION RRF LIMIT 5;
"""
"""Five statements, each of which gives something on the sample collection."""


def load_demo(session: Session) -> str:
    """Make the collection `COLLECTION` with vectors, indexes and thirty points; gives `EXAMPLES`.

    Raises `UsageError` ``collection-exists`` where there is a collection (or an alias) of this name, which is
    left as it is, and else what `Session.run` raises; a collection that could not be filled is dropped again.
    """
    if session.schema(COLLECTION) is not None:
        hint = f"`DROP COLLECTION {COLLECTION};` makes room; \\d {COLLECTION} shows whether it is the sample"
        raise UsageError.make("collection-exists", f"there is a collection {COLLECTION} already", hint=hint)
    script = _SCRIPT.read_text(encoding="utf-8")
    create, *fill = session.compile(script, name="the sample collection", sent=False)
    session.carry_out(create)
    try:
        for one in fill:
            session.carry_out(one)
    except (QQLError, KeyboardInterrupt):
        with contextlib.suppress(QQLError):
            session.run(f"DROP COLLECTION {COLLECTION};")
        raise
    return EXAMPLES
