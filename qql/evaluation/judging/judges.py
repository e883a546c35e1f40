"""Who judges: a file, a function, a server; or any object that answers questions, as a screen for people."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat, TypeAlias
from urllib.parse import urlunsplit

from qql.errors import QQLError, QQLModelError, shown
from qql.evaluation.faults import InputError, argument
from qql.evaluation.files import Qrels, Query
from qql.evaluation.inputs import QrelsLike, qrels_of
from qql.evaluation.judging.judging import Question
from qql.flows import answer, aside
from qql.late import Protocol
from qql.models.http_service import Service, configured, parse_address, usable_key, without_secrets
from qql.models.user_code import CannotLoad, is_function_name, load_named
from qql.records import dataclass
from qql.rest.types import Json

if TYPE_CHECKING:
    from urllib.parse import SplitResult

__all__ = [
    "SKIPPED",
    "STOPPED",
    "UNDONE",
    "Answer",
    "FileJudge",
    "FunctionJudge",
    "HttpJudge",
    "Judge",
    "JudgeLike",
    "judge_of",
    "relevance_in",
]

_KEY = "QQL_JUDGE_API_KEY"
_TIMEOUTS = {"connect": 10.0, "write": 30.0, "pool": 30.0, "read": 120.0}
_LONGEST_RETRY_AFTER = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """What a judge says: a relevance, or what else is to be done: ``skip``, ``undo`` or ``stop``."""

    relevance: int | None = None
    reason: str | None = None
    action: str = "judge"


SKIPPED, UNDONE, STOPPED = Answer(action="skip"), Answer(action="undo"), Answer(action="stop")


class Judge(Protocol):
    """One that answers questions. ``source`` is noted beside each judgement: who it was.

    ``reads``: it goes by the documents' texts, which are looked up for it. One that has ``reads_ids = True``,
    too, is also asked about documents without a text.
    """

    source: str
    reads: bool

    def answer(self, question: Question) -> Answer:
        """The relevance of a document; or to skip it, to undo the answer before, or to stop."""


JudgeLike: TypeAlias = Judge | Callable[[str, str], Any] | QrelsLike
"""A judge: a `Judge`; a function of the texts of a query and of a document, which gives a relevance or None
to skip it (it may be ``async`` in an event loop); ``"module:function"``; ``"https://…"``; judgements that are
there, as a file's name or as `QrelsLike`."""


def _function(name: str) -> Callable[..., Any]:
    try:
        _, found = load_named(name)
    except CannotLoad as exc:
        raise InputError.make(exc.code, str(exc), hint=exc.hint) from exc.__cause__
    if not callable(found):
        raise InputError.make("bad-judge", f"{name} is no function")
    function: Callable[..., Any] = found
    return function


def judge_of(given: Any, queries: Sequence[Query], grades: int) -> Judge:
    """The judge that is meant.

    Raises `InputError`: ``bad-judge``, what `CannotLoad` says of a function, and what files raise.
    """
    if isinstance(given, str):
        if given.startswith(("http://", "https://")):
            return HttpJudge(given, grades)
        if not Path(given).exists() and is_function_name(given):
            return FunctionJudge(_function(given), given, grades)
        if not Path(given).exists():
            hint = "a file of judgements, module:function, or https://…"
            raise InputError.make("bad-judge", f"there is no judge {given}", hint=hint)
    if isinstance(given, (str, os.PathLike)):
        return FileJudge(qrels_of(given, queries), f"file:{Path(os.fspath(given)).name}", grades)
    if hasattr(given, "answer") and hasattr(given, "source"):
        judge: Judge = given
        return judge
    if callable(given):
        name = f"{getattr(given, '__module__', '')}:{getattr(given, '__qualname__', type(given).__name__)}"
        return FunctionJudge(given, name, grades)
    return FileJudge(qrels_of(given, queries), "judgements", grades)


def relevance_in(value: object, grades: int) -> int | None:
    """A relevance that somebody gave as one of the grades; None where it is none."""
    if isinstance(value, (bool, str, bytes)):
        return None
    if hasattr(value, "__index__"):
        whole = value.__index__()
        return int(whole) if whole in range(grades + 1) else None
    if isinstance(value, SupportsFloat) and (number := float(value)) in range(grades + 1):
        return int(number)
    return None


def _no_grade(source: str, value: object, grades: int) -> QQLError:
    message = f"{source} answered {shown(value)}, and a relevance is a whole number from 0 to {grades}"
    return QQLModelError.make("bad-judgement", message)


class FileJudge:
    """Judgements that are there; below 0 is 0, and what they lack is skipped."""

    reads = False

    def __init__(self, qrels: Mapping[str, Mapping[str, float]], source: str, grades: int) -> None:
        self.qrels: Qrels = {query: dict(judged) for query, judged in qrels.items()}
        self.source: str = source
        self._grades = grades

    def answer(self, question: Question) -> Answer:
        found = self.qrels.get(question.query, {}).get(question.document)
        if found is None:
            return SKIPPED
        relevance = relevance_in(max(found, 0), self._grades)
        if relevance is None:
            raise _no_grade(self.source, found, self._grades)
        return Answer(relevance)


class FunctionJudge:
    """A function of two texts, the query's and the document's."""

    reads = True

    def __init__(self, function: Callable[[str, str], Any], name: str, grades: int) -> None:
        self.source: str = f"function:{name}"
        self._function = function
        self._grades = grades

    def answer(self, question: Question) -> Answer:
        """Raises `QQLModelError`: ``judge-failed``, ``bad-judgement``."""
        try:
            found = answer(self._function(question.text, question.document_text))
        except QQLError:
            raise
        except Exception as exc:
            message = f"{self.source} failed: {type(exc).__name__}: {exc}"
            raise QQLModelError.make("judge-failed", message) from exc
        if hasattr(found, "__await__"):
            found.close()
            hint = "await qql.evaluation.ajudge(…)"
            raise QQLModelError.make("judge-failed", f"{self.source} has to be awaited", hint=hint)
        if found is None:
            return SKIPPED
        relevance = relevance_in(found, self._grades)
        if relevance is None:
            raise _no_grade(self.source, found, self._grades)
        return Answer(relevance)


class HttpJudge:
    """A server that is sent ``{"query", "document", "id"}`` and answers ``{"relevance": n}``, with a
    ``"reason"`` where it has one.

    The key in ``QQL_JUDGE_API_KEY`` goes with each request. What fails for a time is sent again.
    """

    reads = True

    def __init__(self, url: str, grades: int, sleep: Callable[[float], None] = time.sleep) -> None:
        """Raises `QQLModelError`: ``unknown-model`` (no address), ``model-key``."""
        address = parse_address(url, "judging", argument("judge", "https://host/path"))
        self.source: str = without_secrets(address)
        self._endpoint = urlunsplit(address)
        self._grades = grades
        self._service = _service(address, sleep)
        self.note: str | None = self._service.note

    def answer(self, question: Question) -> Answer:
        """Raises `QQLModelError`: ``model-unavailable``, ``model-refused``, ``model-answer``,
        ``bad-judgement``."""
        return aside(self._ask, question)

    def _ask(self, question: Question) -> Answer:
        body = {"query": question.text, "document": question.document_text, "id": question.document}
        response = self._service.post(self._endpoint, body)
        found, reason = self._service.read(
            response, _judgement_in, content="a judgement", hint='{"relevance": 2, "reason": "…"}'
        )
        relevance = relevance_in(found, self._grades)
        if relevance is None:
            raise _no_grade(self.source, found, self._grades)
        return Answer(relevance, reason if isinstance(reason, str) else None)

    def close(self) -> None:
        """Close the connection; a later question opens another."""
        self._service.close()


def _judgement_in(found: Json) -> tuple[Json, Json]:
    return found["relevance"], found.get("reason")


def _service(address: SplitResult, sleep: Callable[[float], None]) -> Service:
    hint = f"a key is taken from {_KEY}"
    return Service(
        "the judge",
        address,
        key=usable_key(configured(None, [_KEY]) or "", "judging"),
        timeouts=_TIMEOUTS,
        longest_retry_after=_LONGEST_RETRY_AFTER,
        hints={401: hint, 403: hint},
        address_hint="the address is that of the judge which was given",
        sleep=sleep,
    )
