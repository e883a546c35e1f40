"""Programs on a terminal, as a person has them: what is typed, what is shown, and how wide that is."""

from __future__ import annotations

import os
import re
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pexpect
from conftest import ROOT

_PATIENCE = int(
    os.environ.get("PATIENCE", 60)
)  # seconds; what a test waits for comes at once, but for a machine that is busy
_WHERE = r"\x1b\[6n"
"""The terminal is asked where the cursor is: without an answer no line is shown below the text."""
_CONTROL = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>78])|[\r\x0e\x0f]")


class Terminal:
    """A program, and all that it has written so far."""

    def __init__(self, child: pexpect.spawn[str]) -> None:
        self.child = child
        self._written = ""
        self._seen = 0

    @property
    def written(self) -> str:
        """All that the program has written, as it was."""
        return self._written

    def type(self, keys: str) -> None:
        self.child.send(keys)

    def paste(self, text: str) -> None:
        """As a terminal does that says what is pasted."""
        self.child.send(f"\x1b[200~{text}\x1b[201~")

    def shows(self, text: str) -> str:
        """Waits until something is shown, and gives what was shown since the last call, up to that.

        Colours and white space are left out, and so is where lines are broken.
        """
        wanted = _squeezed(text)
        while (at := (shown := _squeezed(_CONTROL.sub("", self._written))).find(wanted, self._seen)) < 0:
            came = self.child.expect([_WHERE, r"[^\x1b]+|\x1b(?!\[6n)", pexpect.TIMEOUT, pexpect.EOF])
            assert came < 2, f"{text!r} is not shown; this is: {shown[self._seen :][-2000:]!r}"
            self._written += str(self.child.before) + (str(self.child.after) if came else "")
            if came == 0:
                self.child.send("\x1b[1;1R")
        before, self._seen = self._seen, at + len(wanted)
        return shown[before : self._seen]

    def hears_signals(self) -> None:
        """Waits until Ctrl-C is a signal and no key: a statement is carried out."""
        while not termios.tcgetattr(self.child.child_fd)[3] & termios.ISIG:
            pass

    def leaves(self) -> int:
        """Waits for the end of the program, and gives its exit code."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        return int(self.child.exitstatus)

    def workers(self) -> list[int]:
        """The processes that the program has started."""
        path = Path(f"/proc/{self.child.pid}/task")
        return [int(pid) for one in path.glob("*/children") for pid in one.read_text().split()]


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@contextmanager
def prompt(
    folder: Path, *arguments: str, columns: int = 80, environment: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """The prompt of QQL in a folder, which has its history too."""
    with program(sys.executable, ["-m", "qql", *arguments], folder, columns, environment) as terminal:
        yield terminal


@contextmanager
def program(
    name: str, arguments: list[str], folder: Path, columns: int, environment: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """A program in a folder, in which QQL keeps its history too."""
    child = pexpect.spawn(
        name,
        arguments,
        cwd=str(folder),
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "QQL_HISTORY": str(folder / "history"),
            "TERM": "xterm-256color",
            **(environment or {}),
        },
        dimensions=(24, columns),
        encoding="utf-8",
        timeout=_PATIENCE,
    )
    try:
        yield Terminal(child)
    finally:
        child.close(force=True)
