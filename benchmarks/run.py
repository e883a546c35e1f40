"""How fast is QQL beside pyqql, and beside what one would write by hand? All rows of the table in one run.

python benchmarks/run.py [--row WORD]... [--rounds N] [--quick] [--json FILE] [--stored FILE] [--tree DIR]
python benchmarks/run.py --markdown FILE

`rows.py` has the rows and the ratios to reach. A wheel is built of the tree (the one of this file, or DIR),
so that what is measured is what users install. Each row runs in a process of its own, where its sides take
turns in short rounds. What counts is CPU time; a ratio is the median of the rounds'. ``~`` marks one whose
middle half of the rounds is further apart than 1.25. ``wall`` is the ratio by the clock, which depends on
what else runs. ``--stored`` compares with the JSON of an earlier run; ``--markdown`` prints one as README
has it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measuring import measured
from packages import ROOT, packaged
from rows import ROWS, Row
from table import HEAD, figures, line, lines, markdown, slower

QUICK_POINTS, FULL_POINTS = 5_000, 100_000
QUICK_ROUNDS = 7


# ---------------------------------------------------------------------------------- one row, in its process


def work(word: str, points: int, rounds: int, kept: str) -> None:
    """Measures one row, and prints what each turn of each side took."""
    from importlib import import_module

    from scale import Scale

    row = next(row for row in ROWS if row.word == word)
    module, _, function = row.make.partition(":")
    with TemporaryDirectory(prefix="qql-bench-") as place:
        # Two parts more: turns that are not counted find out how long a step takes.
        scale = Scale(points, Path(place), Path(kept), rounds)
        for sides in getattr(import_module(module), function)(scale):
            found = measured(sides, rounds, row.sample)
    json.dump({"steps": found.steps, "turns": found.turns}, sys.stdout)


# ------------------------------------------------------------------------------------------- the program


def main() -> None:
    given = arguments()
    if given.markdown:
        print("\n".join(markdown(json.loads(given.markdown.read_text("utf-8")))))
        return
    rows = [row for row in ROWS if not given.row or any(word in row.word for word in given.row)]
    if not rows:
        sys.exit(f"no such row; there are: {', '.join(row.word for row in ROWS)}")
    before = json.loads(given.stored.read_text("utf-8")) if given.stored else {"rows": []}
    stored = {row["word"]: row for row in before["rows"]}
    about = surroundings(points_of(given))
    found = []
    kept = ROOT / "build" / "bench"
    kept.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="qql-bench-") as place:
        package = packaged(given.tree, Path(place))
        machine = about["machine"]
        print(f"{machine['cpu']}, {machine['cores']} cores; Python {machine['python']}")
        print("CPU time of a step, and its ratio to theirs (for COPY: theirs to ours)")
        print(line(HEAD), flush=True)
        for row in rows:
            if (one := child(row, given, package, kept)) is not None:
                found.append(one)
                print("\n".join(lines(one, stored.get(row.word))), flush=True)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"version": 1, **about, "rows": found}, indent=1)
        given.json.write_text(text + "\n", encoding="utf-8")
    for said in [*elsewhere(about, before), *slower(found, stored)]:
        print(said)
    if len(found) < len(rows):
        sys.exit(1)


def points_of(given: argparse.Namespace) -> int:
    """Rows of the large collections."""
    return given.points or (QUICK_POINTS if given.quick else FULL_POINTS)


def surroundings(points: int) -> dict[str, Any]:
    """What the figures depend on: ``{"machine", "packages", "points"}``."""
    sys.path.insert(0, str(ROOT))  # of this tree, not of one that is installed
    from qql.session.stamp import installed, machine

    names = ("pyqql", "qdrant-edge-py", "qdrant-client", "orjson")
    return {
        "machine": machine().to_dict(),
        "packages": {name: installed(name) for name in names},
        "points": points,
    }


def elsewhere(now: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """Why a stored run is not quite comparable: made on another machine, or with other data."""
    if not before["rows"]:
        return []
    other = [name for name, value in now.items() if before.get(name) != value]
    return [f"the stored run differs in {', '.join(other)}"] if other else []


def child(row: Row, given: argparse.Namespace, package: Path, kept: Path) -> dict[str, Any] | None:
    """The figures of a row; None (and why) where it could not be measured."""
    rounds = given.rounds or (min(QUICK_ROUNDS, row.rounds) if given.quick else row.rounds)
    environment = {**os.environ, "PYTHONPATH": str(package)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # installers compile what they install
    what = [row.word, str(points_of(given)), str(rounds), str(kept)]
    command = [sys.executable, str(Path(__file__).resolve()), "--worker", *what]
    # Elsewhere than in a checkout: `python -m qql` would take the package of the directory where it runs.
    done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"{row.what:35} could not be measured: {why}", flush=True)
        return None
    return figures(row, json.loads(done.stdout))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="CPU time of QQL beside pyqql and programs by hand.")
    parser.add_argument("--row", action="append", help="only rows with this word in their names (rows.py)")
    parser.add_argument("--rounds", type=int, help="turns of each side")
    parser.add_argument("--points", type=int, help="rows of the large collections")
    parser.add_argument("--quick", action="store_true", help=f"few rounds, {QUICK_POINTS:,} points")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--stored", type=Path, help="an earlier --json to compare with")
    parser.add_argument("--markdown", type=Path, help="print this earlier --json as README has it, and end")
    parser.add_argument("--tree", type=Path, default=ROOT, help="another checkout to measure")
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    else:
        main()
