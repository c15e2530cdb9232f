"""Which pages a person may open."""

from __future__ import annotations

from app.errors import NotAllowed, NotFound
from app.review.project import Action, Person, Project, may
from app.service import Service

PAGE_ACTIONS: dict[str, Action] = {
    "": "annotate",
    "adjudicate": "adjudicate",
    "dashboard": "see_figures",
    "tasks": "manage",
    "manage": "manage",
}
"""The pages of one project, and what whoever opens them must be allowed to do there."""


TEXTS = ("", "adjudicate")
"""The pages that show texts of strangers as they are meant."""


def open_page(service: Service, who: Person, page: str, project_id: str | None) -> bool:
    """Return whether the page may load images of other sites, where the person may open it; what it
    then asks for is checked again.

    Raises:
        NotFound, NotAllowed: why not.
    """
    if page == "ask":
        if not may_ask(service.projects.of(who)):
            raise NotAllowed(
                "annotators who work blind may not ask the judge: its answer would influence theirs"
            )
        return False
    if project_id is None or not project_id.isdecimal() or len(project_id) > 9:
        raise NotFound("there is no such project")
    project = service.projects.get(who, int(project_id))
    role = project.role
    if not may(role, PAGE_ACTIONS[page]):
        raise NotAllowed(f"your role in this project, {role}, does not open this page")
    return page in TEXTS and project.settings.load_images


def may_ask(projects: list[Project]) -> bool:
    """Return whether someone with these projects may ask the live judge: not who only annotates
    and does so blind, for the judge would tell what the project hides."""
    return any(p.role != "annotator" for p in projects) or not any(
        p.settings.blind for p in projects
    )
