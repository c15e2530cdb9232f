"""Exit codes, each with one meaning, and what stands on standard error beside them.

    0    complete
    1    a fault of the program itself: a traceback, to be reported
    2    the command could not start or go on as asked; nothing was overwritten
    3    finished, and something needs a look: rows without a usable verdict or that could not be
         imported, a figure over its ``--gate``, a serious finding under ``--strict``, a plan that
         does not fit
    4    stopped: more rows failed than ``--max-failures`` allows
    130  interrupted; the same command goes on

Every foreseeable error becomes one line on stderr and one of them.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from judge.errors import BudgetExceeded, UsageError

USAGE, LOOK, OVER_BUDGET, INTERRUPTED = 2, 3, 4, 130
EXTRAS = {
    "train": ("accelerate", "deepspeed", "peft", "tensorboard", "trl"),
    "qlora": ("bitsandbytes",),
    "hub": ("datasets",),
    "vllm": ("vllm",),
    "ray": ("ray",),
    "server": ("httpx2", "tenacity"),
    "serve": ("fastapi", "fastapi_offline", "prometheus_client", "uvicorn"),
    "compare": ("krippendorff", "plotly", "sklearn"),
    "stats": ("plotly",),
    "app": (
        *("alembic", "argon2", "authlib", "fastapi", "gradio", "httpx", "itsdangerous", "nh3"),
        *("latex2mathml", "markdown_it", "mdit_py_plugins", "psycopg", "pygments", "sqlalchemy"),
    ),
}
"""The extras of the package, and the modules that each brings."""
_OF_COMMANDS = {"train": "train", "review": "app", "project": "app", "data": "stats"}
"""The extra that a command needs first, where several bring the same module."""


class ExitCodes(TyperGroup):
    """Commands whose errors become one line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UsageError as error:
            raise _end(f"error: {error}", USAGE) from None
        except BudgetExceeded as error:
            raise _end(f"error: {error}", OVER_BUDGET) from None
        except KeyboardInterrupt:
            raise _end("interrupted; run the same command again to continue", INTERRUPTED) from None
        except ModuleNotFoundError as error:
            if (error.name or "judge").partition(".")[0] in ("judge", "app"):
                raise
            raise _end(
                f"error: {missing(str(error.name), ctx.invoked_subcommand)}", USAGE
            ) from None


def missing(module: str, command: str | None = None) -> str:
    """Return what to install where ``module`` is not there."""
    top = module.partition(".")[0]
    extras = [extra for extra, modules in EXTRAS.items() if top in modules]
    first = _OF_COMMANDS.get(command or "")
    if not extras:
        return f"this command needs {top}, a part of every installation: pip install {top}"
    extra = first if first in extras else extras[0]
    return f"this command needs {top}: pip install 'pairwise-justifier[{extra}]'"


def _end(text: str, code: int) -> typer.Exit:
    typer.echo(text, err=True)
    return typer.Exit(code)
