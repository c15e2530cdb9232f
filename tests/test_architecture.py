"""The import rules of the design, each with a violation that shows it is really checked."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTS = ("data", "train", "infer", "compare")
HEAVY = ("torch", "transformers", "trl", "peft", "deepspeed", "vllm", "gradio", "ray", "datasets")
ENGINES = r"judge/infer/engines/(\w+/(engine|constraint)|protocol)\.py"
"""The engines, and the outlines constraint that is a part of the transformers engine."""


@dataclass(frozen=True)
class Import:
    """A module that some code imports, and whether importing that code is enough for it."""

    module: str
    at_import: bool


@dataclass(frozen=True)
class Rule:
    """Files whose path matches ``files``, but not ``but``, import none of ``modules``.

    ``violation`` is a pair of path and code that the rule must catch. With ``lazily`` an import
    inside a function is fine: the rule is only about what importing the file costs.
    """

    name: str
    files: str
    modules: tuple[str, ...]
    violation: tuple[str, str]
    but: str = r"(?!)"
    lazily: bool = False

    def broken_by(self, path: str, source: str) -> list[str]:
        """Return the imports of ``source``, as the file ``path``, that this rule forbids."""
        if not re.fullmatch(self.files, path) or re.fullmatch(self.but, path):
            return []
        return [
            found.module
            for found in imports(source, path)
            if (found.at_import or not self.lazily)
            and any(found.module == m or found.module.startswith(f"{m}.") for m in self.modules)
        ]


ROOMS = ("formats", "runs", "metrics", "report")
"""What the parts share: above the core, below all parts."""
CORE = r"judge/((commands|formats|runs|metrics|report)/)?\w+\.py"
OUTSIDE_THE_RULES = ("sqlalchemy", "alembic", "argon2")
PAGES = ("gradio", "fastapi", "starlette", "uvicorn", "app.main", "app.ui", "app.web", "app.render")
APP_MAY_USE = {
    "judge.data.justification",
    "judge.data.ratings",
    "judge.compare.systems",
}
"""Pure rules that people's annotations share with the released data, and how a run folder reads."""


def part_modules() -> set[str]:
    """Return every module of ``data`` and ``compare``."""
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for part in ("data", "compare")
        for file in (ROOT / "judge" / part).rglob("*.py")
        if file.stem != "__init__"
    }


RULES = [
    Rule(
        "the core loads nothing heavy",
        CORE,
        HEAVY,
        ("judge/prompt.py", "import json, torch.nn"),
        lazily=True,
    ),
    Rule(
        "the core knows no part",
        CORE,
        tuple(f"judge.{part}" for part in PARTS),
        ("judge/pair.py", "def f():\n    from judge.infer import engine"),
        but=r"judge/(cli|__init__)\.py|judge/commands/.*",  # both put the parts together, lazily
    ),
    *(
        Rule(
            f"{room} is a shared room: it knows the core, and no room that is not named",
            rf"judge/{room}/.*\.py",
            ("judge.commands", "judge.cli", "judge.serve", "judge.models", *others),
            (f"judge/{room}/x.py", f"from {others[0]} import x"),
        )
        for room, others in (
            ("runs", ("judge.formats", "judge.report")),
            ("metrics", ("judge.formats", "judge.runs", "judge.report")),
            ("formats", ("judge.metrics", "judge.report")),
            ("report", ("judge.formats",)),
        )
    ),
    Rule(
        "the core knows no room above it",
        r"judge/\w+\.py",
        tuple(f"judge.{room}" for room in ROOMS),
        ("judge/pair.py", "def f():\n    from judge.runs import folder"),
        but=r"judge/(cli|screen|training_screen|response_screen)\.py",
    ),
    Rule(
        "the models' names and files are known to every part, and know none",
        r"judge/models/.*\.py",
        tuple(f"judge.{part}" for part in PARTS),
        ("judge/models/layers.py", "def f():\n    from judge.train import export"),
    ),
    Rule(
        "names and places of models load nothing heavy",
        r"judge/models/(__init__|base|fetch|layers|listing|dequantise)\.py",
        HEAVY,
        ("judge/models/base.py", "import torch"),
        lazily=True,
    ),
    *(
        Rule(
            f"{part} knows no other part",
            rf"judge/{part}/.*\.py",
            tuple(f"judge.{other}" for other in PARTS if other != part),
            (f"judge/{part}/x.py", f"from judge import {PARTS[PARTS.index(part) - 1]}"),
        )
        for part in PARTS
    ),
    Rule(
        "only commands know the room where training and inference meet",
        r"judge/.*\.py",
        ("judge.online",),
        ("judge/train/align/rloo.py", "def f():\n    from judge.online import rewards"),
        but=r"judge/online/.*|judge/commands/.*",
    ),
    Rule(
        "training and inference meet without the other parts",
        r"judge/online/.*\.py",
        ("judge.data", "judge.compare", "judge.serve", "judge.commands", "judge.cli"),
        ("judge/online/rloo.py", "def f():\n    from judge.compare import arena"),
    ),
    Rule(
        "the server knows the engines and no other part",
        r"judge/serve/.*\.py",
        ("judge.data", "judge.train", "judge.compare"),
        ("judge/serve/app.py", "def f():\n    from judge.compare import report"),
    ),
    Rule(
        "what judges sees no label",
        r"judge/(infer|serve)/.*\.py",
        (
            "judge.formats.annotated",
            "judge.formats.labels",
            "judge.formats.registry",
            "judge.infer.input_labels",
            "judge.infer.label_tally",
        ),
        ("judge/infer/pairwise.py", "from judge.formats.labels import row_label"),
        but=r"judge/infer/(batch|summary|input_labels|label_tally)\.py",
    ),
    Rule(
        "only a command knows the server",
        r"(judge|app)/.*\.py",
        ("judge.serve",),
        ("judge/infer/batch.py", "def f():\n    from ..serve import app"),
        but=r"judge/serve/.*|judge/commands/serve\.py",
    ),
    Rule(
        "only the server and the app answer HTTP",
        r"(judge|app)/.*\.py",
        ("fastapi", "fastapi_offline", "prometheus_client", "starlette", "uvicorn"),
        ("judge/infer/batch.py", "def f():\n    import uvicorn"),
        but=r"judge/serve/.*|app/.*",
    ),
    Rule(
        "data and compare load nothing heavy",
        r"judge/(data|compare)/.*\.py",
        HEAVY,
        ("judge/data/sets.py", "from torch import Tensor"),
        lazily=True,
    ),
    Rule(
        "only the command line knows the command line",
        r"(judge|app)/.*\.py",
        ("judge.cli", "judge.commands", "typer"),
        ("judge/infer/batch.py", "from ..cli import main"),
        but=r"judge/(cli|exits)\.py|judge/commands/.*|app/main\.py",
    ),
    Rule(
        "only the vLLM engine, scorer and rollouts import vllm",
        r"(judge|app)/.*\.py",
        ("vllm",),
        ("judge/infer/engines/registry.py", "def f():\n    import vllm"),
        but=r"judge/infer/(engines/vllm/\w+|scorers/vllm)\.py|judge/online/vllm_\w+\.py",
    ),
    Rule(
        "only the Ray engine imports ray",
        r"(judge|app)/.*\.py",
        ("ray",),
        ("judge/infer/batch.py", "def f():\n    import ray.data"),
        but=r"judge/infer/engines/ray/engine\.py",
    ),
    Rule(
        "only the client of servers asks them",
        r"judge/.*\.py",
        ("httpx2", "httpx", "tenacity", "aiohttp", "requests"),
        ("judge/infer/engines/server/engine.py", "def f():\n    import httpx2"),
        but=r"judge/infer/engines/server/(http_client|address)\.py",
    ),
    Rule(
        "only the engines import outlines",
        r"(judge|app)/.*\.py",
        ("outlines", "outlines_core"),
        ("judge/verdict.py", "def f():\n    from outlines_core import Index"),
        but=ENGINES,
    ),
    Rule(
        "only the pages and main import gradio",
        r"(judge|app)/.*\.py",
        ("gradio",),
        ("app/service.py", "import gradio as gr"),
        but=r"app/(ui/\w+|main)\.py",
    ),
    Rule(
        "only the store and its migrations import SQLAlchemy",
        r"(judge|app)/.*\.py",
        ("sqlalchemy", "alembic"),
        ("app/service/figures.py", "from sqlalchemy.orm import Session"),
        but=r"app/(store|migrations)/.*\.py",
    ),
    Rule(
        "the rules of reviewing are pure",
        r"app/review/.*\.py",
        (*OUTSIDE_THE_RULES, "app.store", "app.service", *PAGES),
        ("app/review/rules.py", "def f():\n    from ..store import queue"),
    ),
    Rule(
        "the store knows no service and no page",
        r"app/(store|migrations)/.*\.py",
        ("app.service", *PAGES),
        ("app/store/queue.py", "from app.service.access import allow"),
    ),
    Rule(
        "the services know no page",
        r"app/service/.*\.py",
        PAGES,
        ("app/service/annotating.py", "from gradio import State"),
    ),
    Rule(
        "of the parts the app takes rules and readers alone",
        r"app/.*\.py",
        tuple(sorted(part_modules() - APP_MAY_USE)),
        ("app/service/exporting.py", "from judge.data.prepare import run"),
    ),
    Rule(
        "only commands know the app",
        r"judge/.*\.py",
        ("app",),
        ("judge/runs/folder.py", "def f():\n    from app.service import Service"),
        but=r"judge/commands/.*",
    ),
    Rule(
        "the app needs no model",
        r"app/.*\.py",
        ("torch", "transformers", "vllm", "outlines", "judge.train", "judge.infer"),
        ("app/render.py", "from judge.infer.engines.protocol import Mode"),
    ),
]


@cache
def imports(source: str, path: str) -> tuple[Import, ...]:
    """Return what ``source`` imports; imports for type checkers alone do not count."""
    package = path.removesuffix(".py").split("/")[:-1]
    return tuple(_imports(ast.parse(source), package, True))


def _imports(node: ast.AST, package: list[str], at_import: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, at_import)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) + 1 - node.level] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        yield Import(module, at_import)
        for alias in node.names:
            yield Import(f"{module}.{alias.name}", at_import)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
        ("import_module", "__import__")
    ):
        for argument in node.args[:1]:
            if isinstance(argument, ast.Constant):
                yield Import(str(argument.value), at_import)
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        children: list[ast.AST] = list(node.orelse)
    else:
        children = list(ast.iter_child_nodes(node))
    inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for child in children:
        yield from _imports(child, package, at_import and not inside)


def modules() -> list[Path]:
    return [p for folder in ("judge", "app") for p in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule(rule: Rule) -> None:
    broken = {
        path: found
        for file in modules()
        if (path := file.relative_to(ROOT).as_posix())
        and (found := rule.broken_by(path, file.read_text(encoding="utf-8")))
    }
    assert not broken, f"{rule.name}: {broken}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_catches_a_violation(rule: Rule) -> None:
    path, source = rule.violation
    assert rule.broken_by(path, source)
    assert rule.broken_by(path, "import math\nfrom judge.pair import Pair\n") == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import torch", True),
        ("import torch.nn as nn", True),
        ("from torch import nn", True),
        ("try:\n    import torch\nexcept ImportError:\n    torch = None", True),
        ("class C:\n    import torch", True),
        ("import importlib\nimportlib.import_module('torch')", True),
        ("def f():\n    import torch", False),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch", False),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import torch", True),
        ("import torchless", False),
        ("'import torch'", False),
    ],
)
def test_what_counts_as_an_import(source: str, found: bool) -> None:
    assert bool(RULES[0].broken_by("judge/x.py", source)) == found


def test_importing_the_core_loads_nothing_heavy() -> None:
    """The same said by the interpreter: what the libraries we import load counts, too."""
    names = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for pattern in (
            "judge/*.py",
            "judge/commands/*.py",
            "judge/runs/*.py",
            "judge/metrics/*.py",
            "judge/report/*.py",
            "judge/compare/*.py",
            "judge/data/*.py",
            "judge/formats/*.py",
        )
        for file in sorted(ROOT.glob(pattern))
    ]
    code = f"import sys, {', '.join(names)}\nprint(*(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


# Only what trains the mini models or tests may know the data folder beside a checkout.
SHARED = re.compile(r"\.\./shared\b")
MAY_NAME_SHARED = re.compile(r"tests/.*|scripts/.*|judge/train/recipes/.*|Makefile|judge/models/.*")
MACHINE = re.compile(r"(?<![\w.~}])/(?:root|work|home)/")
TEXT = {".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".sh", ".j2", ".cfg", ".html", ""}


def project_files() -> list[Path]:
    folders = (
        "judge",
        "app",
        "prompts",
        "examples",
        "docs",
        "scripts",
        "benchmarks",
        "tests",
        ".ci",
    )
    inside = [p for f in folders for p in (ROOT / f).rglob("*") if "__pycache__" not in p.parts]
    top = [p for p in ROOT.glob("*") if p.name != ".git"]  # a file in a worktree of git
    return [p for p in [*top, *inside] if p.is_file() and p.suffix in TEXT]


def named_in_wrong_places(files: dict[str, str]) -> list[str]:
    return [
        path
        for path, text in files.items()
        if (SHARED.search(text) and not MAY_NAME_SHARED.fullmatch(path))
        or (MACHINE.search(text) and path != "tests/test_architecture.py")
    ]


def test_no_path_of_a_machine_in_the_project() -> None:
    files = {p.relative_to(ROOT).as_posix(): p.read_text(encoding="utf-8") for p in project_files()}
    assert "README.md" in files and "judge/verdict.py" in files
    assert named_in_wrong_places(files) == []


@pytest.mark.parametrize(
    ("path", "text", "wrong"),
    [
        ("judge/data/prepare.py", "open('../shared/data')", True),
        ("README.md", "see ../shared/data", True),
        ("tests/test_x.py", "ROOT / '../shared'", False),
        ("judge/train/recipes/mini.yaml", "data: ../shared/data", False),
        ("README.md", "cd /home/me/judge", True),
        ("README.md", "data: work/mini", False),
    ],
)
def test_a_path_in_the_wrong_place_is_found(path: str, text: str, wrong: bool) -> None:
    assert bool(named_in_wrong_places({path: text})) == wrong


def test_what_ships_beside_the_code() -> None:
    """The typed marker, recipes, the mini judge and the report template lie inside the package."""
    for name in ("py.typed", "train/recipes/mini.yaml", "models/mini_judge/config.json"):
        assert (ROOT / "judge" / name).is_file(), name
    assert list((ROOT / "judge" / "report").glob("*.j2"))
