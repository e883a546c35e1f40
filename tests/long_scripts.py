"""Runs a script in a process of its own, and prints how much memory that took above the start, in MiB.

`python long_scripts.py check|run FILE`. The engine keeps nothing, so what is measured is ours.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import qql
from qql.backends.recording import RecordingBackend
from qql.cli import main
from qql.cli.usage import script_file
from qql.rest.request import Request
from qql.rest.types import Json

SCHEMA = {"config": {"params": {"vectors": {"v": {"size": 384, "distance": "Dot"}}}}}


def write_script(path: Path, megabytes: int, statement: int = 1 << 20, end: str = ";") -> None:
    """Writes a script of so many MiB of UPSERTs, each of ``statement`` bytes."""
    vector = ", ".join(f"{number / 7:.6f}" for number in range(384))
    row = f'{{"id": 1, "title": "it\'s a; text", "vector": {{"v": [{vector}]}}}}'
    text = "UPSERT INTO c VALUES\n" + ",\n".join([row] * (statement // len(row) or 1)) + end + "\n"
    with path.open("w") as file:
        for _ in range((megabytes << 20) // len(text) + 1):
            file.write(text)


class Forgetful(RecordingBackend):
    """Answers as the recording backend does, and keeps only how often it was asked."""

    calls = 0

    def call(self, request: Request) -> Json:
        self.calls += 1
        answer = super().call(request)
        self.clear()
        return answer


def memory(name: str) -> float:
    """MiB that the process has (``VmRSS``), or has had at most (``VmHWM``)."""
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    how, path = sys.argv[1:]
    small = Path(path).with_suffix(".small")
    write_script(small, 0, 1000)
    with qql.connect(Forgetful(answers={("GET", ""): SCHEMA})) as db:
        list(map(db.carry_out, db.checked(script_file(str(small))).statements()))
        assert main(["check", str(small)]) == 0
        Path("/proc/self/clear_refs").write_text("5")
        before = memory("VmRSS")
        if how == "check":
            assert main(["check", path]) == 0
        else:
            for one in db.checked(script_file(path)).statements():
                db.carry_out(one)
            print(db.backend.calls)
        print(memory("VmHWM") - before)
