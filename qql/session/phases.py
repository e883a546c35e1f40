"""What a session tells `logging`, phase by phase, and nothing where nobody listens.

| logger | level | what |
|---|---|---|
| ``qql.compile`` | INFO | the statements of a text, and the time that it took to compile them |
| ``qql.embed`` | INFO | the texts that models made vectors of |
| ``qql.engine`` | INFO | the engine's time for a statement, and how many candidates its stages may bring |
| ``qql.rerank`` | INFO | how many candidates a reranker read, and how many of them are hits |
| ``qql.statement`` | INFO | what came back, and the time of all of it |
| ``qql.request`` | DEBUG | each request: method, path and body |

A program that wants them calls ``logging.basicConfig(level=logging.INFO)``, as for any library. No line holds
a key: requests have none, and addresses are not told. Texts and payloads stand in the requests of DEBUG
alone, where vectors are cut.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from qql import nodes
from qql.compiler.script import Compiled
from qql.errors import many
from qql.rest.inference_objects import inferred_of
from qql.rest.request import Request
from qql.result import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging

__all__ = ["compiled", "embedded", "engine", "named", "reranked", "start", "statement"]

_DEBUG, _INFO = 10, 20
_LONGEST_BODY = 4000  # characters


def _listening(phase: str, level: int) -> logging.Logger | None:
    """The logger of a phase where somebody listens: nobody does who has not loaded `logging`."""
    module = sys.modules.get("logging")
    if module is None:
        return None
    logger: logging.Logger = module.getLogger(f"qql.{phase}")
    return logger if logger.isEnabledFor(level) else None


def start(phase: str) -> float | None:
    """The time, where somebody listens to a phase that begins; else None."""
    return None if _listening(phase, _INFO) is None else time.perf_counter()


def _tell(phase: str, started: float | None, message: str, *values: object) -> None:
    logger = None if started is None else _listening(phase, _INFO)
    if logger is not None and started is not None:
        logger.info(message + " in %.1f ms", *values, (time.perf_counter() - started) * 1000)


def compiled(started: float | None, statements: Sequence[Compiled]) -> None:
    """A text was compiled."""
    if started is None:
        return
    kinds = ", ".join(type(one.written).__name__ for one in statements[:5])
    more = f" and {len(statements) - 5} more" if len(statements) > 5 else ""
    _tell("compile", started, "compiled %s%s", kinds or "nothing", more)


def embedded(started: float | None, requests: Sequence[Request], made: Sequence[Request]) -> None:
    """Texts became vectors; nothing is told where none did."""
    if started is None:
        return
    changed = [before for before, after in zip(requests, made, strict=True) if after is not before]
    for one in (one for request in changed for one in inferred_of(request)):
        _tell("embed", started, "%s by %s", many(one.distinct, one.form), one.model)


def engine(started: float | None, statement: Compiled, requests: Sequence[Request]) -> None:
    """The engine has answered the requests of a statement."""
    if (logger := _listening("request", _DEBUG)) is not None:
        for request in requests:
            logger.debug("%s %s %s", request.method, request.path, _body_of(request))
    if started is None:
        return
    plan = statement.plan
    if plan is None:
        _tell("engine", started, "%s", named(statement))
        return
    stages = ", ".join(f"{one.label} {one.limit or 10}" for one in plan.stages)
    _tell("engine", started, "%s, candidates at most: %s;", named(statement), stages)


def _body_of(request: Request) -> str:
    from qql.analysis.explain_requests import compact_json

    text = "" if request.body is None else " ".join(compact_json(request.body).split())
    return text if len(text) <= _LONGEST_BODY else f"{text[:_LONGEST_BODY]}… ({len(text):,} characters)"


def reranked(started: float | None, model: str | None, before: Result, after: Result) -> None:
    """A reranker has put candidates in its order."""
    if started is not None:
        _tell(
            "rerank", started, "%s by %s, %s,", many(len(before), "candidate"), model, many(len(after), "hit")
        )


def statement(started: float, done: Compiled, result: Result) -> None:
    """A statement is done."""
    if _listening("statement", _INFO) is None:
        return
    text = result.kind in ("message", "text")
    what = result.message.partition("\n")[0] if text else many(len(result), result.kind[:-1])
    _tell("statement", started, "%s: %s", named(done), what)


def named(done: Compiled, between: str | None = " on ") -> str:
    """The kind of a statement, and with ``between`` before it the collection that it is about."""
    name = "".join(f" {one}" if one.isupper() else one for one in type(done.written).__name__).strip().upper()
    if between is None or not done.collection or isinstance(done.written, nodes.Use):
        return name
    return f"{name}{between}{done.collection}"
