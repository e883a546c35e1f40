"""A pipeline: a script with one query, asked again and again with other parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qql import nodes
from qql.bind import Params
from qql.compiler import Compiled
from qql.errors import QQLPlanError
from qql.result import Result
from qql.session import Session

if TYPE_CHECKING:
    from qql.analysis import Analysis

__all__ = ["Pipeline"]

_BESIDE = (nodes.Use, nodes.Define, nodes.Undefine)


class Pipeline:
    """A script that holds one QUERY, and beside it at most USE, DEFINE and UNDEFINE.

    ``name`` is a file name, or what else is shown for it. The session is left as it was: what USE and DEFINE
    say holds for the script alone.
    """

    def __init__(self, session: Session, text: str, name: str = "<string>") -> None:
        self.session = session
        self.text = text
        self.name = name

    def compiled(self, params: Params = None) -> Compiled:
        """The query with its parameters. Raises `QQLCompileError`; ``no-pipeline``: it is not one query."""
        found = self.session.compile(self.text, params, name=self.name)
        queries = [one for one in found if isinstance(one.statement, nodes.Query)]
        for one in found:
            if not isinstance(one.statement, (nodes.Query, *_BESIDE)):
                hint = "a pipeline holds one QUERY, and beside it at most USE, DEFINE and UNDEFINE"
                raise QQLPlanError.make(
                    "no-pipeline", "this statement is no part of a pipeline", one.span, hint
                ).at(one.source)
        if len(queries) != 1:
            message = f"a pipeline is one QUERY, and {self.name} holds {len(queries) or 'none'}"
            raise QQLPlanError.make("no-pipeline", message, queries[1].span if queries else None).at(
                queries[1].source if queries else None
            )
        return queries[0]

    def ask(self, params: Params = None) -> Result:
        """The query's result. Raises as `Session.execute` does."""
        return self.session.carry_out(self.compiled(params))

    def analyse(self, params: Params = None) -> Analysis:
        """What each of its stages gave. Raises as `Session.execute` does."""
        return self.session.analyse(self.compiled(params))
