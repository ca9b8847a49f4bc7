"""The prepared data of a competition: the public part, which players read, and the private one, written once."""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness import paths
from harness.audit import Audit, Check, audit
from harness.competition import Competition
from harness.data.columns import arrays_hash, parts_of, read_column, train_hash, write_column
from harness.data.large_arrays import chosen
from harness.data.samples import Dataset, Samples
from harness.data.sources import locate
from harness.data.splits import divide, membership
from harness.errors import UserError
from harness.files import TEMPORARY, once, read_json, short_hash, write_bytes, write_json
from harness.models.config import canonical
from harness.options import Request
from harness.submission import client
from harness.tasks.layout import COPIED


@dataclass(frozen=True)
class Prepared:
    """What a player may see of one data hash; arrays are memory-mapped."""

    competition: str
    data_hash: str

    @property
    def folder(self) -> Path:
        return paths.public(self.competition, self.data_hash)

    @property
    def source(self) -> str:
        return read_json(self.folder / "manifest.json")["source"]

    @property
    def reading(self) -> Mapping[str, Any]:
        """How image files became inputs, as in `Samples`."""
        return read_json(self.folder / "manifest.json").get("reading", {})

    @cached_property
    def train(self) -> Samples:
        """The rows a player learns from: without the hold-out, without the exclusions."""
        samples = self._everyone
        return samples[~np.isin(samples.ids, list(self.exclusions))] if self.exclusions else samples

    @cached_property
    def _everyone(self) -> Samples:
        """The training rows, the excluded ones too."""
        folder = self.folder / "train"
        brought = [name for name in ("stratify", "details") if (folder / f"{name}.npy").exists()]
        return _read_samples(folder, ("ids", "inputs", "targets", "groups", *brought))

    @cached_property
    def holdout(self) -> Samples:
        """The judge's inputs, without their targets."""
        return _read_samples(self.folder / "holdout")

    @cached_property
    def official(self) -> Mapping[str, Samples]:
        """The parts of the official unlabelled test."""
        parts = sorted((self.folder / "official").glob("*"))
        return {part.name: _read_samples(part) for part in parts}

    @property
    def host(self) -> Mapping[str, Any]:
        """What the host's own files call rows and classes (`Samples.host`)."""
        return read_json(file) if (file := self.folder / "host.json").exists() else {}

    @property
    def exclusions(self) -> Mapping[str, str]:
        """id -> reason, in a file that a person may edit: these rows leave training."""
        return read_json(self.folder / "exclusions.json")

    def folds(self, competition: Competition, count: int) -> np.ndarray:
        """(n,) int: the fold of every row of `train`, -1 for none. Made once, saved, and the same for every model."""
        everyone = self._everyone

        def assigned() -> dict[str, Any]:
            return {"ids": everyone.ids.tolist(), "folds": competition.split.assign_folds(everyone, count).tolist()}

        file = self.folder / f"folds-{count}.json"
        saved = once(file, assigned)
        whole = isinstance(saved, dict) and saved.keys() >= {"ids", "folds"} and len(saved["folds"]) == len(everyone)
        if not whole or saved["ids"] != everyone.ids.tolist():
            raise UserError(f"{paths.shown(file)} is not about these rows; delete it, and the runs made with it")
        return np.array(saved["folds"])[~np.isin(everyone.ids, list(self.exclusions))]

    def folds_named(self, competition: Competition, train_hash: str) -> np.ndarray:
        """(n,) int: the folds, of all folds that were made, by which a run was trained."""
        for file in sorted(self.folder.glob("folds-*.json")):
            folds = self.folds(competition, int(file.stem.removeprefix("folds-")))
            if self.train_hash(folds) == train_hash:
                return folds
        raise UserError(
            f"the run of {competition.name} was trained on other rows than there are now (train hash {train_hash}); "
            f"restore {paths.shown(self.folder / 'exclusions.json')}, or run `make submit COMP={competition.name}`"
        )

    def train_hash(self, folds: np.ndarray) -> str:
        return train_hash(self.data_hash, list(self.exclusions), folds)


def current(competition: str) -> Prepared:
    """The data that a command prepared last, else the newest (FAST=1 names none); raise `UserError` without any."""
    file = paths.data(competition) / "current.json"
    if file.exists():
        return Prepared(competition, read_json(file)["data_hash"])
    manifests = sorted(paths.data(competition).glob("*/public/manifest.json"), key=lambda each: each.stat().st_mtime)
    if not manifests:
        raise UserError(f"no data are prepared for {competition}; run `make data COMP={competition}` first")
    return Prepared(competition, manifests[-1].parents[1].name)


TEST = "test"  # the official part that a host's sample submission is about
QUICK = 1000  # rows of an official test that FAST=1 predicts too, where a sample says how it is to be written


def as_sampled(competition: Competition, dataset: Dataset, sample: Path, say: Callable[[str], None]) -> Dataset:
    """The official test in the order of the host's sample submission, without what that does not ask for.

    Raise `UserError` where the layout is another than the sample's, before anything is trained.
    """
    if not sample.is_file():
        raise UserError(f"{paths.shown(sample)}, the sample submission that is declared, does not exist")
    if TEST not in dataset.official:
        raise UserError(f"{competition.name} declares a sample submission, but its data hold no official test")
    samples = dataset.official[TEST]
    asked = competition.task.table.asked(samples)
    rows = competition.task.table.order(competition.task, sample, asked)
    if len(rows) < len(samples):
        say(f"{sample.name} asks for {len(rows)} of the {len(samples)} rows of the test; the others are left out")
    return Dataset(dataset.labelled, {TEST: samples[rows]})


def few(dataset: Dataset, stratify: np.ndarray, each: int = 40) -> Dataset:
    """A data set of its own for FAST=1: random rows of every stratum, in their order, and no official test.

    The first ones would tell rare strata by their place: an order leak that the data do not have.
    """
    mixed = np.random.default_rng(0).permutation(len(dataset.labelled))
    rows = np.unique(np.concatenate([mixed[inside[mixed]][:each] for inside in membership(stratify).T]))
    return Dataset(dataset.labelled[rows])


def content_hash(dataset: Dataset) -> str:
    """Names what was read, before any split: the audit is kept under it."""
    samples = [dataset.labelled, *dataset.official.values()]
    columns = [(part.ids, part.inputs, part.targets, part.groups, part.metadata) for part in samples]
    return arrays_hash(*(column for part in columns for column in part if column is not None))


def write(competition: Competition, dataset: Dataset, audit: Audit, source: str) -> Prepared:
    """Split off the judge's rows and write both parts, unless they are there. All or nothing: one rename."""
    samples = replace(dataset.labelled, groups=np.asarray(audit.groups))
    judged = competition.split.held_out(samples, competition.holdout)
    columns = (samples.ids, samples.inputs, samples.targets, samples.groups)
    name = arrays_hash(*columns, samples.ids[judged])  # the data hash
    prepared = Prepared(competition.name, name)
    if not (prepared.folder / "manifest.json").exists():
        partial = paths.data(competition.name) / f".{name}{TEMPORARY}"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            _write_public(partial / "public", competition, samples, dataset.official, judged, audit, source)
            _write_private(
                partial / "private", competition, samples[judged], competition.split.stratify(samples)[judged]
            )
            os.replace(partial, paths.data(competition.name) / name)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    asked, sample = competition.task.table.asked(prepared.holdout), prepared.folder / "sample_submission.csv"
    competition.task.sample_submission(asked, sample)
    competition.task.read(sample, asked)  # before anything is trained
    return prepared


def _write_public(
    folder: Path,
    competition: Competition,
    samples: Samples,
    official: Mapping[str, Samples],
    judged: np.ndarray,
    audit: Audit,
    source: str,
) -> None:
    _write_samples(folder / "train", samples, ~judged)
    _write_samples(folder / "holdout", Samples(samples.ids, samples.inputs), judged)
    for part, inputs in official.items():
        _write_samples(folder / "official" / part, Samples(inputs.ids, inputs.inputs), slice(None))
    kept = {name: reason for name, reason in audit.exclusions.items() if name in set(samples.ids[~judged].tolist())}
    write_json(folder / "exclusions.json", kept)
    write_json(folder / "audit.json", audit.to_json())
    rows = {"train": int((~judged).sum()), "holdout": int(judged.sum())}
    sizes = {part: len(inputs) for part, inputs in official.items()}
    about = {"source": source, "rows": rows, "official": sizes, "reading": samples.reading or {}}
    write_json(folder / "manifest.json", about)


def _write_private(folder: Path, competition: Competition, judged: Samples, stratify: np.ndarray) -> None:
    """The answers, and which of them are scored publicly: drawn with a key that is in no hash and in no other file."""
    key = secrets.token_hex(32)
    share, groups = competition.holdout.public, judged.groups
    if len(np.unique(groups)) == 1:  # one patient, say: nobody learns from these rows, so they may be parted
        groups = np.arange(len(judged))
    public = divide(stratify, groups, [share, 1 - share], bytes.fromhex(key)) == 0
    folder.mkdir(parents=True, mode=0o700)
    with open(folder / "answers.npz", "wb") as file:
        answers = {"ids": judged.ids, "groups": judged.groups, "public": public}
        answers |= {f"targets{part}": array for part, array in parts_of(judged.targets).items()}
        asked = competition.task.table.asked(judged)
        answers |= {f"{COPIED}{name}": column for name, column in asked.copied.items()}
        answers |= {} if asked.sizes is None else {"sizes": asked.sizes}
        np.savez(file, **answers)
        file.flush()
        os.fsync(file.fileno())
    write_bytes(folder / "key", key.encode())


def _write_samples(folder: Path, samples: Samples, rows: np.ndarray | slice) -> None:
    """Column by column, of which large ones are never in memory as a whole."""
    for name in ("ids", "inputs", "targets", "groups", "stratify", "details"):
        if (column := getattr(samples, name)) is not None:
            write_column(folder, name, chosen(column, rows))


def _read_samples(folder: Path, names: tuple[str, ...] = ("ids", "inputs")) -> Samples:
    remedy = f"delete {paths.shown(folder.parents[1])} and run `make data` again"
    columns = {name: read_column(folder, name, remedy) for name in names}
    in_memory = {
        name: np.asarray(columns[name]) for name in ("ids", "groups", "stratify", "details") if name in columns
    }
    return Samples(**(columns | in_memory))


def prepare(request: Request) -> Prepared:
    """Find, read, audit and split the data. The only step that opens raw/, and that writes private/."""
    competition = request.competition
    if request.data is None and not request.fast and (served := client.served(competition.name)):
        return Prepared(competition.name, served)  # fetched from a server, which alone has the answers
    located = locate(competition.name, competition.sources, request.data)
    request.say(f"data: {located.kind}, {paths.shown(located.folder)}")
    dataset = competition.read(located.folder)
    if competition.sample:
        dataset = as_sampled(competition, dataset, located.folder / competition.sample, request.say)
    host = dataset.host
    for samples in dataset.official.values():
        competition.task.for_official(samples.ids, host)  # what cannot be written is said before training
    if request.fast:
        short = competition.sample and len(dataset.official[TEST]) <= QUICK
        fewer = few(dataset, competition.split.stratify(dataset.labelled))
        dataset = replace(fewer, official=dataset.official) if short else fewer
    checked, audited = audit_once(competition, dataset)
    for line in audit_problems(checked, request.accept):
        request.say(line)
    prepared = write(competition, dataset, checked, located.kind)
    write_json(prepared.folder / "host.json", host)
    if not request.fast:
        last = {"data_hash": prepared.data_hash, "source": located.kind, "audit": audited}
        write_json(paths.data(competition.name) / "current.json", last)
    excluded = f", {len(prepared.exclusions)} excluded" if prepared.exclusions else ""
    request.say(
        f"split {prepared.data_hash}: {len(prepared.train)} rows to train on{excluded}, "
        f"{len(prepared.holdout)} held out for the judge"
    )
    return prepared


def with_folds(request: Request, prepared: Prepared) -> tuple[Request, np.ndarray]:
    """The fold of every row, and the request with as many folds as the groups allow; fewer are said."""
    folds = prepared.folds(request.competition, request.fold_count)
    count = int(folds.max()) + 1
    if count < request.fold_count:
        request.say(f"{count} folds instead of {request.fold_count}: the rows to train on are that few groups")
    return replace(request, folds=min(count, request.fold_count)), folds


def audit_once(competition: Competition, dataset: Dataset) -> tuple[Audit, str]:
    """The entry audit, and the name under which it is kept: a hash of what it looked at, before any split."""
    declared = json.dumps(canonical([competition.split, competition.holdout, competition.task.classes]), sort_keys=True)
    code = [file.read_bytes() for file in sorted((Path(__file__).parent / "audit").glob("*.py"))]
    name = short_hash(content_hash(dataset), declared, *code)

    def look() -> dict[str, Any]:
        checked = audit(dataset, competition.task, competition.split, competition.holdout)
        return {**checked.to_json(), "groups": checked.groups.tolist()}

    saved = once(paths.data(competition.name) / "audits" / f"{name}.json", look)
    return Audit([Check(**check) for check in saved["checks"]], saved["exclusions"], np.array(saved["groups"])), name


def audit_problems(checked: Audit, accepted: Sequence[str]) -> Iterator[str]:
    """What the audit has to say; raise `UserError` at a failure that ACCEPT= does not name."""
    names = [check.name for check in checked.checks]
    for name in accepted:
        if name not in names:
            raise UserError(f"ACCEPT={name} names no check of the audit; there are {', '.join(names)}")
    if failed := [check for check in checked.checks if check.verdict == "fail" and check.name not in accepted]:
        found = "; ".join(f"{check.name}: {check.evidence}; {check.remedy}" for check in failed)
        raise UserError(f'audit, {found} (ACCEPT="{",".join(check.name for check in failed)}" goes on despite it)')
    for check in checked.checks:
        if check.verdict != "pass":
            yield f"audit, {check.name}: {check.evidence}; {check.remedy}"
