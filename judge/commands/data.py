"""``judge data``: annotations to training sets."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import typer

from judge.commands.options import (
    AllAnnotations,
    Data,
    Format,
    MaxSpread,
    NoSpreadFilter,
    OneSplit,
    Revision,
    Similar,
    StrictReading,
    Subset,
    consensus_rules,
)
from judge.commands.stats import stats

app = typer.Typer(help="Training sets from annotated pairs.", no_args_is_help=True)

Kind = Literal["justifier", "preference", "regression"]
Origin = Literal["annotations", "ratings"]
Justifications = Literal["overall", "all"]
Attributes = Literal["all", "helpfulness"]


class Style(StrEnum):
    """Typer takes no list of a Literal."""

    elaboration_first = "elaboration_first"
    statement_first = "statement_first"
    statement_only = "statement_only"
    label_only = "label_only"


@app.command("prepare")
def prepare(
    input: Data,
    out: Annotated[str, typer.Option(help="Where the sets are written.", metavar="DIR")],
    kind: Annotated[
        Kind | None, typer.Option(help="What the sets train. (default: justifier)")
    ] = None,
    origin: Annotated[
        Origin | None,
        typer.Option(
            "--from",
            help="Preference pairs from annotations, or from ratings: the more helpful response of"
            " two. (default: annotations; regression: ratings)",
        ),
    ] = None,
    justifications: Annotated[
        Justifications | None,
        typer.Option("--set", help="One justification a pair, or up to three. (default: overall)"),
    ] = None,
    style: Annotated[
        list[Style] | None,
        typer.Option(help="Completion style; may be repeated. (default: elaboration_first)"),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option("--flip/--no-flip", help="Add a flipped copy of each. (default: flip)"),
    ] = None,
    similar: Similar = None,
    all_annotations: AllAnnotations = False,
    max_spread: MaxSpread = None,
    no_spread_filter: NoSpreadFilter = False,
    keep_zeros: Annotated[
        bool | None,
        typer.Option(
            "--keep-zeros/--drop-zeros",
            help="Keep pairs of overall 0. (default: drop; keep with --set all)",
        ),
    ] = None,
    attributes: Annotated[
        Attributes | None, typer.Option(help="Ratings in a regression set. (default: all)")
    ] = None,
    round_ratings: Annotated[
        bool | None,
        typer.Option("--round-ratings", help="Round mean ratings, as the released files do."),
    ] = None,
    val_share: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Share of prompts for validation where no row is. (default: 0.05)"
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the draws and the order. (default: 17)")
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(help="Prompt template: name or .txt. (default: pairwise_justifier.v1)"),
    ] = None,
    format: Format = None,
    subset: Subset = None,
    revision: Revision = None,
    strict: StrictReading = False,
    fresh: Annotated[
        bool | None, typer.Option("--fresh", help="Overwrite another configuration's sets.")
    ] = None,
) -> None:
    """Write training sets by the paper's rules, with a manifest that counts every row."""
    from rich.console import Console

    from judge.data.config import prepare_config
    from judge.data.prepare import run
    from judge.screen import counting, prepared_table

    values = {
        "input": input,
        "output_dir": out,
        "kind": kind,
        "origin": origin,
        "justifications": justifications,
        "styles": tuple(style) if style else None,
        "flipped": flip,
        "similar": similar,
        "max_spread": max_spread,
        "keep_zeros": keep_zeros,
        "attributes": attributes,
        "rounded": round_ratings,
        "val_share": val_share,
        "seed": seed,
        "template": template,
        "format": format,
        "subset": subset,
        "revision": revision,
        "strict": strict,
        "fresh": fresh,
    }
    given = consensus_rules(values, all_annotations, no_spread_filter)
    config = prepare_config(given)
    with counting(Console(stderr=True), "reading") as progress:
        manifest = run(config, progress)
    Console().print(prepared_table(manifest))
    typer.echo(f"written to {out}")


app.command("stats")(stats)


@app.command("check")
def check(
    input: Data,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE_OR_ID",
            help="Evaluation set whose prompts must not be in INPUT; may be repeated.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(help="Where check.json and findings.jsonl are written.", metavar="DIR"),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 3 when there is any serious finding.")
    ] = False,
    skip: Annotated[
        list[str] | None,
        typer.Option(metavar="CHECK", help="Leave this check out; may be repeated."),
    ] = None,
    ngram: Annotated[
        int | None,
        typer.Option(
            min=1, max=50, metavar="N", help="Words in a row that are contamination. (default: 7)"
        ),
    ] = None,
    near: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="SIMILARITY",
            help="Jaccard similarity of nearly the same texts; 0: do not look. (default: 0.8)",
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Language that is expected, or any. (default: en)"),
    ] = None,
    max_characters: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="A row with more is extremely long. (default: 50000)"
        ),
    ] = None,
    examples: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Findings shown of each check. (default: 2)"),
    ] = None,
    format: Format = None,
    split: OneSplit = None,
    subset: Subset = None,
    revision: Revision = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Overwrite another configuration's report.")
    ] = False,
) -> None:
    """Show what a person should see before training: leaks, repeats, contradictions, artefacts."""
    from rich.console import Console

    from judge.data.checks.check import check_config, is_serious, run
    from judge.data.checks.show import show
    from judge.exits import FAILED_ROWS
    from judge.screen import counting

    values = {
        "input": input,
        "against": tuple(against or ()),
        "output_dir": out,
        "skip": tuple(skip or ()),
        "ngram": ngram,
        "near": near,
        "language": language,
        "max_characters": max_characters,
        "examples": examples,
        "format": format,
        "split": split,
        "subset": subset,
        "revision": revision,
        "fresh": fresh,
    }
    config = check_config({key: value for key, value in values.items() if value is not None})
    with counting(Console(stderr=True), "checking") as progress:
        report = run(config, progress)
    show(report)
    if out is not None:
        typer.echo(f"written to {out}")
    if strict and is_serious(report):
        raise typer.Exit(FAILED_ROWS)
