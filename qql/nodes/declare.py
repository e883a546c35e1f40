"""How a construct of the language is declared: what its parts hold, where they are sent, who carries it out.

The classes of the nodes and the rows of a few tables are the declarations. Builder, printer, planner,
emitter, converter, manual, advice, the engines and the tests read them, so each fact is said once.
"""

from __future__ import annotations

from collections.abc import Callable

from qql.nodes.core import Node
from qql.nodes.roles import Inputs, Role
from qql.records import MISSING, NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    _Class = TypeVar("_Class", bound="type[Node]")

__all__ = [
    "EVERYWHERE",
    "INNER",
    "READS",
    "REMOVES",
    "STATEMENTS",
    "TARGETS",
    "WRITES",
    "YES",
    "Part",
    "Rows",
    "StatementInfo",
    "Support",
    "TargetInfo",
    "statement",
    "target",
]

YES = "yes"


class Support(NamedTuple):
    """Since which version of Qdrant's server a construct is carried out, and what the other engines do with
    it.

    ``edge`` (the embedded engine) and ``local`` (qdrant-client's local mode) are `YES`; or begin with
    ``noted: ``, where the request is carried out and a note says what has no effect; or are the reason of a
    refusal. Servers before 1.10 have no query API, so nothing is older.
    """

    since: str = "1.10"
    edge: str = YES
    local: str = YES

    @property
    def refused_by_edge(self) -> bool:
        """Whether the embedded engine refuses it; ``edge`` is the reason then."""
        return self.edge != YES and not self.edge.startswith("noted: ")


EVERYWHERE = Support()


# ---------------------------------------------------------------- targets


class Part(NamedTuple):
    """One field of a target.

    ``word`` is the keyword in front of it ("" where none stands there), ``rest`` its place in the query that
    is sent, a path of one key or two: ``recommend.positive``. ``required`` says that it cannot be left out.
    """

    field: str
    role: Role
    word: str
    rest: str
    required: bool

    @property
    def has_inputs(self) -> bool:
        """Whether there are texts, vectors or points in it."""
        return isinstance(self.role, Inputs)


class TargetInfo(NamedTuple):
    """What a class of targets declares.

    ``words`` are the keywords that it begins with, ``rest`` is the key by which its query is known (None: it
    is no query of Qdrant's). ``stage`` is what a converted request calls a stage of this kind.
    """

    words: str
    rest: str | None
    stage: str
    support: Support
    parts: tuple[Part, ...]

    @property
    def by_vector(self) -> bool:
        """Whether it compares vectors: then USING, a model and an exact search have a meaning."""
        return any(one.has_inputs for one in self.parts)


TARGETS: dict[type[Node], TargetInfo] = {}
"""Every target of QUERY that is not an input by itself, in the order of their declarations."""


def target(
    words: str, *, rest: str | None, stage: str = "", support: Support = EVERYWHERE
) -> Callable[[_Class], _Class]:
    """Declares a class of nodes as a target of QUERY. Stands above the class."""

    def declare(cls: _Class) -> _Class:
        parts = []
        for name, given in cls.__rules__.items():
            if "part" in given.metadata:
                role, word, path = given.metadata["part"]
                parts.append(Part(name, role, word, path, given.default is MISSING))
                if path.partition(".")[0] not in (rest, "nearest"):
                    raise TypeError(f"{cls.__name__}.{name}: `{path}` is no place in a `{rest}` query")
        TARGETS[cls] = TargetInfo(words, rest, stage, support, tuple(parts))
        return cls

    return declare


# ---------------------------------------------------------------- statements


class Rows(NamedTuple):
    """An answer that is shown as rows: its list stands under ``key`` ("": it is the list).

    ``columns`` gives the key of each column in the items.
    """

    key: str
    columns: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, key: str, **columns: str) -> Rows:
        """``Rows.of("aliases", alias="alias_name")``."""
        return cls(key, tuple(columns.items()))


READS, WRITES, REMOVES, INNER = "reads", "writes", "removes", "inner"


class StatementInfo(NamedTuple):
    """What a class of statements declares.

    ``text`` is how it is written, ``{field}`` for its fields in the order of the text; ``clauses`` are the
    fields that stand behind it in any order. ``sends`` is the method and the path of a request without a
    body, with ``{field}`` for the name of a collection. ``shows`` says what is shown of an answer: `Rows`, or
    a message, in which ``{collection}`` is the statement's, ``{name}`` what it works on there, ``{to}`` a new
    name, and ``{answer[key]}`` a part of the answer. With ``{points}`` (points, 3 points) or ``{of_points}``
    (nothing, `` of 3 points``), the points that it changes can be counted. Where ``sends`` or ``shows`` is
    None, a function of the emitter or of the session has it.

    ``effect`` is what carrying it out does to the database: `READS` (it leaves it as it is, whatever it does
    to the session or to files), `WRITES`, `REMOVES` (it writes, and what it takes away is gone, however much
    that is), or `INNER`, what the statements in it do (`qql.nodes.effect_of`). None is no decision: such a
    statement is taken for one that writes.
    """

    text: str
    clauses: tuple[str, ...]
    sends: str | None
    shows: Rows | str | None
    effect: str | None = None

    @property
    def words(self) -> str:
        """The keywords that it begins with."""
        return self.text.partition("{")[0].strip()

    @property
    def counts_points(self) -> bool:
        """Whether it says how many points it changes, where they are counted."""
        return isinstance(self.shows, str) and "points}" in self.shows

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields in its text, in their order."""
        return _in_braces(self.text)


def _in_braces(text: str) -> tuple[str, ...]:
    """The names of ``{field}`` in a text. (A regular expression would be compiled whenever QQL starts.)"""
    return tuple(one.partition("}")[0] for one in text.split("{")[1:])


STATEMENTS: dict[type[Node], StatementInfo] = {}
"""Every statement, in the order of their declarations."""


def statement(
    text: str,
    clauses: str = "",
    *,
    sends: str | None = None,
    shows: Rows | str | None = None,
    effect: str | None = None,
) -> Callable[[_Class], _Class]:
    """Declares a class of nodes as a statement. Stands above the class; ``clauses`` are names with spaces
    between. What sends a GET reads.
    """

    def declare(cls: _Class) -> _Class:
        does = READS if effect is None and (sends or "").startswith("GET ") else effect
        info = StatementInfo(text, tuple(clauses.split()), sends, shows, does)
        for name in (*info.fields, *info.clauses, *_in_braces(sends or "")):
            if name not in cls.__match_args__:
                raise TypeError(f"{cls.__name__} has no field `{name}`, which its declaration names")
        STATEMENTS[cls] = info
        return cls

    return declare
