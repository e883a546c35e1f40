"""The data classes and named tuples of `qql.records`, held against those of the library."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import typing
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any, ClassVar

import pytest

from qql import nodes, records
from qql.errors import Span
from qql.nodes import NOWHERE


def _classes(dataclass: Any, field: Any) -> dict[str, Any]:
    """The same classes, made by the library or by us."""

    @dataclass(frozen=True, slots=True)
    class Frozen:
        a: int
        b: str = "b"
        seen: list[int] = field(default_factory=list)
        unseen: object = field(default=None, compare=False, repr=False)
        unhashed: dict[str, int] = field(hash=False, default_factory=dict)
        KIND: ClassVar[str] = "kind"

        def doubled(self) -> int:
            return 2 * self.a

    @dataclass(slots=True)
    class Open:
        a: int
        late: int = field(default=7, kw_only=True)
        count: int = field(default=0, init=False)

        def __post_init__(self) -> None:
            self.count = self.a + 1

    @dataclass(frozen=True, slots=True, repr=False)
    class OwnText:
        a: int = 1

        def __repr__(self) -> str:
            return "own"

    @dataclass(frozen=True, slots=True, eq=False)
    class ByIdentity:
        a: float

    @dataclass(frozen=True)
    class WithDict:
        a: float
        b: int = 3

    @dataclass(frozen=True, slots=True)
    class Empty:
        pass

    return {cls.__name__: cls for cls in (Frozen, Open, OwnText, ByIdentity, WithDict, Empty)}


THEIRS = _classes(dataclasses.dataclass, dataclasses.field)
OURS = _classes(records.dataclass, records.field)


def _told(use: Callable[[Any], object], cls: Any) -> object:
    """What comes of a class, or the kind of error and, where it names a class, its words without that."""
    try:
        return use(cls)
    except (TypeError, AttributeError, ValueError) as exc:
        return type(exc), str(exc).split(".")[-1] if isinstance(exc, TypeError) else None


def _set(made: Any, name: str, value: object) -> object:
    setattr(made, name, value)
    return getattr(made, name)


def _delete(made: Any, name: str) -> object:
    delattr(made, name)
    return hasattr(made, name)


def _matched(made: Any, cls: Any) -> object:
    match made:
        case cls(1, second):
            return second
    return None


USES: list[tuple[str, Callable[[Any], object]]] = [
    ("Frozen", lambda cls: repr(cls(1))),
    ("Frozen", lambda cls: repr(cls(1, "x", [2], object(), {"y": 3}))),
    ("Frozen", lambda cls: repr(cls(b="x", a=2))),
    ("Frozen", lambda cls: cls()),
    ("Frozen", lambda cls: cls(1, "b", [], None, {}, 6)),
    ("Frozen", lambda cls: cls(1, c=2)),
    ("Frozen", lambda cls: (cls(1) == cls(1), cls(1) == cls(2), cls(1) == 1, cls(1, unseen=1) == cls(1))),
    ("Frozen", lambda cls: cls(1).seen is cls(1).seen),
    ("Frozen", lambda cls: hash(cls(1, seen=()))),
    ("Frozen", lambda cls: hash(cls(1))),
    ("Frozen", lambda cls: hash(cls(1, "b", (), 5, {"x": 1})) == hash(cls(1, "b", (), 6, {"x": 2}))),
    ("Frozen", lambda cls: _set(cls(1), "a", 2)),
    ("Frozen", lambda cls: _delete(cls(1), "a")),
    ("Frozen", lambda cls: (cls.KIND, cls(1).KIND, cls(4).doubled())),
    ("Frozen", lambda cls: _matched(cls(1, "second"), cls)),
    ("Frozen", lambda cls: cls.__match_args__),
    ("Frozen", lambda cls: cls.__slots__),
    ("Frozen", lambda cls: hasattr(cls(1), "__dict__")),
    ("Frozen", lambda cls: [(f.name, f.type, f.repr, f.compare) for f in dataclasses.fields(cls)]),
    ("Frozen", lambda cls: dataclasses.is_dataclass(cls)),
    ("Frozen", lambda cls: dataclasses.asdict(cls(1, seen=[cls(2)]))),
    ("Frozen", lambda cls: repr(dataclasses.replace(cls(1, unseen=3), b="c"))),
    ("Frozen", lambda cls: dataclasses.replace(cls(1, unseen=3), b="c").unseen),
    ("Frozen", lambda cls: repr(copy.deepcopy(cls(1, seen=[cls(2)])))),
    ("Open", lambda cls: repr(cls(1))),
    ("Open", lambda cls: repr(cls(1, late=2))),
    ("Open", lambda cls: cls(1, 2)),
    ("Open", lambda cls: cls(1, count=2)),
    ("Open", lambda cls: hash(cls(1))),
    ("Open", lambda cls: _set(cls(1), "a", 2)),
    ("Open", lambda cls: _set(cls(1), "new", 2)),
    ("Open", lambda cls: _delete(cls(1), "a")),
    ("Open", lambda cls: cls(1) == cls(1)),
    ("Open", lambda cls: cls.__match_args__),
    ("Open", lambda cls: repr(dataclasses.replace(cls(1), a=4))),
    ("OwnText", lambda cls: (repr(cls()), cls() == cls(1), hash(cls()) == hash(cls()))),
    ("ByIdentity", lambda cls: (cls(1) == cls(1), len({cls(1), cls(1)}))),
    ("WithDict", lambda cls: (vars(cls(1)), cls.b, repr(cls(2)))),
    ("WithDict", lambda cls: _set(cls(1), "a", 2)),
    ("WithDict", lambda cls: cls(float("nan")) == cls(float("nan"))),
    ("Empty", lambda cls: (repr(cls()), cls() == cls(), hash(cls()))),
    ("Empty", lambda cls: cls(1)),
]


@pytest.mark.parametrize("at", range(len(USES)), ids=lambda at: f"{at}-{USES[at][0]}")
def test_a_data_class_does_what_one_of_the_library_does(at: int) -> None:
    name, use = USES[at]
    assert _told(use, OURS[name]) == _told(use, THEIRS[name])


def test_replace_makes_another_with_changes() -> None:
    made = OURS["Frozen"](1, unseen=3)
    changed = records.replace(made, b="c")
    assert (changed.a, changed.b, changed.unseen, made.b) == (1, "c", 3, "b")
    assert records.replace(OURS["Open"](1, late=2), a=4) == OURS["Open"](4, late=2)
    with pytest.raises(TypeError):
        records.replace(made, nothing=1)


@records.dataclass(frozen=True, slots=True)
class Kept:
    a: int
    b: list[int] = records.field(default_factory=list)


class Pair(records.NamedTuple):
    a: int
    b: str = "b"

    @property
    def both(self) -> str:
        return f"{self.a}{self.b}"


def test_both_can_be_pickled_before_and_after_the_first_object() -> None:
    for made in (Kept(1, [2]), Pair(1)):
        assert pickle.loads(pickle.dumps(made)) == made
        assert copy.copy(made) == made
    with pytest.raises(FrozenInstanceError):
        pickle.loads(pickle.dumps(Kept(1))).a = 2  # type: ignore[misc]


def test_a_class_has_its_own_init_after_some_objects() -> None:
    @records.dataclass(slots=True)
    class Counted:
        a: int

    before = Counted.__init__
    for number in range(records.FIRST):
        assert Counted(number).a == number
    assert Counted.__init__ is before
    Counted(1)
    after = Counted.__init__
    assert before is not after
    Counted(2)
    assert Counted.__init__ is after


def test_the_first_objects_are_made_as_the_later_ones() -> None:
    @records.dataclass(frozen=True, slots=True)
    class Made:
        a: int
        b: list[int] = records.field(default_factory=list)
        c: str = records.field(default="c", kw_only=True)

    def tried() -> list[object]:
        made = [Made(1), Made(1, [2]), Made(b=[3], a=2, c="d")]
        assert made[0].b is not Made(1).b
        return [(one.a, one.b, one.c) for one in made]

    assert [tried() for _ in range(records.FIRST)] == [
        [(1, [], "c"), (1, [2], "c"), (2, [3], "d")]
    ] * records.FIRST


@pytest.mark.parametrize(
    ("args", "given", "said"),
    [
        ((), {}, "missing 1 required positional argument: 'a'"),
        ((1, 2), {}, "takes 2 positional arguments but 3 were given"),
        ((1,), {"a": 2}, "got multiple values for argument 'a'"),
        ((1,), {"z": 2}, "got an unexpected keyword argument 'z'"),
    ],
)
def test_a_wrong_call_is_told_from_the_first_object_on(
    args: tuple[int, ...], given: dict[str, int], said: str
) -> None:
    @records.dataclass(slots=True)
    class Made:
        a: int

    with pytest.raises(TypeError, match=said):
        Made(*args, **given)


def test_the_first_tuples_are_made_as_the_later_ones() -> None:
    class Made(records.NamedTuple):
        a: int
        b: int = 2
        c: int = 3

    before = Made.__new__
    first = [(Made(1), Made(1, 5), Made(c=4, a=0)) for _ in range(records.FIRST // 3)]
    assert Made.__new__ is before
    later = [(Made(1), Made(1, 5), Made(c=4, a=0)) for _ in range(2)]
    assert Made.__new__ is not before
    assert {*first, *later} == {(Made(1, 2, 3), Made(1, 5, 3), Made(0, 2, 4))}
    assert later[-1] == ((1, 2, 3), (1, 5, 3), (0, 2, 4))


@pytest.mark.parametrize(
    ("args", "given", "said"),
    [
        ((), {}, "missing 1 required positional argument: 'a'"),
        ((1, 2, 3), {}, "takes from 2 to 3 positional arguments but 4 were given"),
        ((1,), {"a": 2}, "got multiple values for argument 'a'"),
        ((1,), {"z": 2}, "got an unexpected keyword argument 'z'"),
    ],
)
def test_a_wrong_call_of_a_tuple_is_told_at_once(
    args: tuple[int, ...], given: dict[str, int], said: str
) -> None:
    class Made(records.NamedTuple):
        a: int
        b: int = 2

    with pytest.raises(TypeError, match=said):
        Made(*args, **given)


def test_the_first_nodes_are_made_as_the_later_ones() -> None:
    class Pair(nodes.Node, metaclass=nodes.NodeType):
        a: int
        b: int = 2

    made = [
        one for _ in range(records.FIRST) for one in (Pair(1), Pair.make(1, span=Span(3, 4)), Pair(a=1, b=2))
    ]
    assert {(one.a, one.b) for one in made} == {(1, 2)}
    assert [one.span for one in made[:3]] == [one.span for one in made[-3:]] == [NOWHERE, Span(3, 4), NOWHERE]
    for wrong in (lambda: Pair(), lambda: Pair(1, 2, 3), lambda: Pair.make(1, z=1)):
        with pytest.raises(TypeError, match="Pair"):
            wrong()


def test_a_node_class_without_its_metaclass_is_refused() -> None:
    with pytest.raises(TypeError, match="metaclass=NodeType"):

        class Bare(nodes.Node):
            a: int


def test_a_class_below_a_data_class_may_be_made_first() -> None:
    class Below(OURS["Open"]):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__(5, late=6)

    assert (Below().a, Below().late, Below().count) == (5, 6, 6)
    assert OURS["Open"](1).count == 2


def _tuples(base: Any) -> Any:
    class Wide(base):  # type: ignore[misc]
        a: int
        b: str
        c: int = 3
        d: int = 4
        e: int = 5
        f: int = 6
        g: int = 7
        h: int = 8
        i: int = 9
        j: int = 10
        k: int = 11
        l: int = 12  # noqa: E741
        m: int = 13
        n: int = 14

        def sum(self) -> int:
            return self.m + self.n

    return Wide


TUPLE_USES: list[Callable[[Any], object]] = [
    lambda cls: repr(cls(1, "b")),
    lambda cls: (cls(1, "b").a, cls(1, "b").l, cls(1, "b", n=20).n, cls(1, "b").sum()),
    lambda cls: cls(1),
    lambda cls: cls(*range(15)),
    lambda cls: cls(1, "b", z=1),
    lambda cls: cls(a=1, b="b") == (1, "b", *range(3, 15)),
    lambda cls: hash(cls(1, "b")) == hash((1, "b", *range(3, 15))),
    lambda cls: cls(1, "b")._replace(a=5, n=0),
    lambda cls: cls(1, "b")._asdict(),
    lambda cls: (cls._fields, cls._field_defaults, cls.__match_args__),
    lambda cls: hasattr(cls(1, "b"), "__dict__"),
    lambda cls: _set(cls(1, "b"), "a", 2),
    lambda cls: [*cls(1, "b")][:2],
    lambda cls: isinstance(cls(1, "b"), tuple),
    lambda cls: sorted([cls(2, "b"), cls(1, "b")])[0].a,
]


@pytest.mark.parametrize("at", range(len(TUPLE_USES)))
def test_a_named_tuple_does_what_one_of_the_library_does(at: int) -> None:
    ours, theirs = (_told(TUPLE_USES[at], _tuples(base)) for base in (records.NamedTuple, typing.NamedTuple))
    assert ours == theirs


def test_a_named_tuple_has_properties_of_its_own() -> None:
    assert (Pair(1).both, Pair(2, "x").both, str(Pair(1))) == ("1b", "2x", "Pair(a=1, b='b')")
