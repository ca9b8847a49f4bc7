"""Pictures and masks as people have them: every depth, mode and orientation, and masks that cannot be labels."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from PIL import Image, ImageOps
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

from harness.data.formats import class_folders, images_and_csv, images_and_masks, npz
from harness.data.formats.image_files import files_below, read_images
from harness.data.formats.new_inputs import images_like, inputs_like
from harness.data.images import EncodedImages
from harness.errors import UserError
from tests.support.tiny_data import SHARED

CASES = SHARED / "cases"

RAMP = np.arange(256, dtype=np.uint8).reshape(8, 32)  # every level of grey once
COLOURS = np.stack([RAMP, 255 - RAMP, RAMP[::-1]], axis=2)


def pictures(folder: Path, size: tuple[int, int] | None = None, **options: object) -> np.ndarray:
    """The inputs of the one class "a" below the folder."""
    return class_folders(folder, ("a",), size, **options).labelled.inputs


# -- one picture of every kind -----------------------------------------------------------------------------------------


def by_pillow(file: Path, array: np.ndarray, mode: str | None = None, **options: object) -> None:
    Image.fromarray(array, mode).save(file, **options)


def palette(file: Path) -> None:
    image = Image.fromarray(RAMP, "L").convert("P")
    image.putpalette(COLOURS.reshape(-1).tolist())
    image.save(file, transparency=7)


def by_cv2(file: Path, pixels: np.ndarray) -> None:
    cv2.imwrite(str(file), pixels[..., ::-1] if pixels.ndim == 3 else pixels)


def with_alpha(pixels: np.ndarray) -> np.ndarray:
    return np.dstack([pixels, RAMP[:, ::-1]])


def cmyk(file: Path) -> None:
    Image.fromarray(np.dstack([255 - COLOURS, np.zeros_like(RAMP)]), "CMYK").save(file)


def pages(file: Path) -> None:
    first, second = Image.fromarray(RAMP), Image.fromarray(RAMP[::-1].copy())
    first.save(file, save_all=True, append_images=[second])


KINDS: dict[str, tuple[str, Callable[[Path], None], np.ndarray]] = {
    "grey": ("png", lambda file: by_pillow(file, RAMP), RAMP),
    "grey and alpha": ("png", lambda file: by_pillow(file, with_alpha(RAMP), "LA"), RAMP),
    "one bit": ("png", lambda file: Image.fromarray(RAMP > 99).save(file), (RAMP > 99) * 255),
    "colour": ("bmp", lambda file: by_pillow(file, COLOURS), COLOURS),
    "colour and alpha": ("png", lambda file: by_pillow(file, with_alpha(COLOURS)), COLOURS),
    "palette with transparency": ("png", palette, COLOURS),
    "GIF": ("gif", lambda file: by_pillow(file, RAMP), RAMP),
    "WebP": ("webp", lambda file: by_pillow(file, COLOURS, lossless=True), COLOURS),
    "CMYK": ("tif", cmyk, COLOURS),
    "two pages": ("tif", pages, RAMP),
    "12 bits, PNG": ("png", lambda file: by_pillow(file, RAMP.astype(np.uint16) * 16), RAMP),
    "16 bits, TIFF": ("tif", lambda file: by_pillow(file, RAMP.astype(np.uint16) * 257), RAMP),
    "32 bits, TIFF": ("tif", lambda file: by_pillow(file, RAMP.astype(np.int32) * 1000 - 9000), RAMP),
    "8 bits in 32": ("tif", lambda file: by_pillow(file, RAMP.astype(np.int32) // 2), RAMP // 2),
    "floats from 0 to 1": ("tif", lambda file: by_pillow(file, (RAMP / 255).astype(np.float32)), RAMP),
    "double floats": ("tif", lambda file: by_cv2(file, RAMP / 1000), RAMP),
    "16 bits in colour, PNG": ("png", lambda file: by_cv2(file, COLOURS.astype(np.uint16) * 16), COLOURS),
    "16 bits in colour, TIFF": ("tif", lambda file: by_cv2(file, COLOURS.astype(np.uint16) * 16), COLOURS),
    "floats in colour": ("tif", lambda file: by_cv2(file, (COLOURS / 255).astype(np.float32)), COLOURS),
    "array": ("npy", lambda file: np.save(file, RAMP), RAMP),
    "array of 12 bits": ("npy", lambda file: np.save(file, RAMP[..., None].astype(np.uint16) * 16), RAMP),
    "array of colours": ("npy", lambda file: np.save(file, with_alpha(COLOURS)), COLOURS),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_every_kind_keeps_its_levels(kind: str, tmp_path: Path) -> None:
    suffix, write, expected = KINDS[kind]
    (tmp_path / "a").mkdir()
    write(file := tmp_path / "a" / f"x.{suffix}")
    assert pictures(tmp_path).tolist() == [expected.tolist()]
    assert (EncodedImages.read([file])[0] == expected.reshape(8, 32, -1)).all()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_pictures_sizes_and_masks_are_turned_once(turn: int, suffix: str, tmp_path: Path) -> None:
    """Expected pixels by Pillow's `exif_transpose`."""
    tags = Image.Exif()
    tags[0x0112] = turn
    for folder, pixels in (("a", COLOURS), ("masks", (RAMP > 99).astype(np.uint8))):
        (tmp_path / folder).mkdir()
        kind = "png" if folder == "masks" else suffix
        Image.fromarray(pixels).save(tmp_path / folder / f"x.{kind}", exif=tags, lossless=True)
    seen = [np.asarray(ImageOps.exif_transpose(Image.open(file))) for file in sorted(tmp_path.glob("*/x.*"))]
    encoded = EncodedImages.read([tmp_path / "a" / f"x.{suffix}"])
    assert encoded.sizes.tolist() == [list(seen[0].shape[:2])]
    assert (encoded[0] == seen[0]).all()
    dataset = images_and_masks(tmp_path / "a", tmp_path / "masks")
    assert (dataset.labelled.inputs[0] == seen[0]).all()
    assert (dataset.labelled.targets[0] == seen[1]).all()


def test_a_picture_of_14000_x_14000_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("1", (14_000, 14_000), 1).save(tmp_path / "a" / "x.png")
    assert pictures(tmp_path, size=(2, 2)).tolist() == [[[255, 255], [255, 255]]]


def test_a_cut_off_picture_is_named_also_where_pictures_stay_encoded(tmp_path: Path) -> None:
    for name, size in (("x", 40), ("y", 50)):
        (tmp_path / "a").mkdir(exist_ok=True)
        noise = np.random.default_rng(0).integers(0, 255, (size, size, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "a" / f"{name}.jpg")
    whole = (tmp_path / "a" / "y.jpg").read_bytes()
    (tmp_path / "a" / "y.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"y\.jpg .*truncated"):
        pictures(tmp_path)


def test_the_time_of_reading_grows_with_the_number_of_pictures_alone(tmp_path: Path) -> None:
    """Pictures that the table names without suffix; a quadratic search takes a minute of so many."""
    (tmp_path / "a").mkdir()
    Image.new("L", (2, 2)).save(tmp_path / "a" / "0.bmp")
    for k in range(1, 4000):
        os.link(tmp_path / "a" / "0.bmp", tmp_path / "a" / f"{k}.bmp")
    (tmp_path / "t.csv").write_text("file,y\n" + "".join(f"{k},{k % 2}\n" for k in range(4000)))
    start = time.process_time()
    assert len(images_and_csv(tmp_path / "a", tmp_path / "t.csv", "file", "y").labelled) == 4000
    assert time.process_time() - start < 20


# -- one range for all files -------------------------------------------------------------------------------------------


def deep(folder: Path, **highest: int) -> Path:
    """16-bit pictures that go from 0 to the number of each name."""
    folder.mkdir(parents=True)
    for name, high in highest.items():
        by_pillow(folder / f"{name}.png", np.linspace(0, high, 256).round().astype(np.uint16).reshape(8, 32))
    return folder


def test_all_files_are_scaled_alike_and_it_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    deep(tmp_path / "train" / "a", dark=1020, bright=2040)
    test = deep(tmp_path / "test", brightest=4080)
    dataset = class_folders(tmp_path / "train", ("a",), test=test)
    # bright, dark: 2040 and 1020 of 4080; 384 levels in all files
    assert dataset.labelled.inputs.max((1, 2)).tolist() == [32768, 16384]
    assert dataset.official["test"].inputs.max() == 65535
    assert [
        record.message for record in caplog.records if "3 of 3 pictures" in record.message and "4080" in record.message
    ]
    assert len(caplog.records) == 1
    assert dataset.labelled.reading["value_range"] == (0, 4080)
    declared = class_folders(tmp_path / "train", ("a",), value_range=(0, 65280)).labelled.inputs
    assert declared.max((1, 2)).tolist() == [2048, 1024]
    sizes_differ = deep(tmp_path / "other", x=1020)
    by_pillow(sizes_differ / "y.png", np.full((4, 4), 2040, np.uint16))
    assert [int(image.max()) for image in read_images(files_below(sizes_differ))] == [128, 255]


def test_one_hot_pixel_does_not_make_all_others_dark(tmp_path: Path) -> None:
    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    pixels[5, 5] = 65535
    (tmp_path / "a").mkdir()
    by_pillow(tmp_path / "a" / "x.png", pixels)
    assert len(np.unique(pictures(tmp_path))) == 4088  # 4 at each end are hot or dead, by the rule


def test_arrays_of_12_bits_are_scaled_by_a_declared_range(tmp_path: Path) -> None:
    np.savez(file := tmp_path / "a.npz", images=RAMP[None].astype(np.uint16) * 16, labels=[0])
    assert npz(file, value_range=(0, 4080)).labelled.inputs.tolist() == [RAMP.tolist()]
    with pytest.raises(UserError, match=r"images, row 0 holds 256, .*value_range="):
        npz(file)


def test_pictures_that_another_kind_makes_black_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    by_pillow(deep(tmp_path / "a", x=65535) / "y.tif", (RAMP / 255).astype(np.float32))
    pictures(tmp_path)
    assert [record.message for record in caplog.records if "y.tif" in record.message]


def test_nothing_is_said_of_8_bits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a").mkdir()
    by_pillow(tmp_path / "a" / "x.png", RAMP)
    assert pictures(tmp_path).shape == (1, 8, 32)
    assert caplog.records == []


def test_files_that_are_no_images_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("x.PNG", "y.jfif"):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.fromarray(COLOURS).save(tmp_path / "a" / name)
    for name in ("z.heic", "w", "labels.csv"):
        (tmp_path / "a" / name).touch()
    assert len(pictures(tmp_path)) == 2
    (record,) = caplog.records
    assert "2 files are not read, w first" in record.message


def test_pages_that_are_not_read_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a").mkdir()
    pages(tmp_path / "a" / "x.tif")
    pictures(tmp_path)
    assert [record.levelno for record in caplog.records if "x.tif holds 2 pages" in record.message] == [logging.WARNING]


# -- more than 8 bits, any number of channels --------------------------------------------------------------------------

GRADIENT = np.arange(4096, dtype=np.uint16).reshape(64, 64)  # 12 bits
BANDS = np.stack([GRADIENT // 2**k for k in range(5)], axis=2)  # (64, 64, 5)


def test_pictures_with_more_than_256_levels_keep_them_all(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    by_pillow(tmp_path / "a" / "x.png", GRADIENT)
    by_pillow(tmp_path / "a" / "y.png", np.full((64, 64), 255, np.uint8))  # white, of 8 bits
    found = pictures(tmp_path, value_range=(0, 4095))
    assert found.dtype == np.uint16
    assert (found[0] == np.round(GRADIENT / 4095 * 65535)).all()
    assert (found[1] == 65535).all()
    assert pictures(tmp_path, size=(32, 32), value_range=(0, 4095)).shape == (2, 32, 32)
    by_cv2(tmp_path / "a" / "y.png", np.dstack([GRADIENT] * 3))
    assert (pictures(tmp_path)[1][..., 2] == np.round(GRADIENT / 4095 * 65535)).all()


def test_floats_keep_their_levels_too(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "x.npy", np.sqrt(GRADIENT / 4095))
    assert len(np.unique(pictures(tmp_path))) > 4000


def test_channels_are_read_where_they_are_declared(tmp_path: Path) -> None:
    (tmp_path / "last" / "a").mkdir(parents=True)
    np.save(tmp_path / "last" / "a" / "x.npy", BANDS)
    with pytest.raises(UserError, match=r"x\.npy .*channels=5"):
        pictures(tmp_path / "last")
    found = pictures(tmp_path / "last", channels=5, value_range=(0, 65535))
    assert (found[0] == BANDS).all()
    (tmp_path / "first" / "a").mkdir(parents=True)
    np.save(tmp_path / "first" / "a" / "x.npy", np.moveaxis(BANDS, 2, 0))
    assert (pictures(tmp_path / "first", channels=5, value_range=(0, 65535)) == found).all()
    small = pictures(tmp_path / "first", (16, 16), channels=5, value_range=(0, 65535))[0]
    assert (small[..., 3] == cv2.resize(BANDS[..., 3], (16, 16), interpolation=cv2.INTER_AREA)).all()
    with pytest.raises(UserError, match=r"x\.npy .*no 6 channels"):
        pictures(tmp_path / "last", channels=6)


def test_pages_of_a_tiff_are_channels_where_they_are_declared(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    first, *others = [Image.fromarray(np.ascontiguousarray(BANDS[..., k])) for k in range(5)]
    first.save(tmp_path / "a" / "x.tif", save_all=True, append_images=others)
    assert (pictures(tmp_path, channels=5, value_range=(0, 65535))[0] == BANDS).all()


@pytest.mark.parametrize("kind", ["png", "tif", "npy"])
def test_a_fourth_channel_is_kept_where_it_is_declared_and_said_where_it_is_not(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a").mkdir()
    four = np.ascontiguousarray(BANDS[..., :4])
    file = tmp_path / "a" / f"x.{kind}"
    np.save(file, four) if kind == "npy" else cv2.imwrite(str(file), four[..., [2, 1, 0, 3]])
    assert pictures(tmp_path, value_range=(0, 65535)).tolist() == [four[..., :3].tolist()]
    said = [record for record in caplog.records if "declare channels=" in record.message]
    assert len(said) == (kind == "npy")  # the others say themselves that it is alpha
    assert pictures(tmp_path, channels=4, value_range=(0, 65535)).tolist() == [four.tolist()]


def tiff(bands: np.ndarray, planes: int) -> bytes:
    """A TIFF file (h, w, c) uint16 without compression; planes: 1 side by side, 2 one after the other (TIFF 6.0)."""
    height, width, count = bands.shape
    pixels = (bands if planes == 1 else bands.transpose(2, 0, 1)).astype("<u2").tobytes()
    stored = range(8, 8 + len(pixels), len(pixels) // (1 if planes == 1 else count))
    lengths = [len(pixels) // len(stored)] * len(stored)
    tags = {256: [width], 257: [height], 258: [16] * count, 259: [1], 262: [1], 273: stored, 277: [count]}
    tags |= {278: [height], 279: lengths, 284: [planes], 338: [0] * (count - 1), 339: [1] * count}
    entries, beyond, start = b"", b"", 8 + len(pixels) + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        content = b"".join(value.to_bytes(4, "little") for value in values)
        place = content if len(content) == 4 else (start + len(beyond)).to_bytes(4, "little")
        beyond += b"" if len(content) == 4 else content
        entries += tag.to_bytes(2, "little") + b"\x04\0" + len(values).to_bytes(4, "little") + place
    head = b"II*\0" + (8 + len(pixels)).to_bytes(4, "little")
    return head + pixels + len(tags).to_bytes(2, "little") + entries + bytes(4) + beyond


@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("count", [2, 4, 5])
def test_bands_of_a_tiff_are_never_cut_in_silence(count: int, planes: int, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.tif").write_bytes(tiff(BANDS[..., :count], planes))
    with pytest.raises(UserError, match=rf"x\.tif .*channels={count}|x\.tif .*raw mode"):
        pictures(tmp_path)
    assert (pictures(tmp_path, channels=count, value_range=(0, 65535))[0] == BANDS[..., :count]).all()


def test_images_that_stay_encoded_have_8_bits_and_three_channels(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "x.npy", BANDS)
    np.save(tmp_path / "a" / "y.npy", BANDS[:32])
    with pytest.raises(UserError, match=r"channels=5.*size="):
        pictures(tmp_path, channels=5)
    assert pictures(tmp_path, (8, 8), channels=5).shape == (2, 8, 8, 5)


def test_masks_beside_images_of_five_channels(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    np.save(tmp_path / "images" / "x.npy", BANDS)
    by_pillow(tmp_path / "masks" / "x.png", (GRADIENT > 99).astype(np.uint8))
    samples = images_and_masks(tmp_path / "images", tmp_path / "masks", channels=5).labelled
    assert samples.inputs.shape == (1, 64, 64, 5)
    assert (samples.targets[0] == (GRADIENT > 99)).all()


def test_new_pictures_are_as_deep_as_those_of_the_training(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "x.npy", BANDS)
    known = class_folders(tmp_path, ("a",), channels=5).labelled
    assert known.inputs.dtype == np.uint16
    new = images_like(tmp_path / "a", known.inputs, known.reading).inputs
    assert new.dtype == np.uint16
    assert (new == known.inputs).all()


def test_arrays_of_more_than_256_levels_and_five_channels(tmp_path: Path) -> None:
    np.savez(file := tmp_path / "a.npz", images=BANDS[None], labels=[0])
    np.savez(test := tmp_path / "b.npz", images=BANDS[None, ::2] // 100)  # of few levels
    with pytest.raises(UserError, match=r"images has shape .*channels="):
        npz(file)
    dataset = npz(file, test=test, value_range=(0, 65535), channels=5)
    assert (dataset.labelled.inputs[0] == BANDS).all()
    assert (dataset.official["test"].inputs[0] == BANDS[::2] // 100).all()


# -- NIfTI -------------------------------------------------------------------------------------------------------------


def test_slices_of_volumes_are_images_of_one_group(tmp_path: Path) -> None:
    """Stored from the right to the left, (h, w, slices), with slope 2: the affine turns it, nibabel rescales it."""
    import nibabel

    stored = np.arange(5 * 7 * 3, dtype=np.int16).reshape(5, 7, 3)
    for folder, values in (("images", stored * 20 + 1), ("masks", (stored > 50).astype(np.uint8))):
        (tmp_path / folder).mkdir()
        for name in ("x", "y"):
            volume = nibabel.Nifti1Image(values, np.diag([-1.0, 1, 1, 1]))
            if folder == "images":
                volume.header.set_slope_inter(2, 1)
            nibabel.save(volume, tmp_path / folder / f"{name}.nii.gz")
    samples = images_and_masks(tmp_path / "images", tmp_path / "masks").labelled
    assert samples.ids.tolist() == ["x_0", "x_1", "x_2", "y_0", "y_1", "y_2"]
    assert samples.groups.tolist() == [0, 0, 0, 1, 1, 1]
    assert samples.targets.shape == (6, 7, 5)
    for k in range(3):  # seen from above: right is right, front is top
        seen = stored[::-1, ::-1, k].T
        assert (samples.targets[k] == (seen > 50)).all()
        assert (samples.inputs[k] == np.round(seen / stored.max() * 255)).all()
    (tmp_path / "images" / "z.nii").write_bytes(b"no volume")
    with pytest.raises(UserError, match=r"z\.nii is not readable"):
        images_and_masks(tmp_path / "images", tmp_path / "masks")


# -- DICOM -------------------------------------------------------------------------------------------------------------


def dicom(file: Path, pixels: np.ndarray, bits: int, **tags: object) -> Path:
    """A DICOM file of (h, w) or, as RGB, (h, w, 3)."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = pydicom.Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = pixels.shape[:2]
    data.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    data.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    data.BitsAllocated, data.BitsStored, data.HighBit = 8 * pixels.itemsize, bits, bits - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    if pixels.ndim == 3:
        data.PlanarConfiguration = 0
    data.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    file.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(file, enforce_file_format=True)
    return file


UNITS = np.array([[0, 1000, 1040, 1080, 4000]], np.uint16)  # Hounsfield units + 1000, stored in 12 bits


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, [0, 64, 66, 69, 255]),  # the range of the values: 255 * 1000 / 4000 = 63.75, ...
        ({"PhotometricInterpretation": "MONOCHROME1"}, [255, 191, 189, 186, 0]),
        # Rescaled to -1000, 0, 40, 80, 3000; by C.11.2.1.2.1 ((x - 39.5) / 80 + 0.5) * 255 of 0, 40 and 80
        ({"RescaleSlope": 1, "RescaleIntercept": -1000, "WindowCenter": 40, "WindowWidth": 81}, [0, 2, 129, 255, 255]),
        (
            {
                "RescaleSlope": 1,
                "RescaleIntercept": -1000,
                "WindowCenter": [40, 600],  # the first of two windows
                "WindowWidth": [80, 2000],
                "VOILUTFunction": "LINEAR_EXACT",
            },
            [0, 0, 128, 255, 255],
        ),
        (
            {"WindowCenter": 1040.5, "WindowWidth": 81, "PhotometricInterpretation": "MONOCHROME1"},
            [255, 255, 128, 0, 0],
        ),
    ],
)
def test_dicom_values_are_rescaled_and_windowed(tags: dict, expected: list[int], tmp_path: Path) -> None:
    dicom(tmp_path / "a" / "x.dcm", UNITS, bits=12, **tags)
    assert pictures(tmp_path).tolist() == [[expected]]


def test_dicom_in_colour_of_8_bits_and_of_several_frames(tmp_path: Path) -> None:
    dicom(tmp_path / "colour" / "a" / "x.dcm", COLOURS, bits=8)
    assert (pictures(tmp_path / "colour")[0] == COLOURS).all()
    dicom(tmp_path / "grey" / "a" / "x.dcm", RAMP // 2, bits=8)
    assert (pictures(tmp_path / "grey")[0] == RAMP // 2).all()
    frames = np.concatenate([RAMP, RAMP[::-1]])
    dicom(tmp_path / "frames" / "a" / "x.dcm", frames, bits=8, Rows=8, NumberOfFrames=2)
    assert (pictures(tmp_path / "frames")[0] == RAMP).all()


def test_a_jpeg_inside_a_dicom_file_is_decoded(tmp_path: Path) -> None:
    """As Pillow decodes the same JPEG."""
    file = dicom(tmp_path / "a" / "x.dcm", COLOURS, bits=8)
    jpeg = cv2.imencode(".jpg", cv2.resize(COLOURS, (64, 16))[..., ::-1])[1].tobytes()
    data = pydicom.dcmread(file)
    data.PixelData = pydicom.encaps.encapsulate([jpeg])
    data["PixelData"].is_undefined_length = True
    data.Rows, data.Columns, data.PhotometricInterpretation = 16, 64, "YBR_FULL_422"
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    data.save_as(file)
    (tmp_path / "x.jpg").write_bytes(jpeg)
    difference = pictures(tmp_path)[0].astype(int) - np.asarray(Image.open(tmp_path / "x.jpg"))
    assert np.abs(difference).max() <= 2


def test_a_dicom_table_of_values_is_applied(tmp_path: Path) -> None:
    table = pydicom.Dataset()
    table.LUTDescriptor = [3, 1000, 16]  # of the values 1000, 1001 and 1002; others are as the nearest
    table.LUTData = np.array([0, 51 * 257, 255 * 257], "<u2").tobytes()
    pixels = np.array([[0, 1001, 1002, 4000]], np.uint16)
    dicom(tmp_path / "a" / "x.dcm", pixels, bits=12, VOILUTSequence=pydicom.Sequence([table]))
    assert pictures(tmp_path).tolist() == [[[0, 51, 255, 255]]]


@pytest.mark.parametrize("name", ["x.dcm", "x.npy", "x.tif", "x.png"])
@pytest.mark.parametrize("kept", [0, 20, -40])
def test_a_broken_file_of_every_kind_is_named(name: str, kept: int, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write = {"x.dcm": lambda file: dicom(file, RAMP, bits=8), "x.npy": lambda file: np.save(file, RAMP)}
    write.get(name, lambda file: by_pillow(file, RAMP.astype(np.uint16)))(file := tmp_path / "a" / name)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(UserError, match=name):
        pictures(tmp_path)


def test_32_bits_are_resized_and_read_as_grey(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    by_pillow(tmp_path / "a" / "x.tif", np.repeat(np.array([[0, 100_000]], np.int32), 4, axis=1))
    assert pictures(tmp_path, size=(1, 2)).tolist() == [[[0, 255]]]


# -- masks -------------------------------------------------------------------------------------------------------------

LABELS = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)


@pytest.fixture
def masks(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Writes masks, images or functions that save one, beside images of their size."""

    def write(*given: Image.Image | np.ndarray | Callable[[Path], None], suffix: str = "png") -> tuple[Path, Path]:
        for folder in ("images", "masks"):
            (tmp_path / folder).mkdir()
        for k, mask in enumerate(given):
            Image.new("RGB", (3, 2)).save(tmp_path / "images" / f"{k}.png")
            image = Image.fromarray(mask) if isinstance(mask, np.ndarray) else mask
            image.save(tmp_path / "masks" / f"{k}.{suffix}")
        return tmp_path / "images", tmp_path / "masks"

    return write


def with_palette(numbers: np.ndarray, *colours: tuple[int, int, int]) -> Image.Image:
    image = Image.fromarray(numbers, "L").convert("P")
    image.putdata(numbers.ravel().tolist())
    image.putpalette([value for colour in colours for value in colour])
    return image


BLACK, RED, GREEN, WHITE = (0, 0, 0), (255, 0, 0), (0, 255, 0), (255, 255, 255)


def test_palettes_of_another_order_are_read_by_colour(masks: Callable, caplog: pytest.LogCaptureFixture) -> None:
    folders = masks(with_palette(LABELS, BLACK, WHITE), with_palette(1 - LABELS, WHITE, BLACK))
    for values in (None, (0, 255), (BLACK, WHITE)):
        assert images_and_masks(*folders, values).labelled.targets.tolist() == [LABELS.tolist()] * 2
    assert images_and_masks(*folders, (WHITE, BLACK)).labelled.targets.tolist() == [(1 - LABELS).tolist()] * 2
    assert len([record for record in caplog.records if "by colour" in record.message]) == 1


def test_one_palette_is_read_by_number_also_where_it_is_longer_in_one_file(masks: Callable) -> None:
    folders = masks(with_palette(LABELS, WHITE, BLACK), with_palette(LABELS * 2, WHITE, BLACK, RED))
    assert images_and_masks(*folders).labelled.targets.tolist() == [LABELS.tolist(), (LABELS * 2).tolist()]


def test_colours_are_labels_where_they_are_declared(masks: Callable) -> None:
    colours = np.array([BLACK, RED, GREEN], np.uint8)
    folders = masks(colours[LABELS], colours[LABELS * 2], with_palette(LABELS, BLACK, GREEN))
    found = images_and_masks(*folders, values=(BLACK, RED, GREEN)).labelled.targets
    assert found.tolist() == [LABELS.tolist(), (LABELS * 2).tolist(), (LABELS * 2).tolist()]


@pytest.mark.parametrize(
    ("mask", "suffix", "values", "sentence"),
    [
        (with_palette(LABELS, BLACK, RED), "png", (0, 255), r"holds 1, .*palette; declare values=\(0, 1\)"),
        (LABELS.astype(bool), "png", (0, 255), r"row 0, column 1 holds 1, .* declare values=\(0, 1\)"),
        (LABELS * 255, "png", (0, 1), r"column 1 holds 255, .* declare values=\(0, 255\)"),
        (LABELS * 255, "png", None, r"values=\(0, 255\)"),
        (LABELS * np.float32(0.999), "tif", None, r"row 0, column 1 holds 0\.999, a fraction"),
        (np.dstack([LABELS * 0] * 3 + [LABELS * 255]), "png", (0, 255), r"0\.png .*alpha"),
        (Image.fromarray(np.dstack([LABELS * 0, LABELS]), "LA"), "png", None, r"0\.png .*alpha"),
        (np.array([BLACK, RED], np.uint8)[LABELS], "png", None, r"values=\(\(0, 0, 0\), \(255, 0, 0\)\)"),
        (np.array([BLACK, RED], np.uint8)[LABELS], "png", (BLACK, GREEN), r"column 1 holds \(255, 0, 0\)"),
        (LABELS * 200, "jpg", (0, 200), r"0\.jpg, row .*JPEG"),
    ],
)
def test_masks_that_hold_no_labels_are_refused_with_what_would_read_them(
    mask: Image.Image | np.ndarray, suffix: str, values: tuple | None, sentence: str, masks: Callable
) -> None:
    with pytest.raises(UserError, match=sentence):
        images_and_masks(*masks(mask, suffix=suffix), values)


def test_two_masks_of_one_image_are_refused(masks: Callable) -> None:
    images, folder = masks(LABELS)
    Image.fromarray(1 - LABELS).save(folder / "0.tif")
    with pytest.raises(UserError, match=r"0\.(png|tif) and 0\.(png|tif)"):
        images_and_masks(images, folder)


def test_palettes_of_three_colours_in_another_order_need_their_colours(masks: Callable) -> None:
    folders = masks(with_palette(LABELS * 2, BLACK, GREEN, RED), with_palette(LABELS * 2, BLACK, RED, GREEN))
    with pytest.raises(UserError, match=r"palettes .*values=\("):
        images_and_masks(*folders)
    found = images_and_masks(*folders, values=(BLACK, RED, GREEN)).labelled.targets
    assert found.tolist() == [LABELS.tolist(), (2 * LABELS).tolist()]


# -- new pictures and rows, for `make predict` -------------------------------------------------------------------------


def test_new_pictures_are_resized_where_those_of_the_training_were(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a").mkdir()
    by_pillow(tmp_path / "a" / "x.png", RAMP)
    known = class_folders(tmp_path, ("a",), size=(4, 16)).labelled
    new = images_like(tmp_path / "a", known.inputs, known.reading)
    assert new.inputs.tolist() == known.inputs.tolist()
    assert len([record for record in caplog.records if "resized to 4 x 16" in record.message]) == 1
    known = class_folders(tmp_path, ("a",)).labelled
    smaller = known.inputs[:, ::2, ::2]  # as the competition's own `load` may do
    assert images_like(tmp_path / "a", smaller, known.reading).inputs.shape == (1, 4, 16)
    Image.new("L", (5, 5)).save(tmp_path / "a" / "y.png")
    with pytest.raises(UserError, match=r"y\.png is 5 x 5 .* 8 x 32"):
        images_like(tmp_path / "a", known.inputs, known.reading)


def test_new_deep_pictures_are_scaled_by_the_range_of_the_training(tmp_path: Path) -> None:
    known = class_folders(deep(tmp_path / "train" / "a", bright=4080).parent, ("a",)).labelled
    new = deep(tmp_path / "new", dark=1020)
    assert images_like(new, known.inputs, known.reading).inputs.max() == 64
    with pytest.raises(UserError, match=r"dark\.png holds more than 8 bits"):
        images_like(new, known.inputs, {"value_range": None})


def test_new_pictures_of_one_stem_have_ids_of_their_own(tmp_path: Path) -> None:
    for name in ("x.png", "x.bmp", "y.png"):
        by_pillow(tmp_path / name, RAMP)
    assert images_like(tmp_path, np.zeros((1, 8, 32))).ids.tolist() == ["x.bmp", "x.png", "y.png"]


def test_new_rows_of_a_table_have_the_columns_of_the_training(tmp_path: Path) -> None:
    like = np.zeros(2, [("age", "f8"), ("port", "U1")])
    (tmp_path / "new.csv").write_text("port,Id,age,more\nSouth,7,3,1\nC,8,,2\n")
    new = inputs_like(tmp_path / "new.csv", like, {}, id_columns=("Id", "Survived"))
    assert new.ids.tolist() == ["7", "8"]
    assert new.inputs["port"].tolist() == ["South", "C"]
    assert new.inputs["age"].tolist()[0] == 3
    assert np.isnan(new.inputs["age"][1])
    assert inputs_like(tmp_path / "new.csv", like, {}).ids.tolist() == ["0", "1"]
    (tmp_path / "new.csv").write_text("port,age\nS,old\n")
    with pytest.raises(UserError, match=r"new\.csv, line 2, column age: 'old'"):
        inputs_like(tmp_path / "new.csv", like, {})
    (tmp_path / "new.csv").write_text("prt,age\nS,1\n")
    with pytest.raises(UserError, match=r"no column 'port'; did you mean prt"):
        inputs_like(tmp_path / "new.csv", like, {})


# -- the folders of SHARED/cases ---------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize("case", ["c05a_float_tiff", "c05c_12bit_png"])
def test_deep_pictures_of_the_cases_keep_every_level(case: str) -> None:
    samples = class_folders(CASES / case / "raw" / "train", ("cat", "dog")).labelled
    low, high = samples.reading["value_range"]
    for file in files_below(CASES / case / "raw")[:5]:
        stored = np.asarray(Image.open(file))
        levels = np.round((stored.astype(float) - low) / (high - low) * 255)
        assert (samples.inputs[samples.ids == file.stem][0] == levels).all()
        assert len(np.unique(levels)) == len(np.unique(stored))


@pytest.mark.real
def test_every_mode_of_the_cases_is_read() -> None:
    """The colours of all are those of one ramp; the case has it in 8-bit RGB, and turned in eight ways."""
    folder = CASES / "c05_modes" / "raw"
    reference = np.asarray(Image.open(folder / "rgb.png"))
    for name in ("cmyk.jpg", "p.png", "rgb16.png", "rgb16.tif", "rgba.png"):
        assert (EncodedImages.read([folder / name])[0] == reference).all(), name
    grey = np.asarray(Image.open(folder / "l.png"))
    for name in (
        "la.png",
        "f01.tif",
        "f255.tif",
        "i16.png",
        "i16.tif",
        "i16_12bit.png",
        "i16be.tif",
        "i32.tif",
        "i32_8bit.tif",
    ):
        assert np.abs(read_images([folder / name])[0].astype(int) - grey).max() <= 1, name
    for turn in range(1, 9):
        file = folder / f"exif{turn}.jpg"
        assert (EncodedImages.read([file])[0] == np.asarray(ImageOps.exif_transpose(Image.open(file)))).all()


@pytest.mark.real
def test_a_broken_picture_of_the_cases_is_named_and_a_gif_is_read() -> None:
    with pytest.raises(UserError, match=r"c000\.jpg"):
        class_folders(CASES / "c06_broken" / "raw" / "train", ("cat", "dog"))
    images = EncodedImages.read(files_below(CASES / "d34_gif" / "raw" / "images"))
    assert (len(images), images.sizes.tolist()) == (32, [[48, 64]] * 32)


@pytest.mark.real
def test_no_picture_of_the_cases_is_dropped_for_its_suffix() -> None:
    assert len(class_folders(CASES / "c03_suffix" / "raw" / "train", ("cat", "dog")).labelled) == 90


@pytest.mark.real
def test_new_pictures_of_the_cases_are_read_as_the_training_was() -> None:
    known = class_folders(
        folder := CASES / "c11_predict_size" / "raw" / "train", ("cat", "dog"), size=(32, 32)
    ).labelled
    assert (images_like(folder, known.inputs, known.reading).inputs == known.inputs).all()


@pytest.mark.real
@pytest.mark.parametrize(
    ("case", "values", "sentence"),
    [
        ("s02b_palette_with_values", (0, 255), r"palette; declare values=\(0, 1\)"),
        ("s07_one_bit", (0, 255), r"declare values=\(0, 1\)"),
        ("s08_float_tif", None, r"holds 0\.999, a fraction"),
        ("s10_mask_in_alpha", (0, 255), "alpha"),
        ("s14_two_masks_one_stem", (0, 255), r"003\.(png|tif) and 003"),
    ],
)
def test_masks_of_the_cases_are_refused(case: str, values: tuple | None, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        images_and_masks(CASES / case / "raw" / "images", CASES / case / "raw" / "masks", values)


@pytest.mark.real
def test_masks_of_the_cases_are_read_by_colour() -> None:
    raw = CASES / "s03_palette_order_differs" / "raw"
    targets = images_and_masks(raw / "images", raw / "masks").labelled.targets
    white = [np.asarray(Image.open(file).convert("L")) == 255 for file in sorted((raw / "masks").iterdir())]
    assert (targets == np.stack(white)).all()
