"""``judge train select``, ``export`` and ``push``: what becomes of a trained model."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

DataLicence = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]LICENCE", help="Licence of training data, where it is not known. Repeat."
    ),
]


def select(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="The output folder of a finished training.")
    ],
    pairs: Annotated[
        str, typer.Option(help="Benchmark: labelled pairs, a file or hub id.", metavar="PAIRS")
    ],
    bench: Annotated[
        str | None,
        typer.Option(
            help="PAIRS are rows of this benchmark: its parts and weights.", metavar="NAME"
        ),
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="Where results go. (default: RUN/select)", metavar="DIR")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every checkpoint, not the paper's few.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many pairs, taken evenly.", metavar="N")
    ] = None,
    mode: Annotated[
        str, typer.Option(help="How a judge is asked: verdict or justify.")
    ] = "verdict",
    copy: Annotated[
        str | None, typer.Option(help="Copy the chosen checkpoint there.", metavar="DIR")
    ] = None,
) -> None:
    """Choose a checkpoint: of the three of lowest validation loss and the last, the best judge."""
    from rich.console import Console

    from judge.compare.reports.selection import table_of, write_page
    from judge.report.tables import shown
    from judge.train.checkpoints import select as selection

    folder = out or str(Path(run) / "select")
    benchmark: selection.Benchmark
    if bench is None:
        benchmark = selection.LabelledPairs(pairs, limit)
    else:
        from judge.compare.benches.selection import BenchmarkRows

        benchmark = BenchmarkRows(bench, pairs, limit)
    asked = selection.SelectConfig(run=run, output_dir=folder, everything=everything)
    result = selection.run(asked, benchmark, partial(evaluate, mode=mode))
    Console().print(shown(table_of(result)))
    if copy is not None:
        selection.copy_chosen(result, Path(copy))
        typer.echo(f"{result['chosen']} copied to {copy}")
    typer.echo(f"{Path(folder) / selection.SELECT_FILE}\n{write_page(result, Path(folder))}")


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A trained model's folder, or an adapter's.")
    ],
    out: Annotated[str, typer.Option(help="The folder to write.", metavar="DIR")],
    base: Annotated[
        str | None, typer.Option(help="Base of a LoRA adapter, if not where it says.")
    ] = None,
    shard_gb: Annotated[
        float, typer.Option(help="The most GB of weights in a file.", min=0.001)
    ] = 5.0,
    name: Annotated[str | None, typer.Option(help="Name on the card. (default: of DIR)")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the model, for its card.")] = None,
    data_licence: DataLicence = None,
) -> None:
    """Write a model to hand on: adapter merged, weights in shards, tokenizer, card, manifest."""
    from judge.train.checkpoints.export import ExportConfig, run
    from judge.train.checkpoints.licences import objections

    config = ExportConfig(
        model=model,
        output_dir=out,
        base=base,
        shard_bytes=round(shard_gb * 1e9),
        licence=licence,
        data_licences=tuple(data_licence or ()),
        name=name,
    )
    manifest = run(config)
    for reason in objections(manifest["export"]["data_licences"]):
        typer.echo(f"before it is published: {reason}", err=True)
    typer.echo(f"written to {out}")


def push(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A folder of judge train export.")],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Where to on the hub.")],
    yes: Annotated[bool, typer.Option("--yes", help="Send it; without, it is only shown.")] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository public, not private.")
    ] = False,
    data_licence: DataLicence = None,
    despite_licences: Annotated[
        bool, typer.Option("--despite-licences", help="Send it although licences speak against.")
    ] = False,
) -> None:
    """Send an exported model to the hub (token: HF_TOKEN); without --yes it is only shown."""
    from judge.train.checkpoints.push import plan, send

    upload = plan(
        Path(folder),
        repo,
        public=public,
        data_licences=tuple(data_licence or ()),
        despite=despite_licences,
    )
    for name, size in upload.files.items():
        typer.echo(f"{size:>16,}  {name}")
    kind = "private" if upload.private else "public"
    if not yes:
        typer.echo(f"nothing was sent; --yes sends these files to {repo} ({kind} if it is new)")
        return
    typer.echo(f"sent: {send(upload)}")


def evaluate(model: Path, kind: str, pairs: Path, out: Path, mode: str) -> None:
    """Judge, or score, a file of pairs with a checkpoint, into a run folder."""
    from judge.infer.asked import judge_file, score_file

    if kind == "judge":
        judge_file(model, pairs, out, mode)
    else:
        score_file(model, pairs, out)
