"""What hits are measured by: the measures and the judgements."""

from __future__ import annotations

from qql.cli.commands.options import Arguments
from qql.cli.commands.pipelines import options_named
from qql.evaluation.files import Qrels, read_qrels
from qql.evaluation.inputs import measures_of as measures_given
from qql.evaluation.measures import DEFAULT_MEASURES, Measure

__all__ = ["load_qrels", "measures_of"]


def measures_of(args: Arguments) -> tuple[Measure, ...]:
    """The measures of ``--measures``, which are separated by spaces or commas outside of parentheses."""
    with options_named(args):
        return measures_given(args.get("measures", DEFAULT_MEASURES))


def load_qrels(args: Arguments) -> Qrels:
    """The judgements of ``--qrels``."""
    return read_qrels(args["qrels"])
