"""What stands beside an input and is no signal: its place in the order, its name, and what its file tells."""

import re
from typing import Any

import numpy as np

from harness.audit.looks import STATISTICS, Look
from harness.data.images import EncodedImages, file_metadata
from harness.data.samples import Samples


def written_of(samples: Samples) -> np.ndarray | None:
    """(n,) of `images.METADATA`; None where the samples came from no files of their own."""
    if samples.metadata is None and isinstance(samples.inputs, EncodedImages):
        return file_metadata(samples.inputs.encoded(row) for row in range(len(samples)))
    return samples.metadata


def facts(samples: Samples, files: np.ndarray | None, rows: np.ndarray) -> dict[str, np.ndarray]:
    """name -> (rows, k) float: what could give the target away and would not be there in earnest.

    files: `written_of` the samples.
    """
    found = {"order": rows.astype(float)[:, None]}
    if samples.ids.tolist() != [str(row) for row in range(len(samples))]:
        found["name"] = of_names(samples.ids[rows])
    if files is not None:
        found["file size"] = beyond_worth(files["bytes"][rows], samples.inputs[rows])
        found["comment"], found["time"] = ranks(files["comment"][rows]), ranks(files["time"][rows])
    return {name: values for name, values in found.items() if (values != values[:1]).any()}


def beyond_worth(lengths: np.ndarray, pictures: Any) -> np.ndarray:
    """(n, 1) float: by how much a file is longer than its picture is rich, which its length written anew tells.

    A crowded picture makes a long file, and tells what it shows; another quality, or a tail, is told by the rest.
    """
    anew = np.log([[written_anew(np.asarray(picture), kind) for kind in kinds_of(pictures)] for picture in pictures])
    terms = np.column_stack([np.ones(len(anew)), anew, anew**2])
    return (np.log(lengths) - terms @ np.linalg.lstsq(terms, np.log(lengths), rcond=None)[0])[:, None]


def kinds_of(pictures: Any) -> tuple[str, ...]:
    """How they were written; both ways where their files are gone."""
    if not isinstance(pictures, EncodedImages):
        return ".png", ".jpg"
    return (".jpg",) if pictures.encoded(0)[:2] == b"\xff\xd8" else (".png",)


def written_anew(picture: np.ndarray, kind: str) -> int:
    import cv2

    return len(cv2.imencode(kind, picture)[1])


def signals(seen: Look) -> dict[str, np.ndarray]:
    """name -> (n, k) float: what a model may well use, and what is too easy where it says it all."""
    if seen.statistics is None or seen.sizes is None:
        return {}
    found = {"mean grey": seen.statistics[:, [STATISTICS.index("mean grey")]]}
    if isinstance(seen.inputs, EncodedImages):
        found["dimensions"] = seen.sizes.astype(float)
    return {name: values for name, values in found.items() if (values != values[:1]).any()}


def of_names(ids: np.ndarray) -> np.ndarray:
    """(n, 4) float: the rank of a name, the rank of its letters alone, its last number, its length."""
    letters = [re.sub(r"\d+", "", name) for name in ids.tolist()]
    last = [float(found[-1][-15:]) if (found := re.findall(r"\d+", name)) else -1.0 for name in ids.tolist()]
    length = [len(name) for name in ids.tolist()]
    return np.column_stack([ranks(ids.tolist()), ranks(letters), last, length])


def ranks(texts: Any) -> np.ndarray:
    """(n, 1) float: equal texts have one rank."""
    return np.unique(texts, return_inverse=True)[1].astype(float)[:, None]
