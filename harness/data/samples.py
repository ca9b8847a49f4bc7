"""What a competition consists of: rows with an id, an input, a target and a group. numpy only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from harness.data.large_arrays import chosen, is_large, joined, row_bytes


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths, e.g. the boxes of every image: row i is flat[offsets[i] : offsets[i + 1]].

    flat: (m, ...) array, offsets: (n + 1,) int64 from 0 to m. An integer gives one row, a slice or an array of rows
    gives those rows, as with an array.
    """

    flat: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[np.ndarray]) -> Self:
        """Join at least one row; rows without content keep the shape of their columns."""
        return cls(np.concatenate(rows), np.cumsum([0, *map(len, rows)]))

    @classmethod
    def join(cls, parts: Sequence["Ragged"]) -> Self:
        """The rows of the first part, then those of the second, ..."""
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        return cls(np.concatenate([part.flat for part in parts]), np.concatenate([[0], np.cumsum(lengths)]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, int | np.integer):
            return self.flat[self.offsets[rows] : self.offsets[rows + 1]]
        places = np.arange(len(self))[rows]
        if isinstance(rows, slice) and rows.step in (None, 1):  # nothing is copied
            offsets = self.offsets[places[0] : places[-1] + 2] if len(places) else self.offsets[:1]
            return replace(self, flat=self.flat[offsets[0] : offsets[-1]], offsets=offsets - offsets[0])
        begins, ends = self.offsets[places], self.offsets[places + 1]
        some = (self.flat[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True))
        offsets = np.concatenate([[0], np.cumsum(ends - begins)])
        if is_large(int(offsets[-1]) * row_bytes(self.flat)):
            flat = joined((row.ravel() for row in some), self.flat.dtype)[0].reshape(-1, *self.flat.shape[1:])
        else:
            flat = np.asarray(np.concatenate([self.flat[:0], *some]))
        return replace(self, flat=flat, offsets=offsets)

    def __iter__(self) -> Iterator[Any]:
        return (self[row] for row in range(len(self)))


@dataclass(frozen=True)
class Bags(Ragged):
    """Rows of several images, at least one each: every image is predicted alone, and a row's prediction is their mean.

    flat: (m, ...) uint8 or `images.EncodedImages`; an integer gives the images of that row.
    """

    flat: Any

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, int | np.integer):
            return super().__getitem__(rows)
        places = np.arange(len(self))[rows]
        lengths = np.diff(self.offsets)[places]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        positions = np.arange(offsets[-1]) + np.repeat(self.offsets[places] - offsets[:-1], lengths)
        return replace(self, flat=chosen(self.flat, positions), offsets=offsets)

    @property
    def rows(self) -> np.ndarray:
        """(m,) int: the row of every image."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @property
    def first(self) -> Any:
        """The first image of every row."""
        return self.flat[self.offsets[:-1]]

    def means(self, values: np.ndarray) -> np.ndarray:
        """(n, ...) float32: the means over each row's images of (m, ...) values."""
        counts = np.diff(self.offsets).reshape(-1, *[1] * (values.ndim - 1))
        return np.add.reduceat(np.asarray(values, np.float32), self.offsets[:-1]) / counts.astype(np.float32)


@dataclass(frozen=True)
class Joined:
    """Rows that hold an image, or several, and columns of a table.

    images: (n, ...) uint8, `images.EncodedImages` or `Bags`. table: (n,) structured array. An integer gives an image
    and its row of the table; a name gives a column; a slice or an array of rows gives those rows, as with an array.
    """

    images: Any
    table: np.ndarray

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, str):
            return self.table[rows]
        if isinstance(rows, int | np.integer):
            return self.images[rows], self.table[rows]
        return Joined(chosen(self.images, rows), self.table[rows])

    def __iter__(self) -> Iterator[Any]:
        return (self[row] for row in range(len(self)))


def images_of(inputs: Any) -> Any:
    """The images of inputs that hold a table too; any other inputs as they are."""
    return inputs.images if isinstance(inputs, Joined) else inputs


def table_of(inputs: Any) -> np.ndarray | None:
    """The columns among the inputs, a structured array; None where they hold no table."""
    table = inputs.table if isinstance(inputs, Joined) else inputs
    return table if isinstance(table, np.ndarray) and table.dtype.names else None


def bags_of(inputs: Any) -> Bags | None:
    """The bags among the inputs; None where a row has one image or none."""
    images = images_of(inputs)
    return images if isinstance(images, Bags) else None


@dataclass(frozen=True)
class Samples:
    """Aligned rows. Indexing with an integer or boolean array gives the samples of those rows.

    ids: (n,) str, unique. inputs: (n, ...) array, memory-mapped when large, or `Rows` of one: images as uint8, or
    uint16 where they have more than 8 bits, tables as a structured array of named columns, images of different sizes
    as `images.EncodedImages`, images beside a table as `Joined`, several images a row as `Bags`. targets: (n, ...)
    array, `Ragged`, or `sized_masks.Masks` of images of different sizes; None where they are not known. groups: (n,)
    int, the units that no split may part. stratify: (n,) int, the kinds of sample of which every part gets its share,
    where the targets do not show them (a grade, a site). details: (n,) structured, columns of the host's table by which
    rows are split, and that nothing learns from (a time, a fold). metadata: (n,) of `images.METADATA`, what the image
    files (the first of a row) hold beside their pixels; the audit alone reads it. reading: how image files became
    inputs, JSON values, so that new ones are read alike: value_range, (low, high) or None where all hold 8 bits; size,
    (height, width) of the files or None where they differ; resized, whether a size was declared; together, the images
    of a row that are one input; named_by and row, the columns of a table that name images and the row of each. host:
    JSON, what the host's own files call rows and classes, for `Task.for_official`; None where they are called as here.
    """

    ids: np.ndarray
    inputs: Any
    targets: Any = None
    groups: Any = None
    stratify: Any = None
    details: Any = None
    metadata: Any = None
    reading: Any = None
    host: Any = None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: np.ndarray | slice) -> "Samples":
        names = ("ids", "targets", "groups", "stratify", "details", "metadata")
        columns = {name: getattr(self, name) for name in names}
        others = {name: column[rows] for name, column in columns.items() if column is not None}
        inputs = None if self.inputs is None else chosen(self.inputs, rows)
        return replace(self, inputs=inputs, **others)


@dataclass(frozen=True)
class Dataset:
    """What a competition's `load` returns: the labelled samples, and the parts of the official unlabelled test."""

    labelled: Samples
    official: Mapping[str, Samples] = field(default_factory=dict)

    @property
    def host(self) -> dict[str, Any]:
        """What the host's own files call rows and classes; the official parts count before the labelled one."""
        return {
            name: value
            for part in (self.labelled, *self.official.values())
            for name, value in (part.host or {}).items()
        }


def numbered(count: int, first: int = 0) -> np.ndarray:
    """The ids of a source without its own: row numbers, as strings."""
    return np.arange(first, first + count).astype(str)
