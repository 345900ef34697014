"""`reexctl train`: fit, calibrate, and make the new classifier live."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from reex.cli import completion, output, overview, views
from reex.cli.jobs import follow
from reex.cli.options import AsJson, Name, Offline, example
from reex.cli.pulling import with_model
from reex.cli.session import connected

EXAMPLES = example(
    "reexctl train sentiment",
    "reexctl train sentiment --epochs 200 --shuffles 10 --seed 1 --detach",
    "reexctl train sentiment --continue v3",
    "reexctl train sentiment --tune",
    "reexctl train sentiment --ensemble --shuffles 5",
)

Parent = Annotated[
    str | None,
    typer.Argument(
        metavar="[VERSION]",
        help="With --continue: the version to go on from, like v3. Default: the live one.",
        autocompletion=completion.versions,
    ),
]
Continue = Annotated[
    bool,
    typer.Option(
        "--continue",
        help="Begin with a version's weights. What it trained on keeps training, what calibrated it calibrating.",
    ),
]
Tune = Annotated[
    bool,
    typer.Option(
        "--tune", help="Adapt the language model's top layers first: more accurate, and minutes more."
    ),
]
TuneLayers = Annotated[
    int | None,
    typer.Option(
        "--tune-layers",
        metavar="N",
        min=1,
        help="With --tune: how many. Default: all of a small model, a third of a larger one.",
    ),
]
TuneEpochs = Annotated[
    int | None, typer.Option("--tune-epochs", metavar="N", min=1, help="With --tune: passes, at most.")
]
Shuffles = Annotated[
    int | None,
    typer.Option(
        "--shuffles", metavar="N", min=1, help="Independent fits; the best by calibration loss is kept."
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        "--patience", metavar="N", min=0, help="Epochs without progress before a fit stops; 0 never."
    ),
]
TrainingShare = Annotated[
    float | None,
    typer.Option(
        "--training-share", metavar="X", help="Share of train + calibration that trains, in (0, 1)."
    ),
]
Together = Annotated[
    bool,
    typer.Option(
        "--ensemble",
        help="Keep every shuffle: answers say what all of them admit. A question costs as many matchings.",
    ),
]


def train(
    name: Name,
    version: Parent = None,
    continued: Continue = False,
    epochs: Annotated[
        int | None, typer.Option("--epochs", metavar="N", min=1, help="Passes over the training share.")
    ] = None,
    shuffles: Shuffles = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", metavar="N", min=0, help="The same seed gives the same classifier. Default: 0."
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", metavar="X", help="Step size of the optimiser.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", metavar="N", min=1, help="Documents of one step.")
    ] = None,
    exemplar_size: Annotated[
        int | None, typer.Option("--exemplar-size", metavar="N", min=1, help="Width of the adaptor's vector.")
    ] = None,
    patience: Patience = None,
    training_share: TrainingShare = None,
    official: Annotated[
        bool, typer.Option("--official", help="Follow the published package exactly, its defaults included.")
    ] = False,
    ensemble: Together = False,
    tune: Tune = False,
    tune_layers: TuneLayers = None,
    tune_epochs: TuneEpochs = None,
    detach: Annotated[bool, typer.Option("--detach", help="Start the job and return.")] = False,
    offline: Offline = False,
    as_json: AsJson = False,
) -> None:
    """Train on the splits train and calibration. Settings left out are chosen from the size of the data.

    Ctrl-C stops watching, not the job.
    """
    given: dict[str, Any] = {
        "epochs": epochs,
        "shuffles": shuffles,
        "seed": seed,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "exemplar_size": exemplar_size,
        "patience": patience,
        "training_share": training_share,
        "official": official or None,
        "ensemble": ensemble or None,
        "tune": tune or None,
        "tune_layers": tune_layers,
        "tune_epochs": tune_epochs,
    }
    if version is not None and not continued:
        raise typer.BadParameter(f"say --continue to go on from {version}")
    settings = {key: value for key, value in given.items() if value is not None}
    if continued:
        settings["continue_from"] = version or ""
    with connected() as client:
        job = with_model(client, name, lambda: client.train(name, **settings), offline=offline)
        if detach:
            views.done(job.to_dict(), f"{job.name} started; watch it: reexctl jobs watch {job.name}", as_json)
            return
        output.note(f"{job.name} started")
        job = follow(client, job)
        if as_json:
            output.object_line(job.to_dict())
        else:
            overview.ended(client, job)
