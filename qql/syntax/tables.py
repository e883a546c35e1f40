"""The parser's tables as it drives them: states whose rows are turned into actions where they are used.

An action is a tuple that begins with a size. 0 shifts: the next state, what the driver has to do where
the terminal is one to take note of, and what makes its value where the next state is the one behind a rule of
this terminal alone. More reduces by a rule: what makes its value, the state that follows, by the state below,
and the place of the only value that is used of the stack (0: more or less than one is used).
`ERROR` and `ACCEPT` are the other two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter

from qql.late import cast
from qql.syntax.clauses import same
from qql.syntax.lexer import PLAIN_SIGNS, STARTERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ACCEPT", "ERROR", "Action", "Leaf", "Maker", "State", "Tables"]

Action = tuple[int, "Any", "Any", "Any"]
ERROR: Action = (-1, None, None, 0)
ACCEPT: Action = (0, None, None, 0)
_Note = Callable[..., "Any"]
_NO_WORDS: frozenset[str] = frozenset()
_Build = Callable[[Sequence["Any"]], "Any"]
Leaf = Callable[[str, int, int], "Any"]
"""What makes a value of a terminal's text, and of where that begins and ends."""


class Maker:
    """What has a method for each rule. Those of ``leaves``, rules of one terminal, are each a `Leaf`."""

    leaves: frozenset[str] = frozenset()


class State:
    """A state: ``symbols`` gives what follows a symbol, a state (an int) or a rule (-1: the first).

    ``row`` gives the actions. ``plain`` gives the terminal of what can be no other one here. ``certain`` are
    words that can only be keywords here, ``likely`` those that can be names too where the stack takes one.
    ``kept`` says whether the terminal that leads here is a value to some rule.
    """

    __slots__ = ("certain", "kept", "likely", "number", "plain", "row", "symbols")

    certain: frozenset[str]
    likely: frozenset[str]
    plain: dict[str, str]
    symbols: dict[str, int]
    row: _Row

    def __init__(self, number: int) -> None:
        self.number: int = number
        self.kept: bool = False


class _Row(dict[str, Action]):
    """The actions of a state by terminals, each made when it is first asked for."""

    __slots__ = ("_state", "_tables")

    def __init__(self, tables: Tables, state: State) -> None:
        self._tables = tables
        self._state = state

    def __missing__(self, terminal: str) -> Action:
        action = self._tables.action(self._state, terminal)
        if terminal in self._tables.labels:  # what stands in a text may be any word
            self[terminal] = action
        return action


class _After(dict[State, tuple[State, Action]]):
    """The state behind a reduced rule, by the state below it, where one terminal comes next, and its action.

    Rules that only hand on a value (``predicate`` → ``negation`` → … → ``condition``) are reduced in the
    same step: nothing is made of them.
    """

    __slots__ = ("_origin", "_tables", "_terminal")

    def __init__(self, tables: Tables, origin: str, terminal: str) -> None:
        self._tables = tables
        self._origin = origin
        self._terminal = terminal

    def __missing__(self, below: State) -> tuple[State, Action]:
        tables, terminal, origin = self._tables, self._terminal, self._origin
        while True:
            state = tables.state(below.symbols[origin])
            to = state.symbols.get(terminal, 0)
            if to >= 0 or (terminal == "$END" and state.number in tables.ends):
                break
            rule = tables.rule(to)
            if rule.build is not None:
                break
            origin = rule.origin
        self[below] = found = state, state.row[terminal]
        return found


class _Rule:
    """One production: what it stands for, how many symbols it takes, what makes its value of them.

    ``build`` gets the value at ``place``, or the stack of values where that is 0. It is None where the value
    of the only symbol is handed on. ``leaf`` makes the value of the text of the only terminal.
    """

    __slots__ = ("build", "leaf", "origin", "place", "size")

    def __init__(self, origin: str, size: int, build: _Build | None, place: int, leaf: Leaf | None) -> None:
        self.origin: str = origin
        self.size: int = size
        self.build: _Build | None = build
        self.place: int = place
        self.leaf: Leaf | None = leaf


class Tables:
    """The tables that `qql.syntax.lalr` made of the grammar, with the functions that build values.

    ``labels`` are the terminals as messages name them, ``first`` the terminals that a rule can begin with,
    in one string.
    ``noted`` says what the driver has to do at some terminals. ``eager`` tables reduce what has to be reduced
    whatever comes next.
    """

    def __init__(
        self, data: dict[str, Any], builder: Maker, noted: Mapping[str, _Note], *, eager: bool = True
    ) -> None:
        self._all = data
        self._eager = eager
        self._symbols: list[str] = data["symbols"]
        self._rows: list[str] = data["states"]
        self._data: list[str] = data["rules"]
        self._builder = builder
        self._states: dict[int, State] = {}
        self._rules: dict[int, _Rule] = {}
        self._after: dict[tuple[str, str], _After] = {}
        self._start: dict[str, int] = data["start"]
        self._kept = frozenset(data["kept"])
        self._noted = noted
        self.ends: frozenset[Any] = frozenset(data["end"].values())
        self.keywords: frozenset[str] = frozenset(data["keywords"])
        self.labels: dict[str, str] = data["labels"]
        self.first: dict[str, str] = data["first"]

    def plain(self) -> Tables:
        """The same tables, by which nothing is reduced before the next terminal is known."""
        return Tables(self._all, self._builder, self._noted, eager=False)

    def start(self, root: str) -> State:
        """The state in which a text is read that the rule ``root`` stands for."""
        return self.state(self._start[root])

    def state(self, number: int) -> State:
        """The state of a number, its row converted."""
        found = self._states.get(number)
        if found is None:
            found = State(number)
            pairs = self._rows[number]
            symbols = self._symbols
            # A pair of characters: the number of a symbol, and what follows; an odd one stands for a rule.
            found.symbols = {
                symbols[ord(symbol)]: code >> 1 if not code & 1 else -1 - (code >> 1)
                for symbol, code in zip(pairs[::2], map(ord, pairs[1::2]), strict=True)
            }
            found.row = _Row(self, found)
            found.plain = PLAIN_SIGNS.copy()
            words = self.keywords & found.symbols.keys()
            named = "NAME" in found.symbols
            found.certain, found.likely = (_NO_WORDS, words - STARTERS) if named else (words, _NO_WORDS)
            found = self._states.setdefault(number, found)
        return found

    def rule(self, number: int) -> _Rule:
        """The rule of a negative number."""
        found = self._rules.get(number)
        if found is None:
            origin, taken, make, single, *take = self._data[-1 - number].split()
            size = int(taken)
            build, place = _build(make, single == "?", take, size, self._builder)
            leaf = getattr(self._builder, make) if make in self._builder.leaves else None
            found = self._rules[number] = _Rule(origin, size, build, place, leaf)
        return found

    def action(self, state: State, terminal: str) -> Action:
        """What the parser does in a state where a terminal comes next."""
        to = state.symbols.get(terminal)
        if terminal == "$END" and state.number in self.ends:
            return ACCEPT
        if to is None:
            return ERROR
        if to >= 0:
            target = self.state(to)
            target.kept = terminal in self._kept
            only = self._only_rule(target) if target.kept else None
            if only is not None and only.leaf is not None:
                return 0, self._behind(state, only), None, only.leaf
            return 0, target, self._noted.get(terminal), None
        rule = self.rule(to)
        key = rule.origin, terminal
        after = self._after.get(key)
        if after is None:
            after = self._after[key] = _After(self, *key)
        return rule.size, rule.build, after, rule.place

    def _only_rule(self, state: State) -> _Rule | None:
        """The rule by which a state reduces, whatever comes next."""
        ways = {*state.symbols.values()} if self._eager and state.number not in self.ends else ()
        return self.rule(*ways) if len(ways) == 1 and min(ways) < 0 else None

    def _behind(self, state: State, rule: _Rule | None) -> State:
        """The state behind a rule, and behind those that only hand its value on, above a state."""
        found = state
        while rule is not None:
            found = self.state(state.symbols[rule.origin])
            rule = self._only_rule(found)
            if rule is not None and rule.build is not None:
                break
        return found


def _build(name: str, single: bool, take: list[str], size: int, builder: Maker) -> tuple[_Build | None, int]:
    """What makes a rule's value (None where one is handed on), and the place of the only value that it needs.

    The words of the rule are those of `qql.syntax.lalr`. A rule that makes nothing is spliced where it is
    used.
    """
    # At the bottom of the stack there is a None: the value of a part that is missing.
    places = [index - size if index >= 0 else 0 for index in (int(one.rstrip("*")) for one in take)]
    splices = [one.endswith("*") for one in take]
    if name == "-":
        return (None if size == 1 and splices == [True] else _children(places, splices)), 0
    make = getattr(builder, name, None)
    if name in builder.leaves:
        leaf = cast("Leaf", make)
        return (lambda token: leaf(token.text, token.start, token.end)), places[0]
    alone = len(take) == 1 and places[0] and not splices[0]
    if splices == [True] and getattr(make, "__func__", None) is same:
        return itemgetter(0), places[0]
    if alone and (single or getattr(make, "__func__", None) is same):
        return (None if size == 1 else itemgetter(places[0])), 0
    if make is None:
        raise LookupError(f"nothing builds the rule {name}")
    if any(splices):
        parts = list(zip(places, splices, strict=True))
        return _with_spliced(make, parts, single), 0
    if len(places) > 1:
        pick = itemgetter(*places)
        return (lambda values: make(*pick(values))), 0
    if places == [0]:
        return (lambda _: make(None)), 0
    return (make, places[0]) if places else ((lambda _: make()), 0)


def _with_spliced(make: Callable[..., Any], parts: list[tuple[int, bool]], single: bool) -> _Build:
    def build(values: Sequence[Any]) -> Any:
        kept: list[Any] = []
        for place, spliced in parts:
            if spliced:
                kept += values[place]
            else:
                kept.append(values[place])
        # A rule with `?` makes nothing of an only child.
        return kept[0] if single and len(kept) == 1 else make(*kept)

    return build


def _children(places: list[int], splices: list[bool]) -> Callable[[Sequence[Any]], list[Any]]:
    """What lists the values of a rule. A list that comes first is taken as it is: nobody else holds it, and
    a long one is not copied at each link.
    """
    if splices == [False] and places[0]:
        return itemgetter(slice(places[0], places[0] + 1 or None))
    if splices == [True, False]:
        head, tail = places

        def longer(values: Sequence[Any]) -> list[Any]:
            kept: list[Any] = values[head]
            kept.append(values[tail])
            return kept

        return longer
    parts = list(zip(places, splices, strict=True))

    def children(values: Sequence[Any]) -> list[Any]:
        kept: list[Any] = []
        for place, spliced in parts:
            if not spliced:
                kept.append(values[place])
            elif kept:
                kept += values[place]
            else:
                kept = values[place]
        return kept

    return children
