"""Raw files in the usual formats, read by one call each into a `Dataset`.

class_folders       a folder for every class, with its images
classes_in_names    images whose names tell the class
images_and_csv      a folder of images, and a table of labels or numbers
images_and_masks    a folder of images, and a folder of masks of the same names
npz                 arrays in an .npz file
csv_table           a table, to learn one of its columns from the others, or several
pixels_in_csv       a table with a column for every pixel
images_and_objects  a folder for every image, with a mask of every object in it
images_and_runs     a folder of images, and a table of masks as run lengths
images_and_boxes    a folder of images, and a table with a row for every box
coco, yolo, voc     images and boxes, one part each; coco_parts: a folder train/ and folders without boxes

asked_ids           the ids that a host's sample submission asks for
files_named         the images of ids; rows_named: of rows that have several
files_matched       the images of ids that are made of parts of their paths
part_of_id          group= by a part of the id

An error names the file, the line and the column.
"""

from harness.data.formats.arrays import npz
from harness.data.formats.asked import asked_ids, part_of_id, rows_named
from harness.data.formats.box_annotations import voc, yolo
from harness.data.formats.coco_annotations import coco, coco_images, coco_parts
from harness.data.formats.csv_samples import csv_table, pixels_in_csv
from harness.data.formats.image_files import files_matched, files_named
from harness.data.formats.images_on_disk import (
    class_folders,
    classes_in_names,
    images_and_csv,
    images_and_masks,
    images_and_objects,
)
from harness.data.formats.objects_in_csv import images_and_boxes, images_and_runs

__all__ = [
    "asked_ids",
    "class_folders",
    "classes_in_names",
    "coco",
    "coco_images",
    "coco_parts",
    "csv_table",
    "files_matched",
    "files_named",
    "images_and_boxes",
    "images_and_csv",
    "images_and_masks",
    "images_and_objects",
    "images_and_runs",
    "npz",
    "part_of_id",
    "pixels_in_csv",
    "rows_named",
    "voc",
    "yolo",
]
