"""What was measured of a row, as JSON, as a line for people, and as README's table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from measuring import Spent
from rows import Row

__all__ = ["HEAD", "figures", "line", "lines", "markdown", "slower"]

NOISY = 1.25
"""The third quartile of the rounds by the first, above which a ratio is marked."""
SLOWER = 1.15
"""By how much a ratio has to be worse than the stored one to be told of."""


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


HEAD = ("", "beside", "ours", "theirs", "ratio", "wall", "least", "aim", "reached", "stored")
_WIDTHS = (35, 13, 8, 8, 7, 6, 5, 5, 8, 6)


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


def markdown(run: Mapping[str, Any]) -> Iterable[str]:
    """The table of a run as README has it."""
    machine = run["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in run["packages"].items())
    yield f"{machine['cpu']}, {machine['cores']} cores; Python {machine['python']}; {packages}."
    yield from ("", "| what | beside | ratio | at least | aimed at |", "|---|---|---|---|---|")
    for one in run["rows"]:
        beside, ratio = next(iter(one["ratios"].items()))
        shown = f"{short(ratio['cpu'])} ms" if one["kind"] == "ms" else short(ratio["cpu"])
        marked = shown if one["reached"] == "no" else f"**{shown}**"
        beside = "" if beside == "ours" else beside
        yield f"| {one['what']} | {beside} | {marked} | {one['at_least']:g} | {one['aimed_at']:g} |"
