"""The points of a collection that judgements speak of: whether they are there, and what they are called."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from qql.errors import Diagnostic, QQLExecutionError, many
from qql.evaluation.documents import point_ids, source_of
from qql.evaluation.faults import Blank, argument
from qql.evaluation.files import DOC_IDS, Qrels, Query
from qql.rest.request import Request, collection_path
from qql.rest.types import Body
from qql.result import Hit

if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = ["absent_documents", "points_of", "sources_of"]

_IDS_IN_REQUEST = 1000
_SAMPLE = 10  # points that are read whole
_IDS_IN_MESSAGE = 5
_ID_FIELDS = ("_id", "id", *DOC_IDS, "docno")


def points_of(
    session: Session, collection: str, ids: Sequence[int | str], payload: bool | Sequence[str] = False
) -> Iterator[Body]:
    """Those of the points that there are, with these fields of their payload."""
    for start in range(0, len(ids), _IDS_IN_REQUEST):
        body = {
            "ids": list(ids[start : start + _IDS_IN_REQUEST]),
            "with_payload": payload,
            "with_vector": False,
        }
        yield from session.ask(Request("POST", collection_path(collection, "points"), {}, body))


def sources_of(session: Session, collection: str, ids: Collection[str]) -> dict[str, str]:
    """The names that ids were made of by ``UUID(name)``, where a field of the payload still has them.

    It is looked for in a few points. Names with spaces, which no run file can have, are left out.
    """
    some = points_of(session, collection, [*islice(ids, _SAMPLE)], payload=True)
    fields = {source_of(Hit(point["id"], payload=point.get("payload"))) for point in some} - {None}
    found = {}
    for point in points_of(session, collection, [*ids], [str(name) for name in fields]) if fields else ():
        hit = Hit(point["id"], payload=point.get("payload"))
        name = str((hit.payload or {}).get(source_of(hit) or "", ""))
        if name.split() == [name]:
            found[str(hit.id)] = name
    return found


def absent_documents(
    session: Session, collections: Collection[str], queries: Sequence[Query], qrels: Qrels
) -> Iterator[Diagnostic]:
    """A warning for each collection that lacks relevant documents, so that nothing can find them.

    Raises `QQLExecutionError` ``absent-documents`` where it has no judged document at all: the ids differ,
    and all figures would be 0.
    """
    relevant = {doc for query in queries for doc, rel in qrels.get(query.id, {}).items() if rel > 0}
    forms = {doc: point_ids(doc) for doc in sorted(relevant)}
    for collection in collections:
        ids = list(dict.fromkeys(form for every in forms.values() for form in every))
        present = {point["id"] for point in points_of(session, collection, ids)}
        missing = [doc for doc, every in forms.items() if not present.intersection(every)]
        if not missing:
            continue
        shown = ", ".join(missing[:_IDS_IN_MESSAGE]) + (", …" if len(missing) > _IDS_IN_MESSAGE else "")
        if len(missing) == len(forms) and not _has_judged_document(session, collection, qrels):
            raise QQLExecutionError.make(
                "absent-documents",
                f"no point of `{collection}` has the id of a judged document: {shown}",
                hint=_field_hint(session, collection),
            )
        yield Diagnostic(
            "absent-documents",
            f"`{collection}` lacks {len(missing)} of {many(len(forms), 'relevant document')},"
            f" so that no query finds them: {shown}",
            severity="warning",
        )


def _has_judged_document(session: Session, collection: str, qrels: Qrels) -> bool:
    docs = dict.fromkeys(doc for judged in qrels.values() for doc in judged)
    found = points_of(session, collection, [form for doc in docs for form in point_ids(doc)])
    return next(found, None) is not None


def _field_hint(session: Session, collection: str) -> str:
    """What to do where the ids of points and documents differ."""
    body = {"limit": _SAMPLE, "with_payload": True, "with_vector": False}
    scrolled = session.ask(Request("POST", collection_path(collection, "points", "scroll"), {}, body))
    for point in scrolled["points"]:
        payload = point.get("payload") or {}
        for name in _ID_FIELDS:
            if name in payload:
                given = argument("doc_id", name)
                return f"the points have `{name}`, {payload[name]!r} for one: {given} goes by that"
    return f"{argument('doc_id', Blank('FIELD'))} takes the ids of documents from the payload"
