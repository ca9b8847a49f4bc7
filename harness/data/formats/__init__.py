"""Raw files as they usually come, read by one call each into a `Dataset`; and made ones to begin with.

class_folders       a folder for every class, with its pictures
images_and_csv      a folder of pictures, and a table of labels or numbers
images_and_masks    a folder of pictures, and a folder of masks of the same names
npz                 arrays in an .npz file
csv_table           a table, to learn one of its columns from the others
coco, yolo, voc     pictures and boxes, one part each; coco_parts: a folder train/ and folders without boxes

Whatever a person got wrong is said with the file, the line and the column.
"""

from harness.data.formats.arrays import npz
from harness.data.formats.box_annotations import coco, coco_images, coco_parts, voc, yolo
from harness.data.formats.images_on_disk import class_folders, images_and_csv, images_and_masks
from harness.data.formats.made import made_boxes, made_masks, made_pictures, made_table
from harness.data.formats.tables import csv_table

__all__ = [
    "class_folders",
    "coco",
    "coco_images",
    "coco_parts",
    "csv_table",
    "images_and_csv",
    "images_and_masks",
    "made_boxes",
    "made_masks",
    "made_pictures",
    "made_table",
    "npz",
    "voc",
    "yolo",
]
