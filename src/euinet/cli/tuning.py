"""Commands that choose settings: tune."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from euinet.cli.options import (
    DataOption,
    DataRootOption,
    Device,
    DeviceOption,
    JsonOption,
    Precision,
    PrecisionOption,
    SeedOption,
    SetOption,
    notify,
    overrides,
    print_result,
)
from euinet.cli.program import app


class Objective(StrEnum):
    """What a trial is judged by."""

    auroc = "auroc"
    oscr = "oscr"
    fpr95 = "fpr95"


@app.command()
def tune(
    data: DataOption,
    hold_out: Annotated[
        str,
        typer.Option(
            help="Classes that the search must not see, separated by commas: those that you test by."
        ),
    ] = "",
    preset: Annotated[str, typer.Option(help="Settings to start from, and of trial 0.")] = "default",
    trials: Annotated[int, typer.Option(min=1, help="How many in all; later more can be added.")] = 20,
    search: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SETTING=SPEC",
            help="A setting to search: LOW..HIGH, LOW..HIGH:log, LOW..HIGH:int or A|B|C; may be repeated. "
            "[default: a few settings that matter]",
        ),
    ] = None,
    set_: SetOption = None,
    splits: Annotated[int, typer.Option(min=1, help="Known classes that play the unknown one in turn.")] = 2,
    seeds: Annotated[
        int, typer.Option(min=1, help="Trainings with each of them: seeds --seed, --seed + 1, …")
    ] = 1,
    objective: Annotated[
        Objective, typer.Option(help="Judges a trial: EuiNet's mean over splits and seeds.")
    ] = Objective.auroc,
    out: Annotated[
        Path, typer.Option(help="Folder for trials and tables; what is done there is kept.")
    ] = Path("runs/tune"),
    jobs: Annotated[int, typer.Option(min=1, help="Processes that share the cores.")] = 1,
    seed: SeedOption = 0,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Search for better settings without any unknown: known classes play them, on validation images.

    The same command again goes on where it was interrupted; started elsewhere meanwhile, it joins in.
    """
    from euinet.presets import get_preset
    from euinet.tune.plan import SearchRequest
    from euinet.tune.run import run_search
    from euinet.tune.space import choose_space
    from euinet.tune.summary import as_text
    from euinet.tune.tables import best_of, best_plain, trial_plain

    fixed = overrides(set_)
    chosen = get_preset(preset, fixed)
    asked = SearchRequest(
        data=data,
        hold_out=hold_out,
        preset=chosen,
        fixed=fixed,
        space=choose_space(chosen, search, fixed),
        trials=trials,
        splits=splits,
        seeds=seeds,
        seed=seed,
        objective=objective.value,
        out=out,
        jobs=jobs,
        device=device.value,
        precision=precision.value,
        data_root=data_root,
    )
    done = run_search(asked, notify)
    best = best_of(done, maximized=asked.maximized)
    if best is not None:
        plain = best_plain(asked, done, best) | {"all": [trial_plain(trial) for trial in done]}
        print_result(plain, json_, lambda _: as_text(asked, done))
    notify(f"Wrote trials.csv, best.json and history.png to {out}; only the best trial's models are kept.")
