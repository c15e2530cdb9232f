"""Options that several commands take, each with one wording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from judge.errors import UsageError

Engine = Literal["auto", "transformers", "vllm", "server", "ray"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Mode = Literal["justify", "verdict"]
Orders = Literal["both", "given"]

Pairs = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="Pairs: .jsonl[.gz], .json, .csv, .tsv, .parquet, - (JSON lines) or a hub data set.",
    ),
]
Data = Annotated[
    str, typer.Argument(metavar="INPUT", help="Data set folder, file or hub data set id.")
]
RunFolder = Annotated[str | None, typer.Option(help="The run folder.", metavar="DIR")]
Split = Annotated[str | None, typer.Option(help="Split of a hub data set.")]
OneSplit = Annotated[str | None, typer.Option(help="Only this split of INPUT.")]
Subset = Annotated[str | None, typer.Option(help="Subset of a hub data set.")]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub data set.")]
Format = Annotated[str | None, typer.Option(help="Format of INPUT. (default: as each row shows)")]
Limit = Annotated[int | None, typer.Option(help="The first N rows only.", metavar="N")]
MaxFailures = Annotated[
    int | None, typer.Option(help="Stop when more than N rows have failed.", metavar="N")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Count rows and tokens, estimate the time.")
]
FreshRun = Annotated[
    bool | None, typer.Option("--fresh", help="Remove the results in DIR and start again.")
]
Config = Annotated[Path | None, typer.Option(help="YAML of these options; the command line wins.")]
Model = Annotated[
    str | None, typer.Option(help="small, mini, a folder or a hub id. (default: small)")
]
EngineOption = Annotated[Engine | None, typer.Option(help="What runs the model. (default: auto)")]
Url = Annotated[
    str | None,
    typer.Option(help="Address of an OpenAI-compatible server, for --engine server."),
]
Tokenizer = Annotated[
    str | None, typer.Option(help="Tokenizer of the server's model. (default: the model's)")
]
Concurrency = Annotated[
    int | None, typer.Option(help="Requests to the server in flight. (default: 64)")
]
Timeout = Annotated[
    float | None, typer.Option(help="Seconds for one reply of the server. (default: 300)")
]
Patience = Annotated[
    float | None,
    typer.Option(help="Stop when the server is away for so many seconds. (default: 300)"),
]
DtypeOption = Annotated[
    Dtype | None, typer.Option(help="Type of the model's numbers. (default: auto)")
]
Template = Annotated[
    str | None, typer.Option(help="Prompt template: name or .txt. (default: the model's own)")
]
Seed = Annotated[int | None, typer.Option(help="Seed of all that is drawn. (default: 0)")]
MaxNewTokens = Annotated[
    int | None, typer.Option(help="Longest elaboration, in tokens. (default: 256)")
]
ChatTemplateKwargs = Annotated[
    str | None,
    typer.Option(
        metavar="JSON",
        help="""Options of the model's chat template, as '{"enable_thinking": false}'.""",
    ),
]
StripThinking = Annotated[
    bool | None,
    typer.Option("--strip-thinking", help="Judge responses without their <think> blocks."),
]
EmptyResponses = Annotated[
    bool | None,
    typer.Option("--empty-responses", help="Judge empty responses, too: else such rows fail."),
]
Temperature = Annotated[
    float | None, typer.Option(help="0: the likeliest token; above: drawn. (default: 0.0)")
]
BatchTokens = Annotated[
    int | None,
    typer.Option(help="Prompt tokens run at once: 8192; on a CPU fewer (verdicts: 2048)."),
]
Scorers = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=PATH", help="A reward model beside the judge; may be repeated."),
]
Weights = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=FILE", help="JSON of a scorer's weights of its outputs."),
]
_VLLM = "vLLM (--engine vllm, ray)"
TensorParallel = Annotated[
    int | None, typer.Option(rich_help_panel=_VLLM, help="GPUs that share every layer.")
]
PipelineParallel = Annotated[
    int | None, typer.Option(rich_help_panel=_VLLM, help="GPU groups that split the layers.")
]
Quantization = Annotated[
    str | None,
    typer.Option(rich_help_panel=_VLLM, metavar="NAME", help="While loading: fp8_per_tensor ..."),
]
GpuMemory = Annotated[
    float | None, typer.Option(rich_help_panel=_VLLM, help="Share of a GPU's memory to take.")
]
MaxModelLen = Annotated[
    int | None, typer.Option(rich_help_panel=_VLLM, help="Longest prompt and completion, tokens.")
]
MaxSeqs = Annotated[
    int | None, typer.Option(rich_help_panel=_VLLM, help="Most prompts in a batch.")
]
MaxBatchedTokens = Annotated[
    int | None, typer.Option(rich_help_panel=_VLLM, help="Most tokens run at once.")
]
EnforceEager = Annotated[
    bool | None,
    typer.Option("--enforce-eager", rich_help_panel=_VLLM, help="No compilation: a quick start."),
]
_RAY = "Many nodes (--engine ray)"
Replicas = Annotated[
    int | None,
    typer.Option(
        rich_help_panel=_RAY, help="Copies of the model. (default: as many as there are GPUs for)"
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=_RAY,
        metavar="HOST:PORT",
        help="The Ray cluster. (default: RAY_ADDRESS, this machine's, or a new one here)",
    ),
]
Similar = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="The N most similar annotations or ratings count. (default: 3)"
    ),
]
AllAnnotations = Annotated[
    bool, typer.Option("--all-annotations", help="All of them count, not the most similar.")
]
MaxSpread = Annotated[
    int | None,
    typer.Option(
        min=0, metavar="N", help="Drop a row where those that count differ by more. (default: 2)"
    ),
]
NoSpreadFilter = Annotated[
    bool, typer.Option("--no-spread-filter", help="Drop no row for its spread.")
]
StrictReading = Annotated[
    bool, typer.Option("--strict", help="Stop at the first row that cannot be read.")
]


def consensus_rules(
    values: dict[str, Any], all_annotations: bool, no_spread_filter: bool
) -> dict[str, Any]:
    """Return the values that were given, a rule that is switched off as None.

    Raises:
        UsageError: when a rule is switched off and given a number at once.
    """
    given = {name: value for name, value in values.items() if value is not None}
    for off, rule, flag in (
        (all_annotations, "similar", "--all-annotations"),
        (no_spread_filter, "max_spread", "--no-spread-filter"),
    ):
        if off and rule in given:
            raise UsageError(f"{flag} and --{rule.replace('_', '-')} exclude each other")
        if off:
            given[rule] = None
    return given
