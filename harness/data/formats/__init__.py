"""Raw files in the usual formats, read by one call each into a `Dataset`.

class_folders       a folder for every class, with its images
images_and_csv      a folder of images, and a table of labels or numbers
images_and_masks    a folder of images, and a folder of masks of the same names
npz                 arrays in an .npz file
csv_table           a table, to learn one of its columns from the others
coco, yolo, voc     images and boxes, one part each; coco_parts: a folder train/ and folders without boxes

An error names the file, the line and the column.
"""

from harness.data.formats.arrays import npz
from harness.data.formats.box_annotations import coco, coco_images, coco_parts, voc, yolo
from harness.data.formats.csv_samples import csv_table
from harness.data.formats.images_on_disk import class_folders, images_and_csv, images_and_masks

__all__ = [
    "class_folders",
    "coco",
    "coco_images",
    "coco_parts",
    "csv_table",
    "images_and_csv",
    "images_and_masks",
    "npz",
    "voc",
    "yolo",
]
