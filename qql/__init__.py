"""QQL: multi-stage retrieval pipelines for Qdrant, as text.

>>> import qql
>>> [request] = qql.compile("QUERY [0.1, 0.2] FROM docs USING dense LIMIT 5")
>>> request.body
{'query': {'nearest': [0.1, 0.2]}, 'using': 'dense', 'limit': 5, 'with_payload': True}
"""

from __future__ import annotations

TYPE_CHECKING = False  # as that of `typing`, whose import would be most of this one
if TYPE_CHECKING:
    from typing import Any

    from qql.advice import lint_text as lint
    from qql.analysis.explain import explain_text as explain
    from qql.compiler.compile import check
    from qql.compiler.compile import compile_text as compile
    from qql.compiler.condition import condition
    from qql.compiler.context import CompileOptions
    from qql.compiler.parameters import Parameter
    from qql.compiler.prepared import Prepared
    from qql.compiler.prepared import prepare_text as prepare
    from qql.compiler.script import Compiled
    from qql.convert import from_request
    from qql.errors import (
        Diagnostic,
        QQLCompileError,
        QQLConnectionError,
        QQLError,
        QQLExecutionError,
        QQLModelError,
        QQLPlanError,
        QQLRefusedError,
        QQLScriptError,
        QQLSyntaxError,
        QQLTimeoutError,
        QQLUnsupportedError,
        Source,
        Span,
    )
    from qql.models.embed import embed
    from qql.rest.request import Request
    from qql.result import Group, Hit, Result, StageShare
    from qql.retrieval import Document, Retriever, retriever
    from qql.schema import Schema, VectorInfo
    from qql.session.async_session import AsyncSession, AsyncStatement, AsyncWalk, connect_async
    from qql.session.connect import connect
    from qql.session.prepared import SessionStatement
    from qql.session.session import Session
    from qql.session.walks import Walk
    from qql.syntax.formatter import format_text as format
    from qql.syntax.parser import parse, split

__version__ = "0.1.0"

__all__ = [
    "AsyncSession",
    "AsyncStatement",
    "AsyncWalk",
    "CompileOptions",
    "Compiled",
    "Diagnostic",
    "Document",
    "Group",
    "Hit",
    "Parameter",
    "Prepared",
    "QQLCompileError",
    "QQLConnectionError",
    "QQLError",
    "QQLExecutionError",
    "QQLModelError",
    "QQLPlanError",
    "QQLRefusedError",
    "QQLScriptError",
    "QQLSyntaxError",
    "QQLTimeoutError",
    "QQLUnsupportedError",
    "Request",
    "Result",
    "Retriever",
    "Schema",
    "Session",
    "SessionStatement",
    "Source",
    "Span",
    "StageShare",
    "VectorInfo",
    "Walk",
    "__version__",
    "check",
    "compile",
    "condition",
    "connect",
    "connect_async",
    "embed",
    "explain",
    "format",
    "from_request",
    "lint",
    "parse",
    "prepare",
    "retriever",
    "split",
]

_ERRORS = [name for name in __all__ if name.startswith("QQL")] + ["Diagnostic"]
_HOME = {name: ("qql.errors", name) for name in _ERRORS} | {
    "AsyncSession": ("qql.session.async_session", "AsyncSession"),
    "AsyncStatement": ("qql.session.async_session", "AsyncStatement"),
    "AsyncWalk": ("qql.session.async_session", "AsyncWalk"),
    "CompileOptions": ("qql.compiler.context", "CompileOptions"),
    "Compiled": ("qql.compiler.script", "Compiled"),
    "Document": ("qql.retrieval", "Document"),
    "Group": ("qql.result", "Group"),
    "Hit": ("qql.result", "Hit"),
    "Parameter": ("qql.compiler.parameters", "Parameter"),
    "Prepared": ("qql.compiler.prepared", "Prepared"),
    "Request": ("qql.rest.request", "Request"),
    "Result": ("qql.result", "Result"),
    "Retriever": ("qql.retrieval", "Retriever"),
    "Schema": ("qql.schema", "Schema"),
    "Session": ("qql.session.session", "Session"),
    "SessionStatement": ("qql.session.prepared", "SessionStatement"),
    "Source": ("qql.errors", "Source"),
    "Span": ("qql.errors", "Span"),
    "StageShare": ("qql.result", "StageShare"),
    "VectorInfo": ("qql.schema", "VectorInfo"),
    "Walk": ("qql.session.walks", "Walk"),
    "check": ("qql.compiler.compile", "check"),
    "compile": ("qql.compiler.compile", "compile_text"),
    "condition": ("qql.compiler.condition", "condition"),
    "connect": ("qql.session.connect", "connect"),
    "connect_async": ("qql.session.async_session", "connect_async"),
    "embed": ("qql.models.embed", "embed"),
    "explain": ("qql.analysis.explain", "explain_text"),
    "format": ("qql.syntax.formatter", "format_text"),
    "from_request": ("qql.convert", "from_request"),
    "lint": ("qql.advice", "lint_text"),
    "parse": ("qql.syntax.parser", "parse"),
    "prepare": ("qql.compiler.prepared", "prepare_text"),
    "retriever": ("qql.retrieval", "retriever"),
    "split": ("qql.syntax.parser", "split"),
}


if not TYPE_CHECKING:  # a type checker knows the names above, and says so of any other

    def __getattr__(name: str) -> Any:
        # Imported when first asked for, so that `import qql` costs next to nothing.
        if name not in _HOME:
            raise AttributeError(f"module 'qql' has no attribute '{name}'")
        import sys

        module, attribute = _HOME[name]
        __import__(module)  # not that of importlib, which -X importtime does not see
        value = getattr(sys.modules[module], attribute)
        globals()[name] = value
        return value

    def load_ipython_extension(shell: object) -> None:
        """``%load_ext qql``: gives IPython and Jupyter ``%qql`` and ``%%qql``, which ``%qql?`` explains."""
        from qql.notebook.magic import load

        load(shell)

    def unload_ipython_extension(shell: object) -> None:
        """``%unload_ext qql``: the magics are gone, and what they opened is closed."""
        from qql.notebook.magic import unload

        unload(shell)


def __dir__() -> list[str]:
    return sorted(__all__)
