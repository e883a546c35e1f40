"""What hits are measured by: the measures and the judgements."""

from __future__ import annotations

from collections.abc import Sequence

from qql.cli.commands.options import Arguments
from qql.cli.commands.pipelines import options_named
from qql.cli.usage import UsageError
from qql.evaluation.files import Qrels, Query, read_qrels
from qql.evaluation.inputs import measures_of as measures_given
from qql.evaluation.judged_comparison import DELTA, sorted_rows
from qql.evaluation.measures import DEFAULT_MEASURES, Measure

__all__ = ["check_sort", "load_qrels", "measures_of"]


def measures_of(args: Arguments) -> tuple[Measure, ...]:
    """The measures of ``--measures``, which are separated by spaces or commas outside of parentheses."""
    with options_named(args):
        return measures_given(args.get("measures", DEFAULT_MEASURES))


def load_qrels(args: Arguments, queries: Sequence[Query] = ()) -> Qrels:
    """The judgements of ``--qrels``; those of Quepid and UBI require the ``queries``."""
    with options_named(args):
        return read_qrels(args["qrels"], queries, impressions=args.get("min_impressions"))


def check_sort(args: Arguments, measures: Sequence[Measure], *, several: bool) -> None:
    """Raises `UsageError` or `InputError` for a ``--sort`` that cannot be, before anything is asked."""
    if "sort" not in args:
        return
    if "per_query" not in args:
        raise UsageError.make("usage", "--sort orders the queries of --per-query", hint="add --per-query")
    if args["sort"] == DELTA and not several:
        raise UsageError.make("usage", "--sort delta requires two pipelines", hint="--sort nDCG@10")
    with options_named(args):
        sorted_rows([], args["sort"], measures)
