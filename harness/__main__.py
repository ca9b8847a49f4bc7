"""The command line: `python -m harness VERB`. A verb imports what it needs, so that --help is instant."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from harness.command_line import run

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False, help=__doc__
)

Name = Annotated[str, typer.Argument(help="The competition: a folder of competitions/.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else there.")]
Data = Annotated[Path | None, typer.Option(help="A folder that holds the competition's files, used in place.")]
Models = Annotated[str | None, typer.Option(help="The models to train, with commas; else the declared default.")]
Count = Annotated[int | None, typer.Option(min=2, max=50, help="Another number of folds; it makes another split.")]
Budget = Annotated[str | None, typer.Option(help="Wall-clock time of the whole command: 90s, 10m, 1.5h.")]
Accept = Annotated[list[str] | None, typer.Option(help="Go on despite these failed checks of the audit, with commas.")]
Fast = Annotated[bool, typer.Option("--fast", help="2 folds, 1 epoch, few rows, no official test: does it run?")]
Engine = Annotated[
    Literal["local", "ray"], typer.Option(help="Where it runs: this machine, or a Ray cluster (RAY_ADDRESS).")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Jobs at once; else as many as there is room for.")]
Team = Annotated[str | None, typer.Option(help="The team to submit for; else your user name.")]


@app.command()
def submit(
    competition: Name,
    data: Data = None,
    models: Models = None,
    folds: Count = None,
    budget: Budget = None,
    team: Team = None,
    fast: Fast = False,
    final: Annotated[
        bool, typer.Option("--final", help="Refit the best run on all labels; official submission only.")
    ] = False,
    accept: Accept = None,
    searched: Annotated[bool, typer.Option(help="Train what a search found, where there was one.")] = True,
    engine: Engine = "local",
    workers: Workers = None,
    json_: Json = False,
) -> None:
    """Everything, from data to a rank on the local leaderboard."""
    with started() as console:
        from harness import pipeline
        from harness.training import predict

        request = request_of(
            console, competition, models, budget, accept, data=data, folds=folds, team=team, fast=fast,
            searched=searched, engine=engine, workers=workers,
        )  # fmt: skip
        result = predict.submit_final(request) if final else pipeline.submit(request)
    show(result, json_, "final" if final else "results")


@app.command()
def data(
    competition: Name,
    data: Data = None,
    accept: Accept = None,
    server: Annotated[str | None, typer.Option(help="Fetch the public data from this leaderboard server.")] = None,
    json_: Json = False,
) -> None:
    """Get the data, verify them, and split off the judge's rows; or fetch the public part from a server."""
    with started() as console:
        from harness import paths
        from harness.prepare import prepare
        from harness.submission import client

        if server:
            client.fetch(server, competition)
        prepared = prepare(request_of(console, competition, accept=accept, data=data))
        result = {
            "competition": competition,
            "path": paths.shown(prepared.folder),
            "source": prepared.source,
            "data_hash": prepared.data_hash,
            "train": len(prepared.train),
            "holdout": len(prepared.holdout),
        }
    show(result, json_)


@app.command()
def audit(competition: Name, data: Data = None, json_: Json = False) -> None:
    """Look for duplicates, leaks and artefacts before anything is trained."""
    with started() as console:
        from harness import pipeline

        result = pipeline.look(request_of(console, competition, data=data))
    show(result, json_, "audit")


@app.command()
def train(
    competition: Name,
    model: Annotated[str, typer.Argument(help="The model to train on all folds.", show_default=False)],
    folds: Count = None,
    budget: Budget = None,
    json_: Json = False,
) -> None:
    """Train one model on all folds; leaves its run."""
    with started() as console:
        from harness import pipeline

        result = pipeline.train(request_of(console, competition, model, budget, folds=folds))
    show(result, json_)


@app.command()
def specialist(
    competition: Name,
    class_: Annotated[
        str | None, typer.Option("--class", help="Its target class; else the one with the most headroom.")
    ] = None,
    data: Data = None,
    budget: Budget = None,
    fast: Annotated[bool, typer.Option("--fast", help="1 epoch: does it run?")] = False,
    engine: Engine = "local",
    workers: Workers = None,
    json_: Json = False,
) -> None:
    """Derive a specialist from the last run, train it, and keep it only if it wins and hurts no class."""
    with started() as console:
        from harness.specialist import specialist

        options: dict[str, Any] = {"data": data, "fast": fast, "engine": engine, "workers": workers}
        result = specialist(request_of(console, competition, budget=budget, **options), class_)
    show(result, json_)


@app.command()
def search(
    competition: Name,
    hours: Annotated[float, typer.Option(min=0.001, help="Wall-clock time of the whole search.", show_default=False)],
    data: Data = None,
    models: Models = None,
    folds: Count = None,
    workers: Workers = None,
    engine: Engine = "local",
    storage: Annotated[str | None, typer.Option(help="postgresql://... for several machines; else a file.")] = None,
    team: Team = None,
    accept: Accept = None,
    race: Annotated[bool, typer.Option(help="Prune variants that a paired test tells from the best.")] = True,
    cut: Annotated[bool, typer.Option(help="Prune variants by the learning curve of their first fold.")] = True,
    json_: Json = False,
) -> None:
    """Search hyper-parameters overnight; the best valid submission so far is always on disk."""
    with started() as console:
        from harness.pipeline import search

        request = request_of(
            console, competition, models, f"{hours}h", accept, data=data, folds=folds, team=team, engine=engine,
            workers=workers,
        )  # fmt: skip
        result = search(request, storage, race, cut)
    show(result, json_, "search")


@app.command()
def blend(
    competition: Name,
    files: Annotated[
        list[Path] | None, typer.Option(help="Folders of model runs, also of team-mates; else all there are.")
    ] = None,
    folds: Count = None,
    team: Team = None,
    json_: Json = False,
) -> None:
    """Ensemble whatever model runs exist; no training."""
    with started() as console:
        from harness import pipeline

        result = pipeline.blend(request_of(console, competition, folds=folds, team=team), files)
    show(result, json_, "results")


@app.command()
def kaggle(
    competition: Name,
    file: Annotated[Path | None, typer.Option(help="The file; else the newest official one of the best run.")] = None,
    message: Annotated[str | None, typer.Option(help="What to call the entry on Kaggle; else the file's name.")] = None,
    json_: Json = False,
) -> None:
    """Send the official file to Kaggle, wait for its public score, and store it."""
    with started() as console:
        from harness.competition import find
        from harness.prepare import current
        from harness.submission.kaggle import send

        result = send(find(competition), current(competition).data_hash, file, message, console.say)
    show(result, json_)


@app.command()
def predict(
    competition: Name,
    input: Annotated[Path, typer.Argument(help="A folder of images, or a CSV table of new rows.", show_default=False)],
    json_: Json = False,
) -> None:
    """The final ensemble on new inputs."""
    with started() as console:
        from harness.training import predict

        result = predict.predict(request_of(console, competition), input)
    show(result, json_)


@app.command()
def compare(
    a: Annotated[
        Path, typer.Argument(help="A model run (a folder of runs/) or a submission (a .csv).", show_default=False)
    ],
    b: Annotated[Path, typer.Argument(help="What it is compared with.", show_default=False)],
    json_: Json = False,
) -> None:
    """Is A really better than B? Paired, on the rows that both predict out-of-fold."""
    from harness.report.comparison import compare_files

    show(compare_files(a, b), json_, "comparison")


@app.command()
def report(competition: Name, json_: Json = False) -> None:
    """One HTML page on the best run: scores, errors, label issues, what each part added and cost."""
    from harness.competition import find
    from harness.report.run_report import report

    show(report(find(competition)), json_)


@app.command()
def status(competition: Name, json_: Json = False) -> None:
    """What runs, what is finished, and the disk it takes."""
    from harness.competition import find
    from harness.disk import status

    show(status(find(competition)), json_, "status")


@app.command()
def clean(competition: Name, json_: Json = False) -> None:
    """Free disk space; keeps best/ and the runs in use."""
    from harness.competition import find
    from harness.disk import clean

    show(clean(find(competition)), json_)


@app.command()
def new(
    competition: Annotated[
        str, typer.Argument(help="Its name: lower-case letters, numbers and _.", show_default=False)
    ],
    task: Annotated[str | None, typer.Option(help="classification, segmentation, detection or regression.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="The host's zip or folder, or kaggle:<name>.")] = None,
    metric: Annotated[str | None, typer.Option(help="With --from: the host's metric, by its name.")] = None,
    target: Annotated[str | None, typer.Option(help="With --from: the column that is predicted.")] = None,
    group: Annotated[
        str | None,
        typer.Option(help="With --from: what belongs together, a column or a regular expression of the ids."),
    ] = None,
    sample: Annotated[str | None, typer.Option(help="With --from: the sample submission, of several.")] = None,
    pixels: Annotated[str | None, typer.Option(help="With --from: rows or columns, the order in run lengths.")] = None,
    class_: Annotated[
        str | None, typer.Option("--class", help="With --from: of two, whose probability is asked.")
    ] = None,
    json_: Json = False,
) -> None:
    """A new competition folder that already runs: from the host's files, or on a made sample."""
    from harness.errors import UserError
    from harness.new_competition import Options, create, create_from

    if from_ is None:
        if task is None:
            raise UserError("say what it is made from: FROM= and METRIC= (the host's files), or TASK= (a template)")
        show(create(competition, task), json_)
    elif metric is None:
        raise UserError("METRIC= is missing: the name of the host's metric, such as accuracy, auc, rmse or dice")
    else:
        options = Options(metric, target, group, task, sample, pixels, class_)
        made = create_from(competition, from_, options, started().say)
        show(made if json_ else {name: value for name, value in made.items() if name != "said"}, json_)


def started() -> Any:
    """The console of a verb that works for a while."""
    from harness.console import Console

    return Console()


def request_of(
    console: Any,
    competition: str,
    models: str | None = None,
    budget: str | None = None,
    accept: list[str] | None = None,
    **options: Any,
) -> Any:
    """Check the options and make a request of them, before anything is done. options: fields of `Request`."""
    from harness.competition import find
    from harness.options import Request
    from harness.training.budget import seconds

    declared = find(competition)
    chosen = [name.strip() for name in models.split(",") if name.strip()] if models else None
    declared.chosen(chosen)
    accepted = [name.strip() for given in accept or [] for name in given.split(",")]
    limit = seconds(budget) if budget else None
    heard: dict[str, Any] = {"say": console.say, "listen": console.listen}
    return Request(declared, models=chosen, budget=limit, accept=accepted, **heard, **options)


def show(result: dict[str, Any], as_json: bool, table: str = "") -> None:
    """Print what a verb returned as one JSON object or for people: as a table of the console, or a line a field."""
    if as_json:
        print(json.dumps(result, allow_nan=False))
    elif table:
        from harness import console

        getattr(console, f"{table}_table")(result)
    else:
        for name, value in result.items():
            plain = isinstance(value, str | int | float) or value is None
            print(f"{name}: {value if plain else json.dumps(value)}")


if __name__ == "__main__":
    sys.exit(run(app))
