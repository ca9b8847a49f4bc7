"""A host's files into data/<name>/raw/: from a folder or a zip, with the zips inside unpacked too."""

import os
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

from harness import paths
from harness.data.downloads import from_kaggle
from harness.data.sources import kaggle_credentials
from harness.errors import UserError
from harness.files import TEMPORARY

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def bring(origin: str, slug: str | None, raw: Path) -> None:
    """All or nothing: one rename. A folder is linked, file by file, where the disk allows it, and copied elsewhere.

    slug: the name of a Kaggle competition, whose files its own client downloads. Raise `UserError` where there is
    nothing, where raw/ holds other files, or where an archive is broken.
    """
    if raw.exists() and any(raw.iterdir()):
        raise UserError(f"{paths.shown(raw)} holds other files; remove it, or give the competition another name")
    partial = raw.with_name(f".raw.{os.getpid()}{TEMPORARY}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        if slug is not None:
            partial.mkdir(parents=True)
            fetch(slug, partial)
        elif (place := Path(origin)).is_dir():
            shutil.copytree(place, partial, copy_function=link_or_copy)
        elif is_archive(place):
            partial.mkdir(parents=True)
            extract(place, partial)
        else:
            wrong = (
                f"is neither a folder nor an archive ({', '.join(ARCHIVES)})" if place.exists() else "does not exist"
            )
            raise UserError(f"FROM={origin} {wrong}; give a zip, a folder, or kaggle:<name of the competition>")
        unpack_inside(partial)
        flatten(partial)
        if raw.exists():
            raw.rmdir()
        os.replace(partial, raw)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def fetch(slug: str, folder: Path) -> None:
    """Raise `UserError` where the name cannot be one, where there are no credentials, or where Kaggle refuses."""
    if not re.fullmatch(r"[a-zA-Z0-9-]+", slug):
        raise UserError(
            f"FROM=kaggle:{slug} names no competition; the last part of its address is right, such as kaggle:titanic"
        )
    instead = f"or download the zip from https://www.kaggle.com/c/{slug}/data and give FROM={slug}.zip"
    if not kaggle_credentials():
        raise UserError(
            f"FROM=kaggle:{slug} needs Kaggle's credentials, and there are none here; make a token at "
            f"https://www.kaggle.com/settings and put it into ~/.kaggle/access_token, {instead}"
        )
    from_kaggle(slug, folder, instead)


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def is_archive(file: Path) -> bool:
    return file.is_file() and file.name.lower().endswith(ARCHIVES)


def unpack_inside(folder: Path) -> None:
    """Unpack every archive below the folder, also those in archives, and remove it."""
    while found := sorted(file for file in folder.rglob("*") if is_archive(file)):
        for archive in found:
            inner = archive.with_name(f"{archive.name}{TEMPORARY}")
            inner.mkdir()
            extract(archive, inner)
            archive.unlink()
            settle(inner, archive)


def extract(archive: Path, folder: Path) -> None:
    """Members that would leave the folder are refused by the libraries, as links are."""
    try:
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive) as content:
                content.extractall(folder)  # noqa: S202 (no member leaves it)
        else:
            with tarfile.open(archive) as content:
                content.extractall(folder, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, RuntimeError, EOFError) as error:
        raise UserError(f"{archive.name} cannot be unpacked ({error}); get it again") from error


def settle(inner: Path, archive: Path) -> None:
    """What was in train.zip: one file or a folder train/ takes its place, other files go into a folder train/."""
    name = archive.name[: -len(next(end for end in ARCHIVES if archive.name.lower().endswith(end)))]
    content = [path for path in sorted(inner.iterdir()) if path.name != "__MACOSX"]
    alone = len(content) == 1 and (content[0].is_file() or content[0].name == name)
    target = archive.parent if alone else archive.parent / name
    target.mkdir(exist_ok=True)
    for path in content:
        if (target / path.name).exists():
            raise UserError(f"{archive.name} holds {path.name}, which lies beside it too; remove one of them")
        path.rename(target / path.name)
    shutil.rmtree(inner)


def flatten(folder: Path) -> None:
    """A single folder in which everything lies is not part of the host's paths."""
    content = [path for path in folder.iterdir() if not path.name.startswith(".") and path.name != "__MACOSX"]
    if len(content) == 1 and content[0].is_dir():
        inner = content[0].rename(folder.with_name(f"{folder.name}.inner"))
        shutil.rmtree(folder)
        inner.rename(folder)
