"""From a host's files to a declaration: what is predicted, from what, and how it is written.

Every choice is said with its reason. Where two are possible the answer is an error that names the option to give.
"""

import re
from collections.abc import Sequence

import pandas as pd

from harness.errors import UserError, listed
from harness.metrics.metric_names import tasks_of
from harness.new_competition.host_files import MASKS, Host
from harness.new_competition.reading import Reading
from harness.new_competition.recognise_labels import labels_or_numbers
from harness.new_competition.recognise_objects import (
    boxes,
    column_of_runs,
    columns_of_boxes,
    folder_of_objects,
    masks,
    masks_beside_images,
    masks_in_files,
    objects_in_files,
)
from harness.new_competition.sample_keys import sample_keys

ASSUMED = "the default layout"  # its name among the host's tables, where the host gives no sample submission
ID = re.compile(r"(.*_)?id(_.*)?|.*I[dD]|key")  # names of columns


def recognise(host: Host) -> Reading:
    """Raise `UserError` with the option to give where two readings are possible."""
    tasks_of(host.options.metric)
    if host.sample is None:
        assume_sample(host)
    keys = sample_keys(host)
    forms = ", ".join(f"{name} is {key}" for name, key in keys.keys.items())
    where = {"images": "the names of images", "table": f"{host.test}", "rows": "the order of the rows"}[keys.by]
    if not host.assumed:
        host.say(f"rows: {forms}; {len(keys.ids)} are asked for, known by {where}")
    if column := column_of_runs(host, keys):
        return masks(host, keys, column)
    no_target = len(keys.predicted) == 1 and host.column(host.train, keys.predicted[0]) is None
    if no_target and (folder := folder_of_objects(host)):
        return objects_in_files(host, keys, folder)
    if no_target and (folders := masks_beside_images(host)):
        return masks_in_files(host, keys, *folders)
    if len(keys.predicted) == 1 and (found := columns_of_boxes(host)):
        return boxes(host, keys, *found)
    return labels_or_numbers(host, keys)


# -- without a sample submission ---------------------------------------------------------------------------------------


def assume_sample(host: Host) -> None:
    """Put a table among the host's that asks for the rows of the test, an id and the target of each.

    Raise `UserError` where a table could be the host's own sample.
    """
    name, ids = ids_of_test(host)
    others = [path for path in host.tables if path not in (host.train, host.test)]
    for path in others if ids else ():
        table = host.tables[path]
        if table.shape[1] > 1 and len(table) >= len(ids) and table.iloc[:, 0].isin(ids).all():
            raise UserError(
                f"no table is named like a sample submission, but {path} names the rows of the test; say "
                f"SAMPLE={' or SAMPLE='.join(others)}, or take it away where it is none"
            )
    targets = targets_of(host, name)
    host.tables[ASSUMED] = pd.DataFrame({name: ids, **{target: [""] * len(ids) for target in targets}}, dtype=object)
    host.sample, host.assumed = ASSUMED, True
    rows = f"{len(ids)} rows of the test" if ids else "no test, and so no official file"
    host.say(f"sample submission: none; the columns are {name},{','.join(targets)} ({rows}); SAMPLE= names one")


def ids_of_test(host: Host) -> tuple[str, list[str]]:
    """(the name of the id, the ids): of the test table, or of the images in folders that hold none of train's."""
    train, test = host.frame(host.train), host.frame(host.test)
    if host.test:
        called = (name for name in test.columns if ID.fullmatch(name) and test[name].is_unique)
        name = host.naming_column(host.test) or next(called, None)
        return (name, test[name].tolist()) if name else ("id", [str(row) for row in range(len(test))])
    known = host.naming_column(host.train)
    of_train = host.folders_of(train[known].unique().tolist()) if known else []
    rest = [folder for folder in host.images if folder not in of_train and not MASKS.fullmatch(folder)]
    rest = [folder for folder in rest if "test" in folder.lower()] or (rest if known else [])
    with_suffix = known and train[known].str.contains(r"\.\w+$").all()
    files = [file for folder in rest for file in host.images[folder]]
    return known or "id", [file.name if with_suffix else file.stem for file in files]


def targets_of(host: Host, name: str) -> Sequence[str]:
    """TARGET=, or what train has and the test has not: one column, or several of 0 and 1; boxes have a usual name."""
    train, test = host.frame(host.train), host.frame(host.test)
    if host.options.target:
        return [host.options.target]
    if columns_of_boxes(host):
        return ["PredictionString"]
    left = [each for each in train.columns if each not in test.columns and each != name]
    if len(left) > 1 and not train[left].isin(["0", "1"]).all(axis=None):
        raise UserError(f"what is predicted? Say TARGET= and one of {listed(left)}")
    return left or ["label"]
