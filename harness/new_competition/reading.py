"""What is recognised: the parts of a declaration, as Python source where they are calls."""

from dataclasses import dataclass, field

from harness.metrics.metric_names import MetricName, find, tasks_of
from harness.new_competition.host_files import Host


@dataclass
class Reading:
    """kind: of the tasks of `metric_names`. what: what is learned, in words. overlap: whether classes share pixels.

    classes: names, the index is the label; () for numbers. target: the column or columns. coding: of run lengths.
    cells, keys, columns: of the `Layout`. load: the call that reads the host's files. shape: (height, width) of images,
    () of tables, and of masks of several sizes. crop: (height, width) that networks see, () for whole images. beside:
    the columns that are learned from beside images. rows: labelled ones. texts: whether a column holds sentences. time,
    gap: the column by which the test's rows are later than all others, and the days between them. paths: as in
    `files_matched`. needs: paths in raw without which the files are not the host's. look: channels, mean and std of
    networks, of images with more than 8 bits or three channels.
    """

    kind: str
    what: str
    metric: MetricName
    classes: tuple[str, ...] = ()
    target: str | tuple[str, ...] = ""
    coding: str = ""
    cells: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    load: str = ""
    shape: tuple[int, ...] = ()
    crop: tuple[int, ...] = ()
    beside: tuple[str, ...] = ()
    rows: int = 0
    texts: bool = False
    overlap: bool = False
    time: str = ""
    gap: float = 0
    paths: tuple[str, str] | None = None
    needs: list[str] = field(default_factory=list)
    look: dict[str, object] = field(default_factory=dict)


def metric_for(host: Host, kind: str) -> MetricName:
    """Raise `UserError` where METRIC= is not one of this kind of task."""
    return find(host.options.metric, kind)


def fits(host: Host, kind: str) -> bool:
    """Whether METRIC= and TASK= allow this kind of task."""
    return host.options.task in (None, kind) and kind in tasks_of(host.options.metric)


def as_source(pattern: str) -> str:
    r"""A regular expression as Python source, raw where it can be.

    >>> as_source(r"(\d+)_"), as_source("(.+)_")
    ('r"(\\d+)_"', "'(.+)_'")
    """
    return f'r"{pattern}"' if "\\" in pattern and '"' not in pattern and not pattern.endswith("\\") else repr(pattern)


def in_order(text: str) -> tuple[int, float, str]:
    """Numbers by value, then text."""
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text
