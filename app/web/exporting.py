"""The files that managers take away."""

from __future__ import annotations

import re
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from zipfile import ZipFile

from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from app.review.project import ExportKind
from app.service.rating_files import DISAGREEMENTS, TRAIN, VALIDATION
from app.web.session import Id, Reviewing, Who

router = APIRouter()
_NAMES: dict[ExportKind, str] = {
    "preference": "preference.jsonl.gz",
    "labels": "labels.jsonl",
    "dpo": "dpo.jsonl",
    "csv": "annotations.csv",
    "highlights": "highlights.jsonl",
    "history": "history.jsonl",
    "ratings": "ratings.zip",
}


@router.get("/export/{project_id}/{kind}")
def export(service: Reviewing, who: Who, project_id: Id, kind: ExportKind) -> FileResponse:
    """Write an export and send it."""
    project = service.projects.get(who, project_id).settings.name
    folder = Path(mkdtemp(prefix="review-export-"))
    try:
        out = folder if kind in ("preference", "ratings") else folder / _NAMES[kind]
        path = service.exporting.write(who, project_id, kind, out).path
        if kind == "ratings":
            with ZipFile(folder / _NAMES[kind], "w") as packed:
                for file in (TRAIN, VALIDATION, DISAGREEMENTS):
                    packed.write(folder / file, file)
            path = folder / _NAMES[kind]
    except BaseException:
        rmtree(folder)
        raise
    name = f"{re.sub(r'[^A-Za-z0-9]+', '-', project).strip('-') or 'project'}-{_NAMES[kind]}"
    return FileResponse(path, filename=name, background=BackgroundTask(rmtree, folder))
