"""The colours of ``%%qql`` cells in IPython's terminal; those of a page in a browser are made there.

IPython asks for a lexer with each prompt, and has no place where a magic could leave its own: the shell's
options are asked for, and the lexer among them is wrapped.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from qql.late import late_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from prompt_toolkit.document import Document
    from prompt_toolkit.formatted_text import StyleAndTextTuples

    from qql.highlight import QQLLexer

__all__ = ["colour", "uncolour"]

_OPTIONS = "_extra_prompt_options"
_MAGIC = late_pattern(r"(?P<signs>\s*%%?)(?P<name>qql)(?!\S)")
_Lines = Callable[[int], "StyleAndTextTuples"]


def colour(shell: Any) -> None:
    """Have an InteractiveShell colour cells of QQL; one without a terminal is left as it is."""
    plain = getattr(shell, _OPTIONS, None)
    if not callable(plain):
        return

    def options() -> dict[str, Any]:
        found: dict[str, Any] = plain()
        if "lexer" in found:
            found["lexer"] = _with_qql(found["lexer"])
        return found

    shell.__dict__[_OPTIONS] = options


def uncolour(shell: Any) -> None:
    """Leave the colours to IPython again."""
    shell.__dict__.pop(_OPTIONS, None)


def _with_qql(plain: Any) -> Any:
    """A lexer that has cells of QQL, and lines with ``%qql``, coloured as such, and all else as before."""
    from prompt_toolkit.lexers import Lexer

    from qql.highlight import QQLLexer

    lexer = QQLLexer()

    class WithQQL(Lexer):
        def lex_document(self, document: Document) -> _Lines:
            magic = _MAGIC.match(document.text)
            lines: _Lines = plain.lex_document(document) if magic is None else _coloured(magic, lexer)
            return lines

    return WithQQL()


def _coloured(magic: re.Match[str], lexer: QQLLexer) -> _Lines:
    """The lines of a cell: the magic with its options, and statements."""
    from prompt_toolkit.formatted_text import split_lines
    from prompt_toolkit.styles.pygments import pygments_token_to_classname
    from pygments.token import Keyword, Operator, Text

    begin = magic.end()
    if magic["signs"].endswith("%%"):  # its options: the statements stand below
        line = magic.string.find("\n", begin)
        begin = line if line >= 0 else len(magic.string)
    head = [(Operator, magic["signs"]), (Keyword, magic["name"]), (Text, magic.string[magic.end() : begin])]
    tokens = [*head, *lexer.get_tokens(magic.string[begin:])]
    found = [(f"class:{pygments_token_to_classname(kind)}", shown) for kind, shown in tokens if shown]
    lines = [*split_lines(found)]
    return lambda at: lines[at] if at < len(lines) else []
