"""What a filter holds for: the filters of a plan's stages as Qdrant merges them, and the fields they test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from qql import nodes
from qql.compiler.plan import Input, QueryPlan, Stage, inputs_of
from qql.compiler.scalars import point_id
from qql.records import NamedTuple
from qql.schema import Schema
from qql.syntax.printer import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Filters", "Part", "statement_parts", "tested_fields"]

_AGAIN = 80
"""Characters that are shown of a condition that was said in full before."""
_MOST_FIELDS = 12
"""Fields of a condition whose indexes are told in one line."""


class Part(NamedTuple):
    """A condition that holds where the filter does, and where it was written.

    ``source`` is stage, reference, points or GROUP BY, and ``stage`` whose it is; in a statement that is no
    query WHERE or UPDATE FILTER, ``member`` being the number of a statement of BATCH.
    """

    condition: nodes.Condition
    source: str
    stage: Stage | None = None
    member: int | None = None

    def origin(self, stage: Stage | None = None, root: Stage | None = None) -> str:
        """Where it was written, seen from a stage whose filter it is part of; nothing where that is plain."""
        if self.stage is None:
            updates = "of UPDATE FILTER" if self.source == "UPDATE FILTER" else ""
            member = f"of statement {self.member}" if self.member is not None else ""
            return " ".join(filter(None, [updates, member]))
        above = " above" if self.stage is not stage else ""
        if self.stage is root:
            whose = f"the query{above}"
        else:
            whose = f"`{self.stage.label}` above" if above else "the stage"
        match self.source:
            case "stage":
                return f"of {whose}"
            case "reference":
                return f"of the reference to {whose}" if above else "of the reference"
            case "points":
                return f"the points that {whose} names"
        return "of GROUP BY"


class Filters:
    """The filters of a plan's stages as Qdrant merges them, and what is known of their fields.

    Qdrant adds the filter of a query to those of all prefetches below it. It does the same with the points
    that a query names, which are left out, and with the field of GROUP BY, which has to be there. Every
    condition is printed once, however many stages it holds for.
    """

    def __init__(self, schema: Schema | None = None) -> None:
        self.indexes: Mapping[str, str] | None = None
        # A schema without indexes tells of none only where an engine made it, which counts the points too.
        if schema is not None and (schema.indexes or schema.points is not None):
            self.indexes = schema.indexes
        self.made: dict[tuple[int, bool], nodes.Condition | None] = {}
        self.texts: dict[int, tuple[str, tuple[str, ...]]] = {}
        self.said: set[int] = set()

    def merged(self, plan: QueryPlan, chain: Sequence[Input]) -> list[Part]:
        """The parts of a stage's filter, its own first and then upwards.

        ``chain`` leads from the root to the stage, both included. What HYBRID copies into its searches is
        told of the query that it was written in.
        """
        seen: set[int] = set()
        levels = []
        for given in chain:
            level = [part for part in self._added(plan, given) if id(part.condition) not in seen]
            seen |= {id(part.condition) for part in level}
            levels.append(level)
        grouped = self._grouped(plan)
        above = [Part(grouped, "GROUP BY", plan.root)] if grouped is not None else []
        return [part for level in reversed(levels) for part in level] + above

    def _added(self, plan: QueryPlan, given: Input) -> Iterator[Part]:
        stage = given.stage
        found = (("stage", stage.where), ("reference", given.where), ("points", self._named(plan, given)))
        for source, condition in found:
            if condition is not None:
                yield Part(condition, source, stage)

    def _named(self, plan: QueryPlan, given: Input) -> nodes.Condition | None:
        """That a hit is none of the points that a query names; those of another collection are no hits."""
        stage = given.stage
        lookup = given.lookup or stage.lookup
        elsewhere = lookup is not None and str(lookup.collection.text) != plan.collection
        key = id(stage), elsewhere
        if key not in self.made:
            inputs = inputs_of(stage.target) if stage.target is not None and not stage.fusion else []
            points = {point_id(one.id): one.id for one in inputs if isinstance(one, nodes.Point)}
            some = points and not elsewhere
            self.made[key] = nodes.Not(nodes.In(nodes.Name("id"), (*points.values(),))) if some else None
        return self.made[key]

    def _grouped(self, plan: QueryPlan) -> nodes.Condition | None:
        key = id(plan.group), False
        if key not in self.made:
            self.made[key] = nodes.Not(nodes.IsEmpty(plan.group.name)) if plan.group else None
        return self.made[key]

    def told(self, condition: nodes.Condition) -> tuple[str, tuple[str, ...]]:
        """A condition as QQL, and the payload fields that it tests."""
        if id(condition) not in self.texts:
            names = tuple(dict.fromkeys(name for name, _ in tested_fields(condition)))
            self.texts[id(condition)] = show(condition), names
        return self.texts[id(condition)]

    def index(self, field: str) -> str | None:
        """The type of a field's index, ``""`` where its type is not known; None where it has none."""
        return (self.indexes or {}).get(field)

    def stage_lines(self, plan: QueryPlan, chain: Sequence[Input]) -> Iterator[str]:
        """``where: a = 1  (of the stage; a: keyword index)``, a line for each part of a stage's filter."""
        stage = chain[-1].stage
        return self._lines((part, part.origin(stage, plan.root)) for part in self.merged(plan, chain))

    def statement_lines(self, statement: nodes.Statement) -> Iterator[str]:
        """The same for a statement that is no query."""
        return self._lines((part, part.origin()) for part in statement_parts(statement))

    def _lines(self, parts: Iterable[tuple[Part, str]]) -> Iterator[str]:
        for number, (part, origin) in enumerate(parts):
            text, names = self.told(part.condition)
            again = id(part.condition) in self.said
            self.said.add(id(part.condition))
            joined = number and part.member is None  # the members of a BATCH have a filter each
            line = f"{'  and' if joined else 'where'}: {_shortened(text) if again else text}"
            said = [origin, "" if self.indexes is None else self._indexed(names)]
            yield line + (f"  ({'; '.join(filter(None, said))})" if any(said) else "")

    def _indexed(self, names: Sequence[str]) -> str:
        kinds = [(name, self.index(name)) for name in names[:_MOST_FIELDS]]
        told = [
            f"{show(nodes.Name(name))}: {'no index' if kind is None else f'{kind} index'.lstrip()}"
            for name, kind in kinds
        ]
        more = len(names) - _MOST_FIELDS
        return ", ".join(told) + (f" … and {more} more" if more > 0 else "")

    def data(self, part: Part, numbers: Mapping[int, int] | None = None) -> dict[str, Any]:
        """A part as JSON data; ``numbers`` are those of the stages."""
        text, names = self.told(part.condition)
        return {
            "text": text,
            "source": part.source,
            "stage": part.stage and part.stage.label,
            "number": numbers[id(part.stage)] if numbers else None,
            "member": part.member,
            "fields": [
                {
                    "name": name,
                    "indexed": None if self.indexes is None else self.index(name) is not None,
                    "index": self.index(name) or None,
                }
                for name in names
            ],
        }


def tested_fields(condition: nodes.Condition) -> Iterator[tuple[str, nodes.Condition]]:
    """Every payload field that a condition tests, with the test; inside NESTED, with the path of the field.

    The path is that of the index which answers the test: NESTED('a', b …) and NESTED('a[]', b …) take the
    one on ``a[].b``. The id of a point is no field. Depth is not limited.
    """
    todo: list[tuple[nodes.Condition, str]] = [(condition, "")]
    while todo:
        one, path = todo.pop()
        match one:
            case nodes.And() | nodes.Or():
                todo += [(child, path) for child in reversed(one.children)]
            case nodes.Not():
                todo.append((one.child, path))
            case nodes.MinShould():
                todo += [(child, path) for child in reversed(one.conditions)]
            case nodes.Nested():
                todo.append((one.condition, f"{path}{str(one.name.text).removesuffix('[]')}[]."))
            case nodes.Optional():
                todo.append((one.condition, path))
            case nodes.Slice() | nodes.HasVector() | nodes.BoundCondition():
                pass
            case _:
                if path or one.name.text != "id":
                    yield f"{path}{one.name.text}", one


def _shortened(text: str) -> str:
    return text if len(text) <= _AGAIN else text[: _AGAIN - 1] + "…"


def statement_parts(statement: nodes.Statement) -> list[Part]:
    """The filter of a statement that is no query; of a BATCH, those of its members."""
    numbered: Iterable[tuple[int | None, nodes.Statement]] = [(None, statement)]
    if isinstance(statement, nodes.Batch):
        numbered = enumerate(statement.statements, 1)
    return [
        Part(condition, source, member=number)
        for number, one in numbered
        for source, field in (("WHERE", "where"), ("UPDATE FILTER", "update_filter"))
        if (condition := getattr(one, field, None)) is not None
    ]
