"""What is predicted: labels, probabilities, several labels a row, or numbers."""

import re
from collections.abc import Sequence

import pandas as pd

from harness.errors import UserError, listed
from harness.new_competition.host_files import Host
from harness.new_competition.reading import Reading, fits, in_order, metric_for
from harness.new_competition.recognise_folders import classes_without_a_table
from harness.new_competition.recognise_inputs import common_shape, finish, require_folders, with_inputs
from harness.new_competition.sample_keys import SampleKeys

SEPARATORS = (" ", "|", ";", ",")
NO_AND_YES = (("0", "1"), ("-1", "1"), ("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"))
MANY = 20  # different numbers, from which on they are no classes


def labels_or_numbers(host: Host, keys: SampleKeys) -> Reading:
    """Columns of train named as in the sample, or one whose values are the sample's columns, or folders named so."""
    require_a_row_each(host, keys)
    train, predicted = host.frame(host.train), keys.predicted
    targets = [column for name in predicted if (column := host.column(host.train, name))]
    no_table = not targets and not host.options.target and host.naming_column(host.train) is None
    if no_table and (found := classes_without_a_table(host, keys, cells_of_label)):
        return found
    if len(predicted) == 1:
        column = host.require_column(host.options.target or (targets[0] if targets else the_one_left(host)))
        if "{class}" in keys.keys.get(keys.column or "", ""):
            return flags_in_rows(host, keys, column)
        return one_column(host, keys, column)
    if len(targets) == len(predicted):
        values = train[targets].apply(pd.to_numeric, errors="coerce")
        if not values.isin([0, 1]).all(axis=None):
            return several_numbers(host, keys, targets)
        return flags(host, keys, targets, single=bool((values.sum(axis=1) == 1).all()))
    for name in train.columns:
        if names_in_order := matching(set(train[name]), predicted):
            return one_of_columns(host, keys, name, names_in_order)
    if found := classes_without_a_table(host, keys, cells_of_label):
        return found
    raise UserError(
        f"what is {', '.join(predicted[:3])} of {host.sample}? No column of {host.train} is named so, and none holds "
        "these as its values; say TARGET="
    )


def require_a_row_each(host: Host, keys: SampleKeys) -> None:
    """Raise `UserError` where an id has several rows of the test table, or a row asks for one of several columns."""
    train, test = host.frame(host.train), host.frame(host.test)
    if keys.id_column and not test[keys.id_column].is_unique and host.naming_column(host.test) is None:
        raise UserError(
            f"{host.test} has {len(test)} rows for {len(keys.ids)} of {keys.id_column}, and make new reads one row for "
            "each; make one of them (the last, or means), also in train, and give the folder as FROM="
        )
    for name in test.columns:
        values = set(test[name])
        if len(values) > 1 and values <= set(train.columns):
            raise UserError(
                f"{host.sample} asks for {listed(sorted(values))} in rows of their own (column {name} of {host.test}), "
                "and make new cannot read that; write the folder with TASK="
            )


def one_column(host: Host, keys: SampleKeys, column: str) -> Reading:
    """A label, a probability, several labels, the k best, or a number in one cell."""
    whole = host.frame(host.train)[column]
    cells, (predicted,) = whole[whole != ""], keys.predicted
    separator = separator_of(cells)
    if separator and fits(host, "multilabel"):
        classes = tuple(sorted({name for cell in cells for name in cell.split(separator)}, key=in_order))
        none = ", none=''" if len(cells) < len(whole) else ""
        host.say(f"target: {column}, several of {len(classes)} labels in a cell, with {separator!r} between them")
        reading = Reading("multilabel", column, metric_for(host, "multilabel"), classes, column)
        reading.cells = f"Labels({predicted!r}{'' if separator == ' ' else f', {separator!r}'}{none})"
        return with_inputs(host, keys, reading, separator)
    numbers = pd.to_numeric(cells, errors="coerce")
    kinds = [kind for kind in ("regression", "classification") if fits(host, kind)]
    if not kinds:
        metric_for(host, "regression" if numbers.notna().all() and cells.nunique() > MANY else "classification")
    if kinds[0] == "regression" and numbers.isna().any() and len(kinds) == 1:
        odd = cells[numbers.isna()].iloc[0]
        raise UserError(
            f"{host.train}, column {column}: {odd!r} is not a number, as {host.options.metric} needs; say TARGET="
        )
    if kinds[0] == "regression" and (len(kinds) == 1 or (numbers.notna().all() and cells.nunique() > MANY)):
        return a_number(host, keys, column, numbers)
    classes = tuple(sorted(cells.unique().tolist(), key=in_order))
    if not 2 <= len(classes) <= max(2, len(cells) // 2):
        raise UserError(
            f"{host.train}, column {column} has {len(classes)} different values in {len(cells)} rows, which are no "
            "classes; say TARGET= or TASK="
        )
    return a_label(host, keys, column, classes)


def a_label(host: Host, keys: SampleKeys, column: str, classes: tuple[str, ...]) -> Reading:
    """One label a row, written as itself, as a probability, or as the k best."""
    reading = Reading("classification", column, metric_for(host, "classification"), classes, column)
    host.say(f"target: {column}, {len(classes)} classes: {listed(classes)}")
    reading.cells = cells_of_label(host, keys, classes, reading)
    return with_inputs(host, keys, reading)


def cells_of_label(host: Host, keys: SampleKeys, classes: tuple[str, ...], reading: Reading) -> str:
    """The one predicted column: a label, the k best, or a probability."""
    metric, (predicted,) = reading.metric, keys.predicted
    shown = set(host.frame(host.sample)[predicted]) - {"", *classes}
    if metric.needs == "labels" and shown:
        host.say(
            f"{predicted}: the sample holds {listed(sorted(shown), 3)}, no class; they are written as train has them"
        )
    if metric.needs == "labels":
        numbered = list(classes) == [str(k) for k in range(len(classes))]
        return f"Label({predicted!r})" if numbered else f"Label({predicted!r}, CLASSES)"
    if best := re.search(r"\bk=(\d+)", metric.expression):
        return f"Best({best[1]}, {predicted!r})"
    if len(classes) == 2:
        of = asked_class(host, predicted, classes)
        host.say(f"{predicted}: the probability of {classes[of]!r}")
        return f"Probability({predicted!r}{'' if of == 1 else ', of=0'})"
    if host.assumed:
        return "Probabilities()"
    raise UserError(
        f"METRIC={host.options.metric} needs a probability for each of {len(classes)} classes, but the sample has "
        f"the one column {predicted}"
    )


def asked_class(host: Host, predicted: str, classes: tuple[str, ...]) -> int:
    """Of two classes the one whose probability is asked: CLASS=, that of the column's name, or 1, true, yes."""
    given = host.options.class_ or (predicted if predicted in classes else None)
    if given is None and tuple(map(str.casefold, classes)) in NO_AND_YES:
        return 1
    if given not in classes:
        raise UserError(f"{predicted} is the probability of which class? Say CLASS={classes[0]} or CLASS={classes[1]}")
    return classes.index(given)


def flags_in_rows(host: Host, keys: SampleKeys, column: str) -> Reading:
    """A row for every image and class, 0 or 1: several labels an image."""
    train, id_column, key = host.frame(host.train), keys.column or "", keys.keys[keys.column or ""]
    id_column = host.require_column(id_column)
    values = set(train[column])
    reading = Reading("multilabel", column, metric_for(host, "multilabel"), tuple(keys.labels), column)
    if not values <= {"0", "1"} or reading.metric.needs != "probabilities":
        raise UserError(
            f"{host.sample} has a row for every class ({id_column}); then {column} of {host.train} must be 0 or 1, and "
            f"METRIC= of probabilities; it is {reading.metric.title}, and {column} holds {listed(sorted(values))}"
        )
    ids = list(dict.fromkeys(train[id_column].str.rsplit("_", n=1).str[0]))
    host.say(f"target: {column}, 0 or 1 in a row for every image and one of {len(keys.labels)} labels")
    reading.cells, reading.rows = f"Probability({keys.predicted[0]!r})", len(ids)
    folders = require_folders(host, ids, f"{host.train}, column {id_column}")
    reading.shape, size = common_shape(host)
    arguments = [f"id={id_column!r}", f"target={column!r}", "classes=CLASSES", f"key={key!r}"]
    arguments += [f"size={size}"] if size else []
    host.say(f"inputs: {len(ids)} images in {', '.join(folders)}, named by {id_column}")
    return finish(host, keys, reading, "images_and_csv", folders, arguments, ids)


def a_number(host: Host, keys: SampleKeys, column: str, numbers: pd.Series) -> Reading:
    """The range is learned from train only where it is plain: no number below 0."""
    reading = Reading("regression", column, metric_for(host, "regression"), (), column)
    least = ", least=0" if numbers.min() >= 0 else ""
    host.say(f"target: {column}, numbers from {numbers.min():g} to {numbers.max():g}")
    reading.cells = f"Numbers(({keys.predicted[0]!r},){least})"
    return with_inputs(host, keys, reading)


def several_numbers(host: Host, keys: SampleKeys, targets: list[str]) -> Reading:
    values = host.frame(host.train)[targets].astype(float)
    reading = Reading("regression", ", ".join(targets), metric_for(host, "regression"), (), tuple(targets))
    host.say(f"target: the numbers {listed(targets)}")
    reading.cells = f"Numbers({tuple(keys.predicted)!r}{', least=0' if (values.to_numpy() >= 0).all() else ''})"
    return with_inputs(host, keys, reading)


def flags(host: Host, keys: SampleKeys, targets: list[str], single: bool) -> Reading:
    """A column of 0 and 1 for every class: one label a row where every row has exactly one."""
    kind = "classification" if single and fits(host, "classification") else "multilabel"
    metric = metric_for(host, kind)
    count = "one label a row" if kind == "classification" else "several labels a row"
    host.say(f"target: {len(targets)} columns of 0 and 1, {count}")
    reading = Reading(kind, ", ".join(targets), metric, tuple(targets), tuple(targets))
    reading.cells = "Probabilities()" if metric.needs == "probabilities" else "Flags()"
    if tuple(targets) != tuple(keys.predicted):
        reading.cells = reading.cells.replace("()", f"({tuple(keys.predicted)!r})")
    return with_inputs(host, keys, reading)


def one_of_columns(host: Host, keys: SampleKeys, column: str, classes: dict[str, str]) -> Reading:
    """classes: value of the train column -> the sample's column."""
    host.say(f"target: {column}, {len(classes)} classes, a probability for each: {listed(classes)}")
    reading = Reading("classification", column, metric_for(host, "classification"), tuple(classes), column)
    reading.cells = (
        "Probabilities()" if list(classes) == keys.predicted else f"Probabilities({tuple(classes.values())!r})"
    )
    return with_inputs(host, keys, reading)


def matching(values: set[str], predicted: Sequence[str]) -> dict[str, str]:
    """value -> column where the sample's columns are the values, with or without the same text before each."""
    if not values or len(values) > len(predicted):
        return {}
    for column in predicted:
        for value in values:
            if column.endswith(value):
                before = column[: len(column) - len(value)]
                if {f"{before}{each}" for each in values} <= set(predicted):
                    return {name.removeprefix(before): name for name in predicted}
    return {}


def the_one_left(host: Host) -> str:
    """The only column that train has and the test has not."""
    if host.train is None:
        raise UserError(
            f"what is learned from? None of {listed(host.tables)} is named train or has the column that is predicted, "
            "and no folder or name of an image tells a class; is a file missing, or not CSV, TSV or rows of JSON?"
        )
    train, test = host.frame(host.train), host.frame(host.test)
    images = host.naming_column(host.train)
    left = [name for name in train.columns if name not in test.columns and name != images]
    if len(left) != 1:
        raise UserError(f"what is predicted? Say TARGET= and one of {listed(left or train.columns)}")
    return left[0]


def separator_of(cells: pd.Series) -> str | None:
    """What stands between labels in a cell: its parts are fewer than the cells' texts, and some stand alone too."""
    for separator in SEPARATORS:
        several = cells[cells.str.contains(separator, regex=False)]
        parts = {part for cell in cells for part in cell.split(separator)}
        if len(several) and "" not in parts and len(parts) < cells.nunique() and parts & set(cells):
            return separator
    return None
