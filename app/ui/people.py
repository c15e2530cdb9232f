"""The people of a project on its managers' page: invited, given roles, locked and unlocked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from app.errors import Refused
from app.review.practice import PassState
from app.review.project import ROLES, Person
from app.service import Service
from app.ui.handling import QUIETLY, asked, project_of
from app.ui.tables import NONE, Cells, escape_markdown, frame, table

NO_ROLE = "takes no part"
Act = Callable[[Service, Person, int, str, Any, Any], tuple[str, str | None]]
"""Does something with a name, a role and a quota; returns what was done, and a link's token."""


def build(page: gr.Blocks, service: Service) -> None:
    """Add the section to the page that is being built."""
    gr.Markdown("## People")
    people = frame("A click fills the fields below")
    name = gr.Textbox(label="Name", max_length=100)
    role = gr.Dropdown(label="Role", choices=[*ROLES, NO_ROLE], value="annotator")
    quota = gr.Textbox(
        label="Tasks at most; 0: no limit; empty: as the project says", max_length=10
    )
    with gr.Row(equal_height=True):
        invite = gr.Button("Invite by link", variant="primary", min_width=100)
        change_role = gr.Button("Give this role", min_width=100)
        change_quota = gr.Button("Set the quota", min_width=100)
    with gr.Row(equal_height=True):
        renew = gr.Button("Link for a new password", min_width=160)
        release = gr.Button("Release from practice", min_width=160)
        lock = gr.Button("Lock", min_width=80)
        unlock = gr.Button("Unlock", min_width=80)
    happened = gr.Markdown(elem_id="people-said")
    link = gr.Textbox(
        label="The link: works once, for 7 days; only you see it, and only now",
        interactive=False,
        visible=False,
        buttons=["copy"],
        elem_id="invitation",
    )

    def load(request: gr.Request) -> Cells:
        with asked(service, request) as who:
            project_id = project_of(service, who, request, "manage").project_id
            return members(service, who, project_id)

    def choose(request: gr.Request, event: gr.SelectData) -> list[Any]:
        with asked(service, request) as who:
            project_id = project_of(service, who, request, "manage").project_id
            found = {one.name: one for one in service.projects.members(who, project_id)}
            one = found.get(str(event.row_value[0]))
            if one is None:
                raise Refused("this person takes no part any more; reload the page")
            own = service.grouping.work(who, project_id)[one.account_id].quota
        return [one.name, one.role, "" if own is None else str(own)]

    def clear(request: gr.Request) -> list[Any]:
        with asked(service, request) as who:
            project_of(service, who, request, "manage")
        return ["", gr.update(visible=False, value="")]

    def handler(act: Act) -> Any:
        def run(name: str, role: str, quota: Any, request: gr.Request) -> list[Any]:
            with asked(service, request) as who:
                project_id = project_of(service, who, request, "manage").project_id
                given = None if role == NO_ROLE else role
                said, token = act(service, who, project_id, (name or "").strip(), given, quota)
                shown = members(service, who, project_id)
            address = "" if token is None else _address(request, token)
            update = gr.update(visible=token is not None, value=address)
            return [shown, escape_markdown(said), update]

        return run

    page.load(load, None, people, **QUIETLY)
    people.select(choose, None, [name, role, quota], **QUIETLY)
    acts = (
        (invite, _invite),
        (change_role, _give_role),
        (change_quota, _set_quota),
        (release, _release),
        (renew, _renew),
        (lock, _lock),
        (unlock, _unlock),
    )
    for button, act in acts:
        # What was said of the act before goes at once: it is no answer to this one.
        button.click(clear, None, [happened, link], **QUIETLY).then(
            handler(act), [name, role, quota], [people, happened, link], **QUIETLY
        )


def members(service: Service, who: Person, project_id: int) -> Cells:
    """Return who takes part, as a table."""
    pending = service.inviting.pending(who, project_id)
    usual = service.projects.get(who, project_id).settings.quota
    work = service.grouping.work(who, project_id)
    rows = []
    for one in service.projects.members(who, project_id):
        until, own = pending.get(one.account_id), work[one.account_id]
        quota = usual if own.quota is None else own.quota
        notes = [] if one.active else ["locked"]
        notes += [f"link good until {until:%Y-%m-%d %H:%M} UTC"] if until else []
        if own.practised:
            notes.append(f"practice: {own.practised_right} of {own.practised} right")
        if own.passing is not None:
            notes.append(_STANDING[own.passing.state])
        elif own.released:
            notes.append("released from practice")
        groups = ", ".join(own.groups)
        done = f"{own.done:,} of {quota:,}" if quota else f"{own.done:,}"
        cells = [one.name, one.role, done, groups, ", ".join(notes)]
        rows.append([cell or NONE for cell in cells])
    return table("Name|Role|Done|Groups|Note", rows)


_STANDING: dict[PassState, str] = {
    "practising": "practises",
    "passed": "passed",
    "waiting": "below the pass mark: waits for you",
}


def _address(request: gr.Request, token: str) -> str:
    assert request.request is not None
    here = request.request.url
    return f"{here.scheme}://{here.netloc}/invite/{token}"


def _invite(
    service: Service, who: Person, project_id: int, name: str, role: Any, quota: Any
) -> tuple[str, str]:
    """Make an account: who has one already is neither given another password nor a role."""
    if role is None:
        raise Refused("choose a role for the new account")
    token = service.inviting.invite(who, project_id, name, role)
    return f"{name} is invited as {role}. Send this link to nobody else", token


def _give_role(
    service: Service, who: Person, project_id: int, name: str, role: Any, quota: Any
) -> tuple[str, None]:
    service.projects.set_role(who, project_id, name, role)
    return f"{name} is {role} now" if role else f"{name} takes no part any more", None


def _set_quota(
    service: Service, who: Person, project_id: int, name: str, role: Any, quota: Any
) -> tuple[str, None]:
    said = str(quota or "").strip()
    if said and not (said.isascii() and said.isdecimal()):
        raise Refused("a quota is a whole number of tasks, or empty")
    most = int(said) if said else None
    service.grouping.set_quota(who, project_id, name, most)
    if most is None:
        return f"{name} gets as many tasks as the project says", None
    return f"{name} gets {most:,} at most" if most else f"{name} has no limit", None


def _renew(
    service: Service, who: Person, project_id: int, name: str, role: Any, quota: Any
) -> tuple[str, str]:
    token = service.inviting.renew(who, project_id, name)
    return f"{name} sets another password with this link; until then nothing changes", token


def _release(
    service: Service, who: Person, project_id: int, name: str, role: Any, quota: Any
) -> tuple[str, None]:
    service.grouping.release(who, project_id, name)
    return f"{name} works from now on, whatever the pass mark says", None


def _lock(
    service: Service, who: Person, project_id: int, name: str, role: Any, quota: Any
) -> tuple[str, None]:
    service.accounts.set_active(who, name, False)
    return f"{name} is locked out", None


def _unlock(
    service: Service, who: Person, project_id: int, name: str, role: Any, quota: Any
) -> tuple[str, None]:
    service.accounts.set_active(who, name, True)
    return f"{name} can sign in again", None
