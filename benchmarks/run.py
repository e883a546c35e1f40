"""How fast is QQL beside pyqql, and beside what one would write by hand? All rows of the table in one run.

python benchmarks/run.py [--row WORD]... [--rounds N] [--quick] [--json FILE] [--stored FILE] [--tree DIR]

`rows.py` has the rows and the ratios to reach. A wheel is built of the tree (the one of this file, or DIR),
so that what is measured is what users install. Each row runs in a process of its own, where its sides take
turns in short rounds. What counts is CPU time; a ratio is the median of the rounds'. ``~`` marks one whose
middle half of the rounds is further apart than 1.25. ``wall`` is the ratio by the clock, which depends on
what else runs. ``--stored`` compares with the JSON of an earlier run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from machine import machine
from measuring import Spent, measured
from packages import ROOT, packaged
from rows import ROWS, Row

QUICK = {"points": 5_000, "rounds": 7}
FULL_POINTS = 100_000
NOISY = 1.25
SLOWER = 1.15


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


def figures(row: Row, found: dict[str, Any]) -> dict[str, Any]:
    """What is known of a row, as the JSON has it.

    A side has medians in seconds of a step; its ratio is ``{"cpu", "low", "high", "wall"}``: the median of
    the rounds by CPU time, their quartiles, and the median by the clock.
    """
    turns = {name: [Spent(*one) for one in taken] for name, taken in found["turns"].items()}
    ours, *others = turns
    ratios = {}
    for name in others or [ours]:
        clocks = zip(zip(*turns[ours], strict=True), zip(*turns[name], strict=True), strict=True)
        cpu, wall = ([row.ratio(a, b) for a, b in zip(*one, strict=True)] for one in clocks)
        low, middle, high = statistics.quantiles(cpu, n=4) if len(cpu) > 1 else cpu * 3
        ratios[name] = {"cpu": middle, "low": low, "high": high, "wall": statistics.median(wall)}
    first = next(iter(ratios.values()))["cpu"]
    return {
        "word": row.word,
        "what": row.what,
        "kind": row.kind,
        "at_least": row.at_least,
        "aimed_at": row.aimed_at,
        "reached": row.reached(first),
        "rounds": len(turns[ours]),
        "sides": {
            name: {
                "steps": found["steps"][name],
                "cpu": statistics.median(one.cpu for one in taken),
                "wall": statistics.median(one.wall for one in taken),
            }
            for name, taken in turns.items()
        },
        "ratios": ratios,
    }


# -------------------------------------------------------------------------------------------- the table

_HEAD = ("", "beside", "ours", "theirs", "ratio", "wall", "least", "aim", "reached", "stored")
_WIDTHS = (36, 13, 8, 8, 7, 6, 5, 5, 8, 6)


def line(cells: Iterable[str]) -> str:
    """Words to the left, numbers to the right."""
    out = (
        cell.ljust(width) if at in (0, 1, 8) else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    )
    return " ".join(out).rstrip()


def lines(one: dict[str, Any], stored: dict[str, Any] | None) -> Iterable[str]:
    """The lines of a row: one for each side that ours stands beside, the first with the ratio to reach."""
    sides = one["sides"]
    ours = next(iter(sides.values()))
    for at, (name, ratio) in enumerate(one["ratios"].items()):
        noisy = "~" if ratio["high"] > ratio["low"] * NOISY else ""
        before = ((stored or {}).get("ratios") or {}).get(name)
        bounds = [f"{one['at_least']:g}", f"{one['aimed_at']:g}", one["reached"]] if not at else ["", "", ""]
        yield line(
            [
                "" if at else one["what"],
                "" if name == "ours" else name,
                duration(ours["cpu"]),
                "" if name == "ours" else duration(sides[name]["cpu"]),
                noisy + short(ratio["cpu"]),
                short(ratio["wall"]),
                *bounds,
                short(before["cpu"]) if before else "",
            ]
        )


def short(value: float) -> str:
    """Three digits at most."""
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def duration(seconds: float) -> str:
    scale, unit = (1.0, "s") if seconds >= 1 else (1e3, "ms") if seconds >= 1e-3 else (1e6, "µs")
    return f"{seconds * scale:.3g} {unit}"


def slower(found: Sequence[dict[str, Any]], stored: dict[str, dict[str, Any]]) -> list[str]:
    """The rows that are slower than in the stored run by more than noise."""
    out = []
    for one in found:
        if (before := stored.get(one["word"])) is None:
            continue
        now, then = (next(iter(run["ratios"].values()))["cpu"] for run in (one, before))
        worse = then / now if one["kind"] == "throughput" else now / then
        if worse > SLOWER:
            out.append(f"{one['what']}: {short(then)} was stored, {short(now)} now")
    return out


# ------------------------------------------------------------------------------------------- the program


def main() -> None:
    given = arguments()
    rows = [row for row in ROWS if not given.row or any(word in row.word for word in given.row)]
    if not rows:
        sys.exit(f"no such row; there are: {', '.join(row.word for row in ROWS)}")
    stored: dict[str, Any] = {}
    if given.stored:
        stored = {row["word"]: row for row in json.loads(given.stored.read_text("utf-8"))["rows"]}
    found = []
    kept = ROOT / "build" / "bench"
    kept.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="qql-bench-") as place:
        package = packaged(given.tree, Path(place))
        about = machine()
        print(f"{about['cpu']}, {about['cores']} cores; Python {about['python']}")
        print("CPU time of a step, and its ratio to theirs (for COPY: theirs to ours)")
        print(line(_HEAD), flush=True)
        for row in rows:
            if (one := child(row, given, package, kept)) is not None:
                found.append(one)
                print("\n".join(lines(one, stored.get(row.word))), flush=True)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"version": 1, "machine": about, "rows": found}, indent=1)
        given.json.write_text(text + "\n", encoding="utf-8")
    for said in slower(found, stored):
        print(said)
    if len(found) < len(rows):
        sys.exit(1)


def child(row: Row, given: argparse.Namespace, package: Path, kept: Path) -> dict[str, Any] | None:
    """The figures of a row; None (and why) where it could not be measured."""
    points = given.points or (QUICK["points"] if given.quick else FULL_POINTS)
    rounds = given.rounds or (min(QUICK["rounds"], row.rounds) if given.quick else row.rounds)
    environment = {**os.environ, "PYTHONPATH": str(package)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # installers compile what they install
    what = [row.word, str(points), str(rounds), str(kept)]
    command = [sys.executable, str(Path(__file__).resolve()), "--worker", *what]
    # Elsewhere than in a checkout: `python -m qql` would take the package of the directory where it runs.
    done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"{row.what:36} could not be measured: {why}", flush=True)
        return None
    return figures(row, json.loads(done.stdout))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="CPU time of QQL beside pyqql and programs by hand.")
    parser.add_argument("--row", action="append", help="only rows with this word in their names (rows.py)")
    parser.add_argument("--rounds", type=int, help="turns of each side")
    parser.add_argument("--points", type=int, help="rows of the large collections")
    parser.add_argument("--quick", action="store_true", help=f"few rounds, {QUICK['points']:,} points")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--stored", type=Path, help="an earlier --json to compare with")
    parser.add_argument("--tree", type=Path, default=ROOT, help="another checkout to measure")
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    else:
        main()
