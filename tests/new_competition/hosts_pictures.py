"""Pictures as well-known hosts of competitions hand them out: the exact names, folders and tables, of made content.

Each function writes a host's folder. A class is a colour, an object a bright patch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from harness.data.run_lengths import RunLengths
from tests.new_competition.hosts_tables import table

COLOURS = ((210, 60, 60), (60, 200, 60), (60, 80, 220), (200, 200, 60), (60, 200, 200), (200, 60, 200))


def shown(rng: np.random.Generator, kinds: Sequence[int] = (), size: tuple[int, int] = (24, 24)) -> np.ndarray:
    """(h, w, 3) uint8: noise, with a patch of the colour of every kind."""
    pixels = rng.integers(20, 70, (*size, 3))
    for kind in kinds:
        top, left = rng.integers(0, size[0] - 9), rng.integers(0, size[1] - 9)
        pixels[top : top + 9, left : left + 9] = np.array(COLOURS[kind % 6]) + rng.integers(-15, 15, 3)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def save(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


def save_dicom(file: Path, pixels: np.ndarray, patient: str) -> None:
    """(h, w) uint8 as a hospital writes it."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    file.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[file.name])
    data = pydicom.Dataset()
    data.file_meta, data.PatientID, data.Modality = meta, patient, "CR"
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 7, 0, 1
    data.PhotometricInterpretation, data.PixelData = "MONOCHROME2", pixels.tobytes()
    data.save_as(file, enforce_file_format=True)


def hashed(number: int, digits: int = 8) -> str:
    return f"{(number + 3) * 2654435761 % 16**digits:0{digits}x}"


def dog_breed(folder: Path) -> None:
    """labels.csv beside train/ and test/, pictures of several sizes, a probability for each breed."""
    rng, breeds, rows = np.random.default_rng(1), ("affenpinscher", "beagle", "chow", "dingo"), []
    for k in range(100):
        kind, part = k % 4, "train" if k < 72 else "test"
        save(folder / part / f"{hashed(k, 16)}.jpg", shown(rng, [kind], (24 + k % 3 * 4, 28)))
        rows.append([hashed(k, 16), breeds[kind]])
    table(folder / "labels.csv", "id,breed", rows[:72])
    table(
        folder / "sample_submission.csv",
        f"id,{','.join(breeds)}",
        [[row[0], *[1 / 120] * 4] for row in sorted(rows[72:])],
    )


def plant_seedlings(folder: Path) -> None:
    """A folder for each species, whose name has spaces and a dash; the sample names one species in each row."""
    rng, species, asked = np.random.default_rng(2), ("Black-grass", "Common wheat", "Small-flowered Cranesbill"), []
    for k in range(90):
        place = f"train/{species[k % 3]}" if k < 66 else "test"
        save(folder / place / f"{hashed(k, 9)}.png", shown(rng, [k % 3], (24, 24 + k % 2 * 8)))
        asked += [[f"{hashed(k, 9)}.png", "Common wheat"]] if k >= 66 else []
    table(folder / "sample_submission.csv", "file,species", asked)


def cassava(folder: Path) -> None:
    """Numbers of classes; a file says what they are; records of another library lie beside the pictures."""
    rng, rows = np.random.default_rng(3), []
    for k in range(90):
        part = "train_images" if k < 66 else "test_images"
        save(folder / part / f"{1000015157 + k * 7919}.jpg", shown(rng, [k % 5]))
        rows.append([f"{1000015157 + k * 7919}.jpg", k % 5])
    table(folder / "train.csv", "image_id,label", rows[:66])
    table(folder / "sample_submission.csv", "image_id,label", [[row[0], 4] for row in rows[66:]])
    (folder / "label_num_to_disease_map.json").write_text('{"0": "Cassava Bacterial Blight (CBB)", "4": "Healthy"}')
    (folder / "train_tfrecords").mkdir()
    (folder / "train_tfrecords" / "ld_train00-1338.tfrec").write_bytes(b"\0" * 64)


def cifar(folder: Path) -> None:
    """Pictures of train and test have the same names, 1.png and so on; class names in the sample."""
    rng, rows, names = np.random.default_rng(4), [], ("airplane", "cat", "ship")
    for k in range(90):
        save(folder / "train" / f"{k + 1}.png", shown(rng, [k % 3]))
        rows.append([k + 1, names[k % 3]])
    for k in range(40):
        save(folder / "test" / f"{k + 1}.png", shown(rng, [k % 3]))
    table(folder / "trainLabels.csv", "id,label", rows)
    table(folder / "sampleSubmission.csv", "id,label", [[k + 1, "cat"] for k in range(40)])


def dogs_vs_cats(folder: Path) -> None:
    """No table: the class is the beginning of a file's name. One probability, of a dog."""
    rng = np.random.default_rng(5)
    for k in range(60):
        save(folder / "train" / f"{('cat', 'dog')[k % 2]}.{k // 2}.jpg", shown(rng, [k % 2]))
    for k in range(24):
        save(folder / "test" / f"{k + 1}.jpg", shown(rng, [k % 2]))
    table(folder / "sample_submission.csv", "id,label", [[k + 1, 0.5] for k in range(24)])


def state_farm(folder: Path) -> None:
    """Folders c0 to c3, and a table that says which driver is in which picture."""
    rng, rows = np.random.default_rng(6), []
    for k in range(80):
        save(folder / "imgs" / "train" / f"c{k % 4}" / f"img_{k * 7}.jpg", shown(rng, [k % 4]))
        rows.append([f"p{k // 16:03d}", f"c{k % 4}", f"img_{k * 7}.jpg"])
    asked = [f"img_{k * 7 + 1}.jpg" for k in range(28)]
    for k, name in enumerate(asked):
        save(folder / "imgs" / "test" / name, shown(rng, [k % 4]))
    table(folder / "driver_imgs_list.csv", "subject,classname,img", rows)
    table(folder / "sample_submission.csv", "img,c0,c1,c2,c3", [[name, *[0.1] * 4] for name in asked])


def plant_pathology(folder: Path) -> None:
    """All pictures in one folder, four columns of 0 and 1 with one 1 in each row."""
    rng = np.random.default_rng(7)
    for part, count in (("Train", 66), ("Test", 24)):
        for k in range(count):
            save(folder / "images" / f"{part}_{k}.jpg", shown(rng, [k % 4]))
    kinds = "healthy,multiple_diseases,rust,scab"
    table(
        folder / "train.csv",
        f"image_id,{kinds}",
        [[f"Train_{k}", *(int(k % 4 == c) for c in range(4))] for k in range(66)],
    )
    table(folder / "test.csv", "image_id", [[f"Test_{k}"] for k in range(24)])
    table(folder / "sample_submission.csv", f"image_id,{kinds}", [[f"Test_{k}", *[0.25] * 4] for k in range(24)])


def retinopathy(folder: Path) -> None:
    """Two eyes of one person, 10_left and 10_right; grades 0 to 4."""
    rng, rows, asked = np.random.default_rng(8), [], []
    for person in range(10, 60):
        for side in ("left", "right"):
            grade, name = person % 5, f"{person}_{side}"
            save(folder / ("train" if person < 46 else "test") / f"{name}.jpeg", shown(rng, [grade]))
            rows += [[name, grade]] if person < 46 else []
            asked += [[name, 0]] if person >= 46 else []
    table(folder / "trainLabels.csv", "image,level", rows)
    table(folder / "sampleSubmission.csv", "image,level", asked)


def planet(folder: Path) -> None:
    """Tags with a space between them; the test lies in two folders."""
    rng, tags, rows = np.random.default_rng(9), ("clear", "primary", "road", "water"), []
    for k in range(110):
        part, name = "train-jpg" if k < 80 else "test-jpg" if k < 100 else "test-jpg-additional", f"train_{k}"
        name = name if k < 80 else f"test_{k - 80}" if k < 100 else f"file_{k - 100}"
        kinds = [c for c in range(4) if (k >> c) & 1] or [0]
        save(folder / part / f"{name}.jpg", shown(rng, kinds, (32, 32)))
        rows.append([name, " ".join(tags[c] for c in kinds)])
    table(folder / "train_v2.csv", "image_name,tags", rows[:80])
    table(folder / "sample_submission_v2.csv", "image_name,tags", [[row[0], "primary clear"] for row in rows[80:]])


def imet(folder: Path) -> None:
    """Numbers of attributes with a space between them; another table says what they are."""
    rng, numbers, rows = np.random.default_rng(10), ("13", "147", "616", "813"), []
    for k in range(100):
        kinds = [c for c in range(4) if (k >> c) & 1] or [k % 4]
        save(folder / ("train" if k < 72 else "test") / f"{hashed(k, 16)}.png", shown(rng, kinds, (32, 32)))
        rows.append([hashed(k, 16), " ".join(numbers[c] for c in kinds)])
    table(folder / "train.csv", "id,attribute_ids", rows[:72])
    table(folder / "labels.csv", "attribute_id,attribute_name", [[n, f"culture::{n}"] for n in numbers])
    table(folder / "sample_submission.csv", "id,attribute_ids", [[row[0], "0 1 2"] for row in rows[72:]])


def humpback(folder: Path) -> None:
    """The five best ids of whales in a cell, of which one says that it is a new one."""
    rng, whales, rows = (
        np.random.default_rng(11),
        ("new_whale", "w_1287fbc", "w_98baff9", "w_7554f44", "w_1eafe46", "w_f48451c"),
        [],
    )
    for k in range(100):
        save(folder / ("train" if k < 76 else "test") / f"{hashed(k)}.jpg", shown(rng, [k % 6]))
        rows.append([f"{hashed(k)}.jpg", whales[k % 6]])
    table(folder / "train.csv", "Image,Id", rows[:76])
    table(folder / "sample_submission.csv", "Image,Id", [[row[0], " ".join(whales[:5])] for row in rows[76:]])


def hotel_id(folder: Path) -> None:
    """A folder for each hotel, and no table; the five best of them in a cell."""
    rng, hotels, asked = np.random.default_rng(12), ("36363", "53586", "18807", "64314", "60181", "204"), []
    for k in range(100):
        name = f"{hashed(k, 9)}.jpg"
        save(folder / (f"train_images/{hotels[k % 6]}" if k < 76 else "test_images") / name, shown(rng, [k % 6]))
        asked += [[name, " ".join(hotels[:5])]] if k >= 76 else []
    table(folder / "sample_submission.csv", "image_id,hotel_id", asked)


def protein_atlas(folder: Path) -> None:
    """Four files a row, one for each channel: <id>_red.png, ...; labels with a space between them."""
    rng, rows = np.random.default_rng(13), []
    for k in range(60):
        kinds = [c for c in range(3) if (k >> c) & 1] or [k % 3]
        pixels = shown(rng, kinds)
        for channel, colour in enumerate(("red", "green", "blue", "yellow")):
            save(folder / ("train" if k < 40 else "test") / f"{hashed(k, 12)}_{colour}.png", pixels[..., channel % 3])
        rows.append([hashed(k, 12), " ".join(map(str, kinds))])
    table(folder / "train.csv", "Id,Target", rows[:40])
    table(folder / "sample_submission.csv", "Id,Predicted", [[row[0], 0] for row in rows[40:]])


def haemorrhage(folder: Path) -> None:
    """A row for every picture and kind, ID_..._any, of train and test alike; DICOM."""
    rng, kinds = np.random.default_rng(14), ("epidural", "subdural", "any")
    rows, asked = [], []
    for k in range(70):
        flags, name = [k % 2, (k >> 1) % 2], f"ID_{hashed(k, 9)}"
        grey = rng.integers(20, 60, (24, 24)).astype(np.uint8)
        for c, flag in enumerate(flags):
            grey[4 + c * 9 : 11 + c * 9, 6:18] += 150 * flag
        save_dicom(
            folder / ("stage_2_train" if k < 50 else "stage_2_test") / f"{name}.dcm", grey.astype(np.uint8), name
        )
        of_kinds = zip(kinds, [*flags, max(flags)], strict=True)
        (rows if k < 50 else asked).extend([f"{name}_{kind}", flag if k < 50 else 0.5] for kind, flag in of_kinds)
    table(folder / "stage_2_train.csv", "ID,Label", rows)
    table(folder / "stage_2_sample_submission.csv", "ID,Label", asked)


# -- masks -------------------------------------------------------------------------------------------------------------


def with_mask(rng: np.random.Generator, size: tuple[int, int], empty: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """((h, w, 3) uint8, (h, w) bool)"""
    pixels, mask = shown(rng, size=size), np.zeros(size, bool)
    if not empty:
        top, left = rng.integers(2, size[0] // 2), rng.integers(2, size[1] // 2)
        mask[top : top + size[0] // 3, left : left + size[1] // 3 + 2] = True
    pixels[mask] += 140
    return pixels, mask


def tgs_salt(folder: Path) -> None:
    """train/images and train/masks, the same masks as run lengths, and a table of depths for both parts."""
    rng, rows, coding = np.random.default_rng(15), [], RunLengths(by_columns=True)
    for k in range(90):
        part, name = "train" if k < 66 else "test", hashed(k, 10)
        pixels, mask = with_mask(rng, (33, 33), k % 4 == 0)
        save(folder / part / "images" / f"{name}.png", pixels)
        if part == "train":
            save(folder / part / "masks" / f"{name}.png", mask.astype(np.uint16) * 65535)
        rows.append([name, coding.encode(mask)])
    table(folder / "train.csv", "id,rle_mask", rows[:66])
    table(folder / "depths.csv", "id,z", [[row[0], 100 + k] for k, row in enumerate(rows)])
    table(folder / "sample_submission.csv", "id,rle_mask", [[row[0], "1 1"] for row in rows[66:]])


def carvana(folder: Path) -> None:
    """Masks are GIF named after the picture, <car>_<view>_mask.gif; 16 views of a car belong together."""
    rng, rows, coding = np.random.default_rng(16), [], RunLengths()
    for k in range(80):
        part, name = "train" if k < 56 else "test", f"{hashed(k // 8, 12)}_{k % 8 + 1:02d}"
        pixels, mask = with_mask(rng, (24, 40))
        save(folder / part / f"{name}.jpg", pixels)
        if part == "train":
            save(folder / "train_masks" / f"{name}_mask.gif", mask.astype(np.uint8))
        rows.append([f"{name}.jpg", coding.encode(mask)])
    table(folder / "train_masks.csv", "img,rle_mask", rows[:56])
    table(folder / "metadata.csv", "id,year,make", [[hashed(k, 12), "2011.0", "Audi"] for k in range(10)])
    table(folder / "sample_submission.csv", "img,rle_mask", [[row[0], "1 1"] for row in rows[56:]])


def uw_madison(folder: Path) -> None:
    """Ids that no file is named by: case123_day20_slice_0065 is train/case123/case123_day20/scans/slice_0065_24_32_...

    16-bit grey pictures; a row for every slice and organ, of classes in a column.
    """
    rng, coding, organs = np.random.default_rng(17), RunLengths(), ("large_bowel", "small_bowel", "stomach")
    rows, asked = [], []
    for k in range(84):
        case, day, part = 100 + k // 12, 20 + k // 6 % 2, "train" if k < 60 else "test"
        name, slice_ = f"case{case}_day{day}", f"slice_{k % 6 + 65:04d}"
        masks, grey = np.zeros((3, 24, 32), bool), rng.integers(900, 1500, (24, 32)).astype(np.uint16)
        for c in range(3):
            masks[c, 3 + c * 7 : 8 + c * 7, 4 + k % 5 : 20] = k % 4 != c
            grey[masks[c]] = 6000 + 4000 * c
        save(folder / part / f"case{case}" / name / "scans" / f"{slice_}_32_24_1.50_1.50.png", grey)
        for organ, mask in zip(organs, masks, strict=True):
            cell = [coding.encode(mask)] if part == "train" else [""]
            (rows if part == "train" else asked).append([f"{name}_{slice_}", organ, *cell])
    table(folder / "train.csv", "id,class,segmentation", rows)
    table(folder / "sample_submission.csv", "id,class,predicted", asked)


def clouds(folder: Path) -> None:
    """A row for every picture and kind of cloud, 0011165.jpg_Fish; none is blank."""
    rng, kinds, coding = np.random.default_rng(18), ("Fish", "Flower", "Gravel", "Sugar"), RunLengths(by_columns=True)
    rows, asked = [], []
    for k in range(60):
        part, name = "train_images" if k < 42 else "test_images", f"{11165 + k * 37:07d}.jpg"
        pixels, masks = shown(rng, size=(28, 42)), np.zeros((4, 28, 42), bool)
        for c in (k % 4, (k // 4) % 4):
            masks[c, 2 + 6 * c : 7 + 6 * c, 3 + k % 7 : 30] = True
            pixels[masks[c]] = COLOURS[c]
        save(folder / part / name, pixels)
        if part == "train_images":
            rows += [[f"{name}_{kind}", coding.encode(mask)] for kind, mask in zip(kinds, masks, strict=True)]
        else:
            asked += [[f"{name}_{kind}", "1 1"] for kind in kinds]
    table(folder / "train.csv", "Image_Label,EncodedPixels", rows)
    table(folder / "sample_submission.csv", "Image_Label,EncodedPixels", asked)


# -- boxes -------------------------------------------------------------------------------------------------------------


def rsna_pneumonia(folder: Path) -> None:
    """DICOM; a row for every box, or one without numbers; another table has a class for each picture."""
    rng, rows, kinds, asked = np.random.default_rng(19), list[list[Any]](), [], []
    for k in range(60):
        part, name = "train" if k < 42 else "test", hashed(k, 16)
        grey, boxes = rng.integers(20, 60, (64, 64)).astype(np.uint8), k % 3
        if part == "train" and not boxes:
            rows.append([name, "", "", "", "", 0])
        for b in range(boxes):
            x, y = 4 + 30 * b, int(rng.integers(4, 40))
            grey[y : y + 18, x : x + 14] = 200
            rows += [[name, f"{x}.0", f"{y}.0", "14.0", "18.0", 1]] if part == "train" else []
        kinds += [[name, "Lung Opacity" if boxes else "Normal"]] * max(boxes, 1) if part == "train" else []
        asked += [[name, "0.5 0 0 100 100"]] if part == "test" else []
        save_dicom(folder / f"stage_2_{part}_images" / f"{name}.dcm", grey, name)
    table(folder / "stage_2_train_labels.csv", "patientId,x,y,width,height,Target", rows)
    table(folder / "stage_2_detailed_class_info.csv", "patientId,class", kinds)
    table(folder / "stage_2_sample_submission.csv", "patientId,PredictionString", asked)


def vinbigdata(folder: Path) -> None:
    """Numbers and names of classes, of which the last is "No finding", without a box, and written 14 1 0 0 1 1."""
    rng, names, rows, asked = np.random.default_rng(20), ("Aortic enlargement", "Cardiomegaly", "Nodule/Mass"), [], []
    numbers = (0, 3, 8)
    for k in range(54):
        part, name = "train" if k < 40 else "test", hashed(k, 16) * 2
        grey = rng.integers(20, 60, (64, 72)).astype(np.uint8)
        found = [] if k % 4 == 0 else [k % 3, *([(k + 1) % 3] if k % 2 else [])]
        if part == "train" and not found:
            rows += [[name, "No finding", 14, f"R{k % 5 + 1}", "", "", "", ""]]
        for b, c in enumerate(found):
            x, y = 4 + 34 * b, int(rng.integers(4, 30))
            grey[y : y + 14 + 6 * c, x : x + 24] = 90 + 60 * c
            corners = [f"{x}.0", f"{y}.0", f"{x + 24}.0", f"{y + 14 + 6 * c}.0"]
            rows += [[name, names[c], numbers[c], f"R{k % 5 + 1}", *corners]] if part == "train" else []
        asked += [[name, "14 1 0 0 1 1"]] if part == "test" else []
        save_dicom(folder / part / f"{name}.dicom", grey, name)
    table(folder / "train.csv", "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max", rows)
    table(folder / "sample_submission.csv", "image_id,PredictionString", asked)
