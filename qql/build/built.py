"""What the builder's calls give: a tree, with the operators by which it goes into larger ones."""

from __future__ import annotations

from collections.abc import Sequence

from qql import nodes
from qql.late import cast
from qql.syntax.printer import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["Built", "Filter", "Statement", "as_condition", "chain"]


class Built:
    """A tree that is composed with Python's operators. It cannot be changed.

    ``tree`` is the tree that a text gives, and ``str`` that text. Equal to whatever has an equal tree, and to
    the tree itself.
    """

    __slots__ = ("_tree",)

    _tree: nodes.Node

    def __init__(self, tree: nodes.Node) -> None:
        object.__setattr__(self, "_tree", tree)

    @property
    def tree(self) -> nodes.Node:
        """The tree, without places."""
        return self._tree

    def __str__(self) -> str:
        return show(self.tree)

    def __repr__(self) -> str:
        text = _short(self)
        return f"<{type(self).__name__} {text}>"

    def __eq__(self, other: object) -> bool:
        return bool(self.tree == nodes.tree_of(other))

    def __hash__(self) -> int:
        return hash(str(self))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} cannot be changed: its methods give new ones")

    def __reduce__(self) -> tuple[type, tuple[nodes.Node]]:
        return type(self), (self.tree,)


_MOST = 100  # characters of a text that `repr` shows


class Filter(Built):
    """A condition: ``a & b``, ``a | b``, ``~a``. It stands in WHERE, and is a value of ``WHERE :filter``."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def tree(self) -> nodes.Condition: ...

    def __and__(self, other: Filter | nodes.Condition | nodes.Param) -> Filter:
        return _both(nodes.And, self, other)

    def __rand__(self, other: nodes.Condition | nodes.Param) -> Filter:
        return _both(nodes.And, other, self)

    def __or__(self, other: Filter | nodes.Condition | nodes.Param) -> Filter:
        return _both(nodes.Or, self, other)

    def __ror__(self, other: nodes.Condition | nodes.Param) -> Filter:
        return _both(nodes.Or, other, self)

    def __invert__(self) -> Filter:
        return Filter(nodes.Not(self.tree))

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"`{_short(self)}` is a condition, and neither true nor false here: conditions go together with "
            "&, | and ~, not with and, or, not, in or 1 < field < 5"
        )


def _short(one: Built) -> str:
    text = str(one)
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"


def as_condition(given: object) -> nodes.Condition | None:
    """What stands for a condition, a parameter too; None for anything else."""
    tree = nodes.tree_of(given)
    if isinstance(tree, nodes.Param):
        return nodes.BoundCondition(tree)
    return tree if isinstance(tree, nodes.Condition) else None


def chain(kind: type[nodes.And | nodes.Or], conditions: Sequence[nodes.Condition]) -> Filter:
    """All of them in one flat AND or OR, as a person writes it; one alone stays as it is."""
    if len(conditions) == 1:
        return Filter(conditions[0])
    children: list[nodes.Condition] = []
    for one in conditions:
        children += one.children if isinstance(one, kind) else (one,)
    return Filter(kind(tuple(children)))


def _both(kind: type[nodes.And | nodes.Or], left: object, right: object) -> Filter:
    given = (as_condition(left), as_condition(right))
    if None in given:
        return cast(Filter, NotImplemented)  # Python says which types do not go together
    return chain(kind, cast("Sequence[nodes.Condition]", given))


class Statement(Built):
    """A statement, for `qql.compile`, `qql.prepare`, `qql.explain` and the methods of sessions."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def tree(self) -> nodes.Statement: ...
