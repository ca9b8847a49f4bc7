"""Raw files as they usually come: one call each reads them, and says what is wrong with the file, line and column."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.data.formats import (
    class_folders,
    coco_parts,
    csv_table,
    images_and_csv,
    images_and_masks,
    made_boxes,
    made_masks,
    made_pictures,
    made_table,
    npz,
)
from harness.data.images import Pictures
from harness.errors import UserError

RED, BLUE = (200, 0, 0), (0, 0, 200)


def picture(file: Path, colour: int | tuple[int, int, int] = RED, size: tuple[int, int] = (4, 6)) -> Path:
    """A plain one of (height, width); a number makes it grey."""
    file.parent.mkdir(parents=True, exist_ok=True)
    height, width = size
    Image.new("L" if isinstance(colour, int) else "RGB", (width, height), colour).save(file)
    return file


def written(file: Path, *lines: str) -> Path:
    file.write_text("\n".join(lines) + "\n")
    return file


def refused(sentence: str, read: Callable, *arguments: object, **options: object) -> None:
    with pytest.raises(UserError, match=sentence):
        read(*arguments, **options)


# -- a folder per class ------------------------------------------------------------------------------------------------


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    for name, file, colour in (("cat", "b", RED), ("cat", "d", RED), ("dog", "a", BLUE), ("dog", "c", BLUE)):
        picture(tmp_path / "animals" / name / f"{file}.png", colour)
    return tmp_path / "animals"


def test_class_folders_are_read_in_the_order_of_the_names_which_does_not_tell_the_class(animals: Path) -> None:
    (animals / "cat" / "Thumbs.db").touch()
    samples = class_folders(animals, ("cat", "dog")).labelled
    assert samples.ids.tolist() == ["a", "b", "c", "d"]
    assert samples.targets.tolist() == [1, 0, 1, 0]
    assert samples.inputs.shape == (4, 4, 6, 3)
    assert samples.inputs[:, 0, 0].tolist() == [[0, 0, 200], [200, 0, 0], [0, 0, 200], [200, 0, 0]]


def test_the_same_name_in_two_class_folders_makes_two_ids_that_do_not_tell_the_class(animals: Path) -> None:
    picture(animals / "dog" / "b.png")
    ids = class_folders(animals, ("cat", "dog")).labelled.ids.tolist()
    assert len(set(ids)) == 5
    assert not any("cat" in name or "dog" in name for name in ids)


def test_a_folder_without_classes_is_the_official_part(animals: Path, tmp_path: Path) -> None:
    picture(tmp_path / "asked" / "x.png", BLUE)
    dataset = class_folders(animals, ("cat", "dog"), test=tmp_path / "asked")
    assert dataset.official["test"].ids.tolist() == ["x"]
    assert dataset.official["test"].inputs[0, 0, 0].tolist() == [0, 0, 200]
    assert len(dataset.labelled) == 4


def test_pictures_of_several_sizes_stay_encoded_or_are_resized(animals: Path) -> None:
    picture(animals / "dog" / "e.png", BLUE, size=(8, 8))
    apart = class_folders(animals, ("cat", "dog")).labelled.inputs
    assert isinstance(apart, Pictures)
    assert apart.sizes.tolist() == [[4, 6]] * 4 + [[8, 8]]
    resized = class_folders(animals, ("cat", "dog"), size=(2, 3)).labelled.inputs
    assert resized.shape == (5, 2, 3, 3)
    assert resized[4, 1, 1].tolist() == [0, 0, 200]


def test_grey_pictures_are_one_plane_and_a_coloured_one_among_them_makes_all_of_them_three(tmp_path: Path) -> None:
    for name in "ab":
        picture(tmp_path / "kinds" / name / f"{name}.png", 77)
    assert class_folders(tmp_path / "kinds", ("a", "b")).labelled.inputs.tolist() == [[[77] * 6] * 4] * 2
    picture(tmp_path / "kinds" / "a" / "c.png", RED)
    assert class_folders(tmp_path / "kinds", ("a", "b")).labelled.inputs.shape == (3, 4, 6, 3)


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    (tmp_path / "kinds" / "a").mkdir(parents=True)
    Image.fromarray(np.full((4, 6), 0x7F80, np.uint16)).save(tmp_path / "kinds" / "a" / "deep.png")
    assert class_folders(tmp_path / "kinds", ("a",)).labelled.inputs.tolist() == [[[0x7F] * 6] * 4]


def test_a_picture_that_a_camera_turned_has_the_size_that_people_see(tmp_path: Path) -> None:
    image, tags = Image.new("RGB", (6, 4), RED), Image.Exif()
    tags[0x0112] = 6
    (tmp_path / "kinds" / "a").mkdir(parents=True)
    image.save(tmp_path / "kinds" / "a" / "turned.jpg", exif=tags)
    assert class_folders(tmp_path / "kinds", ("a",)).labelled.inputs.shape == (1, 6, 4, 3)


def test_what_is_wrong_with_class_folders_is_said(animals: Path, tmp_path: Path) -> None:
    refused(
        r"animals/cat is no class; did you mean cats\?; the classes are cats, dog",
        class_folders,
        animals,
        ("cats", "dog"),
    )
    refused("animals/cow does not exist", class_folders, animals, ("cat", "dog", "cow"))
    refused("nothing does not exist", class_folders, tmp_path / "nothing", ("cat",))
    (animals / "cat" / "broken.png").write_text("no picture")
    refused(r"animals/cat/broken\.png is not readable as a picture", class_folders, animals, ("cat", "dog"))
    (animals / "cat" / "broken.png").unlink()
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    for name in ("b.png", "d.jpg"):
        Image.fromarray(noise).save(animals / "cat" / name)
        whole = (animals / "cat" / name).read_bytes()
        (animals / "cat" / name).write_bytes(whole[: len(whole) // 2])
        refused(
            f"cat/{name} is not readable as a picture .*truncated", class_folders, animals, ("cat", "dog"), size=(4, 6)
        )
        (animals / "cat" / name).unlink()
    (animals / "empty").mkdir()
    refused(r"animals/empty holds no pictures \(.bmp, .jpeg", class_folders, animals, ("cat", "dog", "empty"))


# -- pictures and a table ----------------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in "abcd":
        picture(tmp_path / "photos" / f"{name}.jpg")
    return tmp_path / "photos"


def test_a_table_names_the_pictures_with_their_suffix_or_without(photos: Path, tmp_path: Path) -> None:
    for suffix in ("", ".jpg"):
        table = written(tmp_path / "t.csv", "file,kind", f"c{suffix},dog", f"a{suffix},cat", f"b{suffix},dog")
        dataset = images_and_csv(photos, table, id="file", target="kind", classes=("cat", "dog"))
        assert dataset.labelled.ids.tolist() == [f"c{suffix}", f"a{suffix}", f"b{suffix}"]
        assert dataset.labelled.targets.tolist() == [1, 0, 1]
        assert dataset.official["unlabelled"].ids.tolist() == [f"d{suffix}"]  # no row names it


def test_pictures_without_a_target_are_an_official_part_and_a_folder_is_another(photos: Path, tmp_path: Path) -> None:
    picture(tmp_path / "asked" / "x.jpg")
    table = written(tmp_path / "t.csv", "file,kind,patient", "a,0,7", "b,,7", "c,1,8", "d,1,7")
    dataset = images_and_csv(
        photos, table, id="file", target="kind", classes=("cat", "dog"), group="patient", test=tmp_path / "asked"
    )
    assert dataset.labelled.ids.tolist() == ["a", "c", "d"]
    assert dataset.labelled.groups.tolist() == [0, 1, 0]
    assert {part: samples.ids.tolist() for part, samples in dataset.official.items()} == {
        "unlabelled": ["b"],
        "test": ["x"],
    }
    assert dataset.official["test"].inputs.shape == (1, 4, 6, 3)


def test_a_target_is_a_number_or_several_columns_of_0_and_1(photos: Path, tmp_path: Path) -> None:
    table = written(tmp_path / "t.csv", "file,weight,wet,red", "a,1.5,0,1", "b,2,1,1", "c,3e1,0,0", "d,-4,1,0")
    numbers = images_and_csv(photos, table, id="file", target="weight").labelled.targets
    assert numbers.dtype == np.float64
    assert numbers.tolist() == [1.5, 2, 30, -4]
    several = images_and_csv(photos, table, id="file", target=("wet", "red")).labelled.targets
    assert several.tolist() == [[0, 1], [1, 1], [0, 0], [1, 0]]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["file,kindd", "a,cat"], r"t\.csv has no column 'kind'; did you mean kindd\?; there are file, kindd"),
        (["file,kind", "a,cat", "x,dog"], r"t\.csv, line 3, column file: 'x' is no picture of photos"),
        (
            ["file,kind", "a,cat", "b,dgo"],
            r"line 3, column kind: 'dgo' is no class; did you mean dog\?; the classes are cat",
        ),
        (["file,kind", "a,cat", "b,2"], r"line 3, column kind: '2' is no class"),
        (["file,kind", "a,cat", "a,dog"], r"line 2, column file: 'a' names 2 rows"),
        (["file,kind", "a,cat", "b,dog,1"], r"t\.csv, line 3: 3 columns instead of 2"),
        (["file,kind", "a,", "b,"], r"t\.csv has no row with a target"),
        (["file,", "a,cat"], r"line 1: column 2 has no name"),
        (["file,file", "a,cat"], r"line 1: two columns are named 'file'"),
        (["file,kind"], r"t\.csv is empty"),
        (["file,kind", 'a,"cat'], r"t\.csv is not readable as a CSV table"),
    ],
)
def test_what_is_wrong_with_a_table_of_pictures_is_said(
    photos: Path, tmp_path: Path, lines: Sequence[str], sentence: str
) -> None:
    table = written(tmp_path / "t.csv", *lines)
    refused(sentence, images_and_csv, photos, table, id="file", target="kind", classes=("cat", "dog"))


def test_a_table_that_is_not_there_and_two_pictures_of_one_name_are_said(photos: Path, tmp_path: Path) -> None:
    refused(r"none\.csv is not readable.*No such file", images_and_csv, photos, tmp_path / "none.csv", "file", "kind")
    picture(photos / "a.png")
    table = written(tmp_path / "t.csv", "file,kind", "a,1")
    refused(r"a\.png and a\.jpg have one name", images_and_csv, photos, table, "file", "kind")


# -- pictures and masks ------------------------------------------------------------------------------------------------


@pytest.fixture
def glands(tmp_path: Path) -> Path:
    for name in "abc":
        picture(tmp_path / "images" / f"{name}.jpg")
    for name, value in (("a", 0), ("b", 255)):
        picture(tmp_path / "masks" / f"{name}.png", value)
    return tmp_path


def test_masks_are_labels_by_their_value(glands: Path) -> None:
    dataset = images_and_masks(glands / "images", glands / "masks", values=(0, 255))
    assert dataset.labelled.ids.tolist() == ["a", "b"]
    assert dataset.labelled.targets.dtype == np.uint8
    assert dataset.labelled.targets.tolist() == [[[0] * 6] * 4, [[1] * 6] * 4]
    assert dataset.official["unlabelled"].ids.tolist() == ["c"]
    assert images_and_masks(glands / "images", glands / "masks").labelled.targets.max() == 255


def test_a_palette_is_its_numbers_and_three_equal_channels_are_one(glands: Path) -> None:
    palette = Image.new("P", (6, 4), 3)
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 9, 9, 9])
    palette.save(glands / "masks" / "a.png")
    picture(glands / "masks" / "b.png", (2, 2, 2))
    targets = images_and_masks(glands / "images", glands / "masks").labelled.targets
    assert np.unique(targets[0]).tolist() == [3]
    assert np.unique(targets[1]).tolist() == [2]


def test_masks_are_resized_without_new_labels(glands: Path) -> None:
    mask = np.zeros((4, 6), np.uint8)
    mask[:, 3:] = 255
    Image.fromarray(mask).save(glands / "masks" / "a.png")
    picture(glands / "images" / "b.jpg", size=(9, 9))
    picture(glands / "masks" / "b.png", 255, size=(9, 9))
    dataset = images_and_masks(glands / "images", glands / "masks", values=(0, 255), size=(8, 12))
    assert dataset.labelled.inputs.shape == (2, 8, 12, 3)
    assert dataset.labelled.targets[0].tolist() == [[0] * 6 + [1] * 6] * 8
    refused(
        r"images/\w\.jpg is \d x \d and images/\w\.jpg is \d x \d, but masks need pictures of one size.*size=",
        images_and_masks, glands / "images", glands / "masks",
    )  # fmt: skip


def test_what_is_wrong_with_masks_is_said(glands: Path) -> None:
    images, masks = glands / "images", glands / "masks"
    refused(
        r"masks/b\.png, row 0, column 0 holds 255, but the values of the labels are 0, 1",
        images_and_masks,
        images,
        masks,
        (0, 1),
    )
    picture(masks / "b.png", RED)
    refused(r"masks/b\.png is coloured", images_and_masks, images, masks)
    picture(masks / "b.png", 255, size=(4, 5))
    refused(
        r"masks/b\.png is 4 x 5 \(height x width\), but its picture b\.jpg is 4 x 6", images_and_masks, images, masks
    )
    picture(masks / "x.png", 0)
    refused(r"masks/x\.png belongs to no picture of images", images_and_masks, images, masks)


# -- arrays ------------------------------------------------------------------------------------------------------------


def test_arrays_of_a_file_are_pictures_and_labels(tmp_path: Path) -> None:
    images = np.arange(24, dtype=np.float64).reshape(2, 3, 4, 1)
    np.savez(tmp_path / "a.npz", images=images, labels=[[1], [0]], name=[7, 9], case=[5, 5])
    np.savez(tmp_path / "b.npz", images=images.astype(np.uint8)[:1], name=[3])
    dataset = npz(tmp_path / "a.npz", id="name", group="case", test=tmp_path / "b.npz")
    assert dataset.labelled.inputs.dtype == np.uint8
    assert dataset.labelled.inputs.tolist() == images[..., 0].tolist()
    assert (dataset.labelled.targets.tolist(), dataset.labelled.groups.tolist()) == ([1, 0], [0, 0])
    assert (dataset.labelled.ids.tolist(), dataset.official["test"].ids.tolist()) == (["7", "9"], ["3"])
    assert npz(tmp_path / "a.npz").labelled.ids.tolist() == ["0", "1"]


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"image": np.zeros((2, 3, 4), np.uint8), "labels": [0, 1]}, r"no array 'images'; did you mean image"),
        ({"images": np.zeros((2, 3), np.uint8), "labels": [0, 1]}, r"images has shape \(2, 3\), but pictures are"),
        ({"images": np.full((2, 3, 4), 0.5), "labels": [0, 1]}, "images, row 0 holds 0.5, but whole numbers"),
        ({"images": np.zeros((2, 3, 4), np.uint8), "labels": [0]}, "labels holds 1 rows, but there are 2 pictures"),
        ({"images": np.zeros((2, 3, 4), np.uint8), "labels": ["x", "y"]}, "labels is of type <U1, but numbers are"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_arrays_is_said(tmp_path: Path, arrays: dict, sentence: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    refused(sentence, npz, tmp_path / "a.npz")


def test_a_file_that_is_no_archive_or_holds_objects_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_text("no archive")
    refused(r"a\.npz is no complete \.npz file", npz, tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", images=np.array([{}, {}]), labels=[0, 1])
    refused(r"a\.npz is not readable as an \.npz file: Object arrays", npz, tmp_path / "a.npz")


# -- tables ------------------------------------------------------------------------------------------------------------


def test_a_table_keeps_its_columns_by_name(tmp_path: Path) -> None:
    table = written(
        tmp_path / "t.csv", "no,mpg,name,year,hp", "7,18,ford pinto,70,130", "9,?,vw 1131,71,", "8,15.5,,70,46"
    )
    dataset = csv_table(table, target="hp", id="no", drop=("year",))
    samples = dataset.labelled
    assert samples.inputs.dtype.names == ("mpg", "name")
    assert samples.inputs["mpg"].tolist() == [18, 15.5]
    assert samples.inputs["name"].tolist() == ["ford pinto", ""]
    assert (samples.ids.tolist(), samples.targets.tolist()) == (["7", "8"], [130, 46])
    unlabelled = dataset.official["unlabelled"]
    assert unlabelled.ids.tolist() == ["9"]
    assert np.isnan(unlabelled.inputs["mpg"]).all()


def test_a_test_file_has_the_same_columns_and_shares_their_types(tmp_path: Path) -> None:
    """A column that is text in one file is text in both."""
    known = written(tmp_path / "known.csv", "a;b;kind", "1;2;x", "3;4;y")
    asked = written(tmp_path / "asked.csv", "\ufeffb;a;more", "5;none of these;6")
    dataset = csv_table(known, target="kind", classes=("y", "x"), test=asked)
    assert dataset.labelled.inputs.dtype == dataset.official["test"].inputs.dtype
    assert dataset.labelled.inputs["a"].tolist() == ["1", "3"]
    assert dataset.official["test"].inputs["b"].tolist() == [5]
    assert (dataset.labelled.targets.tolist(), dataset.labelled.ids.tolist()) == ([1, 0], ["0", "1"])


def test_rows_of_a_group_are_known_and_the_group_is_not_learned_from(tmp_path: Path) -> None:
    table = written(tmp_path / "t.csv", "a,site,y", "1,north,2", "2,south,3", "4,north,1")
    samples = csv_table(table, target="y", group="site").labelled
    assert samples.groups.tolist() == [0, 1, 0]
    assert samples.inputs.dtype.names == ("a",)


@pytest.mark.parametrize(
    ("lines", "options", "sentence"),
    [
        (["a,price", "1,2"], {"target": "prize"}, r"no column 'prize'; did you mean price\?; there are a, price"),
        (["a,price", "1,2"], {"target": "price", "drop": ("b",)}, "no column 'b'; "),
        (["a,price", "1,2", "2,cheap"], {"target": "price"}, r"t\.csv, line 3, column price: 'cheap' is no number"),
        (["a,price", "1,2"], {"target": "price", "drop": ("a",)}, "has no column left to learn from"),
        (["a,price", "1,", "2,NA"], {"target": "price"}, "no row with a target: the column price is empty"),
        (["a,n,price", "1,x,2", "2,,3"], {"target": "price", "id": "n"}, "line 3, column n: '' is no id"),
        (["a,n,price", "1,x,2", "2,,3"], {"target": "price", "group": "n"}, "line 3, column n: '' is no group"),
        (["a,u,v", "1,0,1", "2,1,2"], {"target": ("u", "v")}, r"line 3, column v: '2' is no class"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path: Path, lines: Sequence[str], options: dict, sentence: str) -> None:
    refused(sentence, csv_table, written(tmp_path / "t.csv", *lines), **options)


def test_a_column_that_a_test_file_lacks_is_named_with_that_file(tmp_path: Path) -> None:
    known, asked = written(tmp_path / "k.csv", "a,y", "1,2"), written(tmp_path / "q.csv", "b", "1")
    refused(r"q\.csv has no column 'a'.*there are b", csv_table, known, target="y", test=asked)


# -- made samples ------------------------------------------------------------------------------------------------------


def test_a_made_sample_is_read_by_its_layout_and_is_the_same_every_time(tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "two"):
        made_pictures(folder / "p", ("a", "b", "c"), rows=30, asked=4)
        made_masks(folder / "m", ("ground", "a", "b"), rows=12, asked=3)
        (folder / "t").mkdir()
        made_table(folder / "t", rows=40, asked=5)
        made_boxes(folder / "b", ("a", "b"), rows=5, asked=2)
    files = [file.relative_to(tmp_path / "one") for file in sorted((tmp_path / "one").rglob("*")) if file.is_file()]
    assert len(files) == (30 + 4 + 1) + (2 * 12 + 3) + 2 + (5 + 2 + 2)
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)

    raw = tmp_path / "one"
    pictures = images_and_csv(raw / "p/images", raw / "p/labels.csv", "image", "label", "abc", test=raw / "p/test")
    assert set(pictures.labelled.targets.tolist()) == {0, 1, 2}
    assert pictures.official["test"].inputs.shape == (4, 32, 32, 3)
    masks = images_and_masks(raw / "m/images", raw / "m/masks", test=raw / "m/test")
    assert np.unique(masks.labelled.targets).tolist() == [0, 1, 2]
    boxes = coco_parts(raw / "b", ("a", "b"), ("test",))
    assert set(boxes.labelled.targets.flat[:, 0]) == {0, 1}
    assert len(boxes.official["test"]) == 2
    table = csv_table(raw / "t/train.csv", target="price", id="id", test=raw / "t/test.csv")
    assert table.labelled.inputs["town"].dtype.kind == "U"
    assert table.official["test"].ids.tolist() == ["40", "41", "42", "43", "44"]


def test_a_made_mark_has_the_colour_of_its_class(tmp_path: Path) -> None:
    """Learnable: the mean colour under the labels tells the classes apart."""
    made_masks(tmp_path, ("ground", "a", "b", "c"), rows=20, asked=1)
    samples = images_and_masks(tmp_path / "images", tmp_path / "masks").labelled
    means = np.array([samples.inputs[samples.targets == label].mean(0) for label in range(1, 4)])
    assert means.argmax(1).tolist() == [0, 2, 1]  # red, blue, green


def test_reading_a_declaration_with_layouts_imports_no_heavy_library() -> None:
    code = "import sys, harness.data.formats; print(*({'cv2', 'PIL', 'pandas', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
