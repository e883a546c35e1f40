"""The session of an event loop: each method is that of `Session`, carried out in a flow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from functools import partial, wraps
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from qql.awaiting import Unfinished, carried, carried_aside
from qql.compiler.bind import Params
from qql.compiler.plan import Context
from qql.compiler.prepared import Prepared
from qql.errors import QQLConnectionError
from qql.result import Hit, Result
from qql.session.column_writes import ColumnWrites
from qql.session.connect import connect
from qql.session.prepared import SessionStatement
from qql.session.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.compiler.parameters import Parameter
    from qql.errors import Diagnostic
    from qql.session.walks import Walk
    from qql.syntax.parser import TextOrTree

__all__ = ["AsyncSession", "AsyncStatement", "AsyncWalk", "connect_async"]

P = ParamSpec("P")
T = TypeVar("T")
Inner = TypeVar("Inner", bound=Prepared | ColumnWrites)
Held = TypeVar("Held", bound=Prepared | ColumnWrites, covariant=True)

_LONG = 20_000
"""Characters of a text from which on it is compiled in a thread."""
_MANY = 100
"""Values in a list, or lists in one, from which on they are bound in a thread."""


class _Awaited(Generic[Inner, P, T]):
    """A method of `Session` (or of a prepared statement) as one that is awaited, with the same parameters."""

    def __init__(self, method: Callable[Concatenate[Inner, P], T]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...

    @overload
    def __get__(self, owner: _Flows[Inner], kind: type) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, owner: _Flows[Inner] | None, kind: type) -> Self | Callable[P, Coroutine[Any, Any, T]]:
        if owner is None:
            return self
        method = self._method

        @wraps(method)
        async def awaited(*args: P.args, **kwargs: P.kwargs) -> T:
            return await owner.carried(partial(method, owner.inner(), *args, **kwargs), args, kwargs)

        return awaited


class _Flows(Generic[Held]):
    """What has methods that are awaited."""

    def inner(self) -> Held:
        """What carries them out."""
        raise NotImplementedError

    async def carried(self, work: Callable[[], T], args: tuple[Any, ...], named: dict[str, Any]) -> T:
        """What the work gives, which is a call with these arguments."""
        raise NotImplementedError


class AsyncSession(_Flows[Session]):
    """A session whose methods are awaited; made by `connect_async`, for the event loop that opened it.

    Several tasks may use it at once. Over a server their requests are under way together; an embedded engine
    answers one after the other. Where a task is cancelled, a request that reads is given up and one that
    writes is finished; what a statement has not begun is not begun. All else is as `Session` says.
    """

    def __init__(self, opened: Callable[[], Session]) -> None:
        self._open = opened
        self._session: Session | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unfinished: Unfinished = set()

    execute = _Awaited(Session.execute)
    run = _Awaited(Session.run)
    checked = _Awaited(Session.checked)
    compile = _Awaited(Session.compile)
    carry_out = _Awaited(Session.carry_out)
    analyse = _Awaited(Session.analyse)
    stamp = _Awaited(Session.stamp)
    explain = _Awaited(Session.explain)
    ask = _Awaited(Session.ask)
    upsert = _Awaited(Session.upsert)
    collections = _Awaited(Session.collections)
    schema = _Awaited(Session.schema)
    facts = _Awaited(Session.facts)
    full_facts = _Awaited(Session.full_facts)

    async def stream(
        self, script: TextOrTree, params: Params = None, *, name: str = "<string>", count: bool | None = None
    ) -> AsyncIterator[Result]:
        """As `Session.stream`; the script is checked when the first result is asked for."""
        stream = partial(Session.stream, self.inner(), script, params, name=name, count=count)
        results = await self.carried(stream, (script, params), {})
        nothing = cast(Result, None)
        while (result := await self.carried(lambda: next(results, nothing), (), {})) is not None:
            yield result

    def scroll(
        self, statement: TextOrTree, params: Params = None, *, page: int = 200, name: str = "<string>"
    ) -> AsyncWalk:
        """As `Session.scroll`, for ``async for``; compiled when the first hit is asked for.

        A page is read at once: one of 1,000 points would hold the event loop for some milliseconds.
        """
        return AsyncWalk(
            self, partial(Session.scroll, statement=statement, params=params, page=page, name=name)
        )

    def prepare(self, text: TextOrTree, *, name: str = "<string>") -> AsyncStatement:
        """As `Session.prepare`; nothing is asked of the engine before the statement is carried out."""
        return AsyncStatement(self, self.inner().prepare(text, name=name))

    def forget_collections(self) -> None:
        """Has the collections looked up anew."""
        self.inner().forget_collections()

    @property
    def knows_collections(self) -> bool:
        """As `Session.knows_collections`."""
        return self.inner().knows_collections

    @property
    def context(self) -> Context:
        """What USE and DEFINE have set, for all tasks."""
        return self.inner().context

    @property
    def read_only(self) -> bool:
        """Whether whatever writes is refused; it may be set, for all tasks, from the next statement on."""
        return self.inner().read_only

    @read_only.setter
    def read_only(self, value: bool) -> None:
        self.inner().read_only = value

    @property
    def client(self) -> Any:
        """The `AsyncQdrantClient` below; None over the embedded engine."""
        return self.inner().client

    @property
    def target(self) -> str:
        """What the session is connected to."""
        return self.inner().target

    async def close(self) -> None:
        """Finish what was sent, and release the engine and the models. Closing twice is allowed."""
        if self._session is None:
            return
        if self._unfinished:
            await asyncio.wait(list(self._unfinished))
        await self.carried(self._session.close, (), {})

    async def open(self) -> Self:
        """Open it, where it is not open yet, as ``async with`` does. Raises what `connect` raises."""
        if self._session is None:
            self._loop = asyncio.get_running_loop()
            await asyncio.to_thread(_load)
            self._session = await carried(self._open, self._unfinished)
        return self

    async def __aenter__(self) -> Self:
        return await self.open()

    def __await__(self) -> Generator[Any, None, Self]:
        return self.open().__await__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def inner(self) -> Session:
        """The session that carries out what is awaited. Raises ``not-open``."""
        if self._session is None:
            hint = (
                "`async with qql.connect_async(…) as db:` opens it, and so does `db = await connect_async(…)`"
            )
            raise QQLConnectionError.make("not-open", "this session is not open yet", hint=hint)
        return self._session

    async def carried(self, work: Callable[[], T], args: tuple[Any, ...], named: dict[str, Any]) -> T:
        """What the work gives, a call with these arguments; in a thread where it computes for long."""
        if asyncio.get_running_loop() is not self._loop:
            hint = "each event loop has sessions of its own"
            raise QQLConnectionError.make(
                "other-loop", "this session belongs to another event loop", hint=hint
            )
        long = any(map(_is_long, args)) or any(map(_is_long, named.values()))
        return await (carried_aside if long else carried)(work, self._unfinished)


class AsyncStatement(_Flows[SessionStatement]):
    """A prepared text of an `AsyncSession`; all else is as `SessionStatement` says."""

    def __init__(self, session: AsyncSession, statement: SessionStatement) -> None:
        self._session = session
        self._statement = statement

    execute = _Awaited(SessionStatement.execute)
    run = _Awaited(SessionStatement.run)
    execute_many = _Awaited(SessionStatement.execute_many)
    bind = _Awaited(SessionStatement.bind)
    requests = _Awaited(SessionStatement.requests)
    check = _Awaited(SessionStatement.check)

    @property
    def text(self) -> str:
        """The text as it was given."""
        return self._statement.text

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, each once, in the order of the text, with what their places take."""
        return self._statement.parameters

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.text!r}>"

    def inner(self) -> SessionStatement:
        """The statement that carries out what is awaited."""
        return self._statement

    async def carried(self, work: Callable[[], T], args: tuple[Any, ...], named: dict[str, Any]) -> T:
        """As `AsyncSession.carried`."""
        return await self._session.carried(work, args, named)


class AsyncWalk(AsyncIterator[Hit]):
    """As `qql.session.walks.Walk`, for ``async for`` and one task."""

    def __init__(self, session: AsyncSession, begin: Callable[[Session], Walk]) -> None:
        self._session = session
        self._begin = begin
        self._walk: Walk | None = None
        self._left: list[Hit] = []
        self._closed = False

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What is to be said, from the first hit on."""
        return () if self._walk is None else self._walk.warnings

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Hit:
        if not self._left:
            self._left = await self.next_page()
            self._left.reverse()
            if not self._left:
                raise StopAsyncIteration
        return self._left.pop()

    async def next_page(self) -> list[Hit]:
        """The hits of the next page; none at the end."""
        return [] if self._closed else await self._session.carried(self._next_page, (), {})

    async def aclose(self) -> None:
        """End the walk. Closing twice is allowed."""
        self._left, self._closed = [], True

    def _next_page(self) -> list[Hit]:
        if self._walk is None:
            self._walk = self._begin(self._session.inner())
        return self._walk.next_page()


def _load() -> None:
    """Loads what a first statement needs, which takes longer than an event loop should wait."""
    from qql.compiler.compile import check

    check("QUERY [1] FROM c WHERE a = 1 LIMIT 1")


def _is_long(value: object) -> bool:
    """Whether it may take long to compile a text, or to bind values: some milliseconds."""
    if isinstance(value, str):
        return len(value) >= _LONG
    if isinstance(value, dict):
        return len(value) >= _MANY or any(
            isinstance(one, (str, list, tuple)) and _is_long(one) for one in value.values()
        )
    return isinstance(value, (list, tuple)) and len(value) >= _MANY and not isinstance(value[0], (int, float))


_DOC = """Open a session of the event loop, by ``async with`` or ``await``; nothing is opened before.

    Beside the targets of `connect` it takes a ``qdrant_client.AsyncQdrantClient``, and in place of a
    function as a model an async function. A server is asked by an ``AsyncQdrantClient``; an embedded engine
    runs in a process of its own. The rest is as for `connect`:"""


def _awaited_connect(opens: Callable[P, Session]) -> Callable[P, AsyncSession]:
    @wraps(opens)
    def connect_async(*args: P.args, **kwargs: P.kwargs) -> AsyncSession:
        return AsyncSession(partial(opens, *args, **kwargs))

    connect_async.__doc__ = f"""{_DOC}

    {opens.__doc__}"""
    return connect_async


connect_async = _awaited_connect(connect)
