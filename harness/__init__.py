"""The shared harness: from a declared competition to a submission. Start reading at `pipeline.submit`."""

import sys
from collections.abc import Callable
from typing import Any


def _print(line: str) -> None:
    print(line, file=sys.stderr)


def new(
    competition: str, origin: str, metric: str, say: Callable[[str], None] = _print, **options: str
) -> dict[str, Any]:
    """Declare a competition from a host's files, as `make new FROM=` does.

    Return {"competition", "path", "said", "next"}. origin: a zip, a folder, or kaggle:<name>. options: target, group,
    task, sample, pixels and class_, as in `Options`. say: gets a line for everything that was taken, and why. Raise
    `UserError` where two readings are possible.
    """
    from harness.new_competition import Options, create_from

    return create_from(competition, origin, Options(metric, **options), say)
