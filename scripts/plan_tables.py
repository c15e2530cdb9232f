"""Write what `judge train plan` computes into the openings of the recipes and docs/training_70b.md.

    python scripts/plan_tables.py

A test compares both with what the plan says now.
"""

from __future__ import annotations

import re
from pathlib import Path

from judge.train.plan.config import PlanRequest
from judge.train.plan.planner import Plan, plan
from judge.train.plan.report import SUMMARY_HEAD, header, summary_row
from judge.train.recipe_files import RECIPES

PAGE = Path(__file__).parent.parent / "docs" / "training_70b.md"
BEGIN, END = "<!-- plan: begin -->\n", "<!-- plan: end -->\n"
LINE = re.compile(r"^# Plan: .*$", re.M)


def plans() -> dict[Path, Plan]:
    """Return the plan of every recipe that is made for GPUs, by its file."""
    return {
        path: plan(PlanRequest(recipe=path.stem)) for path in sorted(RECIPES.glob("llama*.yaml"))
    }


def opened(text: str, found: Plan) -> str:
    """Return a recipe's text with the plan's figures in its opening."""
    return LINE.sub(f"# Plan: {header(found)}", text, count=1)


def tabled(page: str, found: list[Plan]) -> str:
    """Return the page with its table of plans."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    rows = "\n".join(summary_row(each) for each in found)
    return f"{before}{BEGIN}{SUMMARY_HEAD}\n{rows}\n{END}{after}"


def main() -> None:
    found = plans()
    for path, each in found.items():
        path.write_text(opened(path.read_text(encoding="utf-8"), each), encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(tabled(page, list(found.values())), encoding="utf-8")


if __name__ == "__main__":
    main()
