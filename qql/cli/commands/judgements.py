"""What hits are measured by: the measures, the judgements, and the order of equal scores."""

from __future__ import annotations

import re

from qql.cli.commands.options import Arguments
from qql.cli.usage import UsageError
from qql.errors import did_you_mean
from qql.evaluation.files import Qrels, read_qrels
from qql.evaluation.measures import DEFAULT_MEASURES, Measure, parse_measures
from qql.evaluation.ties import TIE_ORDERS

__all__ = ["check_ties", "load_qrels", "measures_of"]


def measures_of(args: Arguments) -> tuple[Measure, ...]:
    """The measures of ``--measures``, which are separated by spaces or commas outside of parentheses."""
    given = args.get("measures", DEFAULT_MEASURES)
    texts = [name for text in given for name in re.findall(r"(?:\([^)]*\)|[^\s,(])+", text)]
    if not texts:
        raise UsageError.make("usage", f"{args.flag('measures')} requires a value, found an empty one")
    return parse_measures(texts)


def check_ties(args: Arguments) -> None:
    """Raises `UsageError` where ``--ties`` is no order."""
    if args.get("ties", "id") not in TIE_ORDERS:
        hint = did_you_mean(args["ties"], TIE_ORDERS)
        raise UsageError.make("usage", f"--ties takes {', '.join(TIE_ORDERS)}, not {args['ties']}", hint=hint)


def load_qrels(args: Arguments) -> Qrels:
    """The judgements of ``--qrels``."""
    return read_qrels(args["qrels"])
