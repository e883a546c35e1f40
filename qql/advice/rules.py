"""What a rule is, and the table of all rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qql.advice.view import View
from qql.errors import Span
from qql.records import NamedTuple, dataclass, field

__all__ = ["RULES", "Found", "Rule", "rule"]


class Found(NamedTuple):
    """One place where a rule is broken: the reason as a message, the fix as a hint."""

    span: Span
    message: str
    hint: str
    related: tuple[tuple[Span, str], ...] = ()


Check = Callable[[View], Iterable[Found]]
"""What a rule does: it looks at a statement and gives every place that breaks it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. ``severity`` is ``"warning"`` where what is written cannot work as it reads, else ``"advice"``.

    ``needs`` names the fields of `CollectionFacts`, or ``"schema"``, without which the rule says nothing.
    ``any_statement``: it speaks of other statements than queries, too. ``reason`` is one sentence.
    ``tells_values``: its words hang on values that fields are compared with.
    """

    code: str
    title: str
    reason: str
    severity: str
    needs: tuple[str, ...]
    check: Check = field(repr=False, compare=False)
    any_statement: bool = False
    tells_values: bool = False

    @property
    def text(self) -> str:
        """The documentation."""
        from inspect import cleandoc

        return cleandoc(self.check.__doc__ or "")


RULES: dict[str, Rule] = {}
"""Every rule by its code, in the order in which their modules define them."""


def rule(
    code: str,
    title: str,
    reason: str,
    *,
    needs: tuple[str, ...] = (),
    severity: str = "advice",
    any_statement: bool = False,
    tells_values: bool = False,
) -> Callable[[Check], Check]:
    """Puts a function into the table of rules; its docstring is the rule's documentation."""

    def register(check: Check) -> Check:
        assert code not in RULES, f"two rules have the code {code}"
        RULES[code] = Rule(code, title, reason, severity, needs, check, any_statement, tells_values)
        return check

    return register
