r"""``\compare``, ``\bench``: two queries side by side, and the time that one takes."""

from __future__ import annotations

import shlex

from qql.cli.backslash.table import command
from qql.cli.render import sanitize
from qql.cli.usage import UsageError, read_script
from qql.errors import many
from qql.result import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.shell import Ran, Shell

_GROUP = "Looking into a query"
_RUNS = 20
_MOST_RUNS = 100_000


@command("\\compare", argument="[FILE FILE]", group=_GROUP, raw=True)
def compare(shell: Shell, argument: str) -> None:
    r"""Show which hits of the last two queries moved.

    Both are run again. With two files, each of which has one query, those are compared: A is the first.
    """
    from qql.cli.commands.diff import hits_section
    from qql.evaluation.comparison import compare_results

    (name_a, a), (name_b, b) = _two(shell, argument)
    of_a = shell.ask(a.text, a.params, name=name_a)
    of_b = shell.ask(b.text, b.params, name=name_b)
    found = compare_results(of_a, of_b)
    renderer = shell.renderer
    if renderer.format in ("table", "vertical"):
        section = hits_section(found, renderer, renderer.line_width)
        if not argument:
            for name, one in (("A", a), ("B", b)):
                renderer.put_text(f"{name}: {sanitize(' '.join(one.text.split()))}")
        shell.show_rows(section.rows)
        renderer.put_text(*section.notes)
    else:
        shell.show_rows(found.rows())
    renderer.warn([*of_a.warnings, *of_b.warnings])


def _two(shell: Shell, argument: str) -> list[tuple[str, Ran]]:
    """The two queries by the names that errors call them. Raises `UsageError`."""
    from qql.cli.backslash.ran import last_queries
    from qql.cli.shell import Ran

    try:
        files = shlex.split(argument)
    except ValueError:
        files = [argument]
    if len(files) not in (0, 2):
        hint = r"as in `\compare before.qql after.qql`; without files it takes the last two queries"
        raise UsageError.make("usage", rf"\compare takes two files or none, found {len(files)}", hint=hint)
    if files:
        texts = [read_script(file) for file in files]
        return [(file, Ran(text, _used(shell, text, file))) for file, text in zip(files, texts, strict=True)]
    found = last_queries(shell, 2)
    if len(found) < 2:
        message = f"two queries that differ are required, found {len(found) or 'none'}"
        raise UsageError.make("no-statement", message, hint="run another one first")
    return [("<query A>", found[1]), ("<query B>", found[0])]


def _used(shell: Shell, text: str, name: str) -> dict[str, object] | list[object]:
    from qql.errors import Source
    from qql.session.script_files import ScriptText

    return shell.params_used_in(ScriptText(Source(text, name)), shell.params)


@command("\\bench", argument="[TIMES]", group=_GROUP)
def bench(shell: Shell, argument: str) -> None:
    r"""Measure how long the last query takes.

    It is run 20 times, or as often as is said, after one time that does not count. The figures are in
    milliseconds, with all that QQL does and without the time to show results. `qql bench` measures more.
    """
    from qql.cli.backslash.ran import READS, last_ran
    from qql.evaluation.speed import latency, measure_calls

    times = argument.strip() or str(_RUNS)
    if not (times.isdecimal() and times.isascii() and 0 < int(times[:9]) <= _MOST_RUNS and len(times) <= 9):
        message = rf"\bench requires a number from 1 to {_MOST_RUNS:,}, found {sanitize(argument)[:80]}"
        raise UsageError.make("usage", message)
    ran = last_ran(shell, READS, "statement that reads")

    def run(_: int) -> Result:
        return shell.ask(ran.text, ran.params, name="<last>")

    found = latency(measure_calls(run, range(int(times)), warmup=1))
    figures = {"mean": found.mean, "p50": found.p50, "p95": found.p95, "p99": found.p99}
    figures |= {"min": found.least, "max": found.most}
    row = {"runs": found.count, **{f"{name} ms": round(value * 1000, 3) for name, value in figures.items()}}
    shell.show_rows([row])
    shell.say(f"{many(found.count, 'run')}, {found.qps:.0f} a second")
