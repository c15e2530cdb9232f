"""Exit codes: 0 complete, 2 usage, 3 finished with failed rows, 4 error budget exceeded, 130
interrupted and resumable. Every foreseeable error becomes one line on stderr and one of them."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from judge.errors import BudgetExceeded, UsageError

USAGE, FAILED_ROWS, OVER_BUDGET, INTERRUPTED = 2, 3, 4, 130


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
            if (error.name or "judge").startswith("judge"):
                raise
            text = f"error: this command needs {error.name}; see the extras in the README"
            raise _end(text, USAGE) from None


def _end(text: str, code: int) -> typer.Exit:
    typer.echo(text, err=True)
    return typer.Exit(code)
