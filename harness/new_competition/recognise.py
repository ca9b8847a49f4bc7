"""From a host's files to a declaration: what is predicted, from what, and how it is written.

Every choice is said with its reason. Where two are possible the answer is an error that names the option to give.
"""

from harness.errors import UserError
from harness.metrics.metric_names import tasks_of
from harness.new_competition.host_files import Host
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


def recognise(host: Host) -> Reading:
    """Raise `UserError` with the option to give where two readings are possible."""
    tasks_of(host.options.metric)
    if host.sample is None:
        raise UserError(
            "no table is named like a sample submission; say which it is with SAMPLE=, or write the folder with TASK="
        )
    keys = sample_keys(host)
    forms = ", ".join(f"{name} is {key}" for name, key in keys.keys.items())
    where = {"images": "the names of images", "table": f"{host.test}", "rows": "the order of the rows"}[keys.by]
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
