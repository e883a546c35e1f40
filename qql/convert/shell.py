"""Commands of a POSIX shell: the words of one, as the shell would give them to a program."""

from __future__ import annotations

import re

from qql.late import late_pattern
from qql.records import NamedTuple

__all__ = ["Command", "ShellFault", "read_command"]


class ShellFault(ValueError):
    """What cannot be read of a command, the character where it is, and what to write instead."""

    def __init__(self, message: str, at: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.at = at
        self.hint = hint


class Command(NamedTuple):
    """A command's words, the character behind it, and what it reads from its standard input."""

    words: list[str]
    end: int
    stdin: str | None = None


def read_command(text: str, at: int) -> Command:
    """The command at a place of a text. What is done with its output (`| jq`, `> file`) is left aside.

    Raises `ShellFault`.
    """
    return _Reader(text, at).read()


_ENDS = late_pattern(r"\n|;|&&|\|\|")
_ESCAPES = {
    **dict(zip("abefnrtv", "\a\b\x1b\f\n\r\t\v", strict=True)),
    **{char: char for char in "\\'\"?"},
    "E": "\x1b",
}
_CODES = late_pattern(r"x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([0-7]{1,3})")
_OUTPUT = late_pattern(r"&?>>?&?[ \t]*")
_HERE = late_pattern(r"<<(?P<tabs>-?)[ \t]*(?P<quote>['\"]?)(?P<word>\w+)(?P=quote)")


class _Reader:
    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.start = self.pos = at
        self.words: list[str] = []
        self.word: list[str] | None = None

    def read(self) -> Command:
        document: re.Match[str] | None = None
        while self.pos < len(self.text) and not _ENDS.match(self.text, self.pos):
            char = self.text[self.pos]
            if char == "|":
                self.to_the_end_of_the_line()
            elif here := _HERE.match(self.text, self.pos):
                self.finish()
                document, self.pos = here, here.end()
            elif char in "<>&":
                self.redirection(char)
            else:
                self.character(char)
        self.finish()
        stdin = None if document is None else self.document(document)
        return Command(self.words, self.pos, stdin)

    def character(self, char: str) -> None:
        if char in " \t":
            self.finish()
            self.pos += 1
        elif char == "\\":
            self.escaped()
        elif char == "'":
            self.add(self.quoted("'", self.pos + 1))
        elif char == '"':
            self.double()
        elif self.text.startswith("$'", self.pos):
            self.ansi()
        else:
            self.add(char)
            self.pos += 1

    def add(self, found: str) -> None:
        if self.word is None:
            self.word = []
        self.word.append(found)

    def finish(self) -> None:
        if self.word is not None:
            self.words.append("".join(self.word))
            self.word = None

    def escaped(self) -> None:
        pair = self.text[self.pos : self.pos + 2]
        if len(pair) < 2:
            raise ShellFault("nothing follows this backslash", self.pos)
        if pair != "\\\n":
            self.add(pair[1])
        self.pos += 2

    def quoted(self, quote: str, start: int) -> str:
        """What stands in quotes between which nothing is special."""
        end = self.text.find(quote, start)
        if end < 0:
            raise ShellFault("this quote is never closed", start - 1)
        self.pos = end + 1
        return self.text[start:end]

    def double(self) -> None:
        at = self.pos
        self.pos += 1
        self.add("")
        while not self.text.startswith('"', self.pos):
            char = self.text[self.pos : self.pos + 1]
            if not char:
                raise ShellFault("this quote is never closed", at)
            following = self.text[self.pos + 1 : self.pos + 2]
            if char == "\\" and following and following in '$`"\\\n':
                self.add("" if following == "\n" else following)
                self.pos += 2
            else:
                self.add(char)
                self.pos += 1
        self.pos += 1

    def ansi(self) -> None:
        """``$'…'``, in which a backslash means what it does in C."""
        at = self.pos
        self.pos += 2
        self.add("")
        while not self.text.startswith("'", self.pos):
            char = self.text[self.pos : self.pos + 1]
            if not char:
                raise ShellFault("this quote is never closed", at)
            self.pos += 1
            self.add(self.ansi_escape() if char == "\\" else char)
        self.pos += 1

    def ansi_escape(self) -> str:
        if code := _CODES.match(self.text, self.pos):
            self.pos = code.end()
            number = (
                int(next(filter(None, code.groups()[:3]), "0"), 16) if code[4] is None else int(code[4], 8)
            )
            if number > 0x10FFFF:
                raise ShellFault(f"`\\{code[0]}` is no character", code.start())
            return chr(number)
        char = self.text[self.pos : self.pos + 1]
        self.pos += 1
        return _ESCAPES.get(char, f"\\{char}")

    def to_the_end_of_the_line(self) -> None:
        """Passes what an answer is piped into; a quote or a backslash takes the line further."""
        self.finish()
        kept, self.word = self.words, None
        self.words = []
        while self.pos < len(self.text) and self.text[self.pos] != "\n":
            self.character(self.text[self.pos])
        self.words, self.word = kept, None

    def redirection(self, char: str) -> None:
        """``> file`` and ``2>&1`` are passed; what a command reads has to stand in the text."""
        if char == "<":
            raise ShellFault("the body stands in a file", self.pos, "give the JSON itself behind -d")
        if char == "&" and not self.text.startswith("&>", self.pos):
            raise ShellFault("one command is read, which runs in the foreground", self.pos, "leave & out")
        if self.word is not None and "".join(self.word).isdigit():
            self.word = None
        self.finish()
        output = _OUTPUT.match(self.text, self.pos)
        assert output is not None  # it begins with > or &>
        self.pos = output.end()
        kept = len(self.words)
        while self.pos < len(self.text) and self.text[self.pos] not in " \t\n;|&<>":
            self.character(self.text[self.pos])
        self.finish()
        del self.words[kept:]

    def document(self, here: re.Match[str]) -> str:
        """A here-document, which begins on the line behind the command's."""
        begin = self.text.find("\n", self.pos)
        tabs = "\t*" if here["tabs"] else ""
        closing = re.compile(rf"^{tabs}{here['word']}[ \t]*$", re.MULTILINE)
        end = closing.search(self.text, begin + 1) if begin >= 0 else None
        if end is None:
            raise ShellFault("this here-document is never closed", here.start())
        self.pos = end.end()
        return self.text[begin + 1 : end.start()]
