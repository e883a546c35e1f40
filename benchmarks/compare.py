"""Is this tree faster or slower than the commit before? Both are measured side by side in one run.

python benchmarks/compare.py [BASE] [--rounds N] [--case WORD]...

BASE is a commit (HEAD~1 where it is missing); it is compared with the working tree, uncommitted changes
included. A wheel is built of each, so that what is measured is what users install, with the parser's tables.
Each round takes a sample of one and then of the other; the ratio of two such neighbours hardly feels what
else the machine does. What is counted is CPU time (user and system). A ratio of 0.5 means: half the time.
To see the noise of a machine, compare a clean tree with HEAD: all ratios should be close to 1.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from packages import ROOT, packaged

SAMPLE = 0.1  # seconds of CPU that a sample should take; a case that takes longer is a sample by itself


# ------------------------------------------------------------------------------------------ the two trees


def packaged_base(commit: str, place: Path) -> Path:
    """The package of a commit as its wheel holds it, unpacked in ``place``."""
    done = subprocess.run(["git", "-C", str(ROOT), "archive", "--format=zip", commit], capture_output=True)
    if done.returncode:
        sys.exit(f"compare: no commit {commit!r} here: {done.stderr.decode().strip()}")
    source = place / "source"
    with zipfile.ZipFile(io.BytesIO(done.stdout)) as archive:
        archive.extractall(source)
    return packaged(source, place)


# --------------------------------------------------------------------------------------------- measuring


class Tree:
    """One of the two: a process that repeats steps of its package, and programs started with it."""

    def __init__(self, name: str, package: Path) -> None:
        self.name = name
        self._folder = package.parent
        self._environment = {**os.environ, "PYTHONPATH": str(package)}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)  # installers compile what they install
        self._worker = subprocess.Popen(
            [sys.executable, str(Path(__file__)), "--worker"],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        home = Path(str(self._ask(["home"])))
        assert home.is_relative_to(package), f"{name} would measure {home}"

    def steps(self, case: str, repeat: int) -> float:
        """CPU seconds that so many steps of a case take in the process."""
        return float(str(self._ask([case, repeat])))

    def program(self, arguments: list[str]) -> float:
        """CPU seconds of a program from its start to its end."""
        from cases import hybrid

        file = self._folder / "hybrid.qql"
        file.write_text(hybrid(), encoding="utf-8")
        command = [sys.executable, *(str(file) if word == "FILE" else word for word in arguments)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            command, cwd=self._folder, env=self._environment, capture_output=True, text=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise RuntimeError(f"{self.name} cannot do {' '.join(arguments)}: {done.stderr.strip()}")
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    def close(self) -> None:
        self._worker.communicate("")

    def _ask(self, question: list[object]) -> object:
        asked, answered = self._worker.stdin, self._worker.stdout
        assert asked is not None and answered is not None
        print(json.dumps(question), file=asked, flush=True)
        answer = answered.readline()
        if not answer:
            raise RuntimeError(f"{self.name} cannot do {question[0]}")
        return json.loads(answer)


def work(questions: IO[str], answers: IO[str]) -> None:
    """The process of one tree: reads a case and a number, tells the CPU seconds of so many steps."""
    from cases import IN_PROCESS

    import qql

    steps: dict[str, Callable[[], object]] = {}
    for line in questions:
        case, *repeat = json.loads(line)
        if case == "home":
            print(json.dumps(qql.__file__), file=answers, flush=True)
            continue
        if case not in steps:
            steps[case] = IN_PROCESS[case]()
            steps[case]()
        step = steps[case]
        started = time.process_time()
        for _ in range(repeat[0]):
            step()
        print(json.dumps(time.process_time() - started), file=answers, flush=True)


def side_by_side(trees: tuple[Tree, Tree], sample: Callable[[Tree], float], rounds: int) -> list[list[float]]:
    """Samples of both trees, one after the other; who comes first changes from round to round."""
    taken: list[list[float]] = [[], []]
    for turn in range(rounds):
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            taken[which].append(sample(trees[which]))
    return taken


def repeats(tree: Tree, case: str) -> int:
    """How many steps make a sample that a clock can tell from another one."""
    tree.steps(case, 1)
    return max(1, round(SAMPLE / max(tree.steps(case, 3) / 3, 1e-6)))


# ------------------------------------------------------------------------------------------- the program


def main() -> None:
    from cases import IN_PROCESS, PROCESSES

    parser = argparse.ArgumentParser(description="CPU time of this tree against that of another commit.")
    parser.add_argument("base", nargs="?", default="HEAD~1", help="the commit to compare with")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--case", action="append", help="only cases with this word in their names")
    given = parser.parse_args()
    cases = [n for n in [*IN_PROCESS, *PROCESSES] if not given.case or any(word in n for word in given.case)]
    if not cases:
        parser.error(f"no such case; there are: {', '.join([*IN_PROCESS, *PROCESSES])}")
    with TemporaryDirectory(prefix="qql-bench-") as name:
        folders = Path(name, "base"), Path(name, "here")
        for folder in folders:
            folder.mkdir()
        trees = (
            Tree(given.base, packaged_base(given.base, folders[0])),
            Tree("this tree", packaged(ROOT, folders[1])),
        )
        print(f"CPU ms of {given.base} and of this tree; its ratio to {given.base} in {given.rounds} rounds")
        print(f"{'case':30} {given.base[:9]:>9} {'this tree':>9} {'median':>8} {'min':>7} {'max':>7}")
        try:
            for case in cases:
                show(case, trees, given.rounds)
        finally:
            for tree in trees:
                tree.close()


def show(case: str, trees: tuple[Tree, Tree], rounds: int) -> None:
    from cases import PROCESSES

    if case in PROCESSES:
        number = 1
        for tree in trees:
            tree.program(PROCESSES[case])  # writes the bytecode
        base, here = side_by_side(trees, lambda tree: tree.program(PROCESSES[case]), rounds)
    else:
        trees[1].steps(case, 1)
        number = repeats(trees[0], case)
        base, here = side_by_side(trees, lambda tree: tree.steps(case, number), rounds)
    ratios = [b / a for a, b in zip(base, here, strict=True)]
    times = (statistics.median(taken) / number * 1000 for taken in (base, here))
    print(
        f"{case:30} {next(times):9.3f} {next(times):9.3f}"
        f" {statistics.median(ratios):8.2f} {min(ratios):7.2f} {max(ratios):7.2f}",
        flush=True,
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["--worker"]:
        work(sys.stdin, sys.stdout)
    else:
        main()
