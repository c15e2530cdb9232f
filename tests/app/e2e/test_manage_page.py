"""The Manage page in a browser: settings, groups and quotas, guidelines."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.app.e2e.conftest import Site, at, click_until, ready
from tests.app.made import PASSWORD, token


def test_a_manager_changes_the_project(site: Site, open_page: Callable[..., Page]) -> None:
    task = site.team.take("ann")[0]
    service, project = site.service, site.team.project_id
    service.annotating.flag(site.team.people["ann"], task.assignment_id, "torn text", token())
    page = open_page(site, "max", at(site, "manage"))
    expect(page.get_by_label("Annotations a task")).to_have_value("3")
    page.get_by_label("Annotations a task").fill("9")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("annotations: Input should be less than or equal to 5")).to_be_visible()
    page.get_by_label("Annotations a task").fill("4")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("The settings are saved.")).to_be_visible()
    expect(page.get_by_text("annotations: Input should be")).to_be_hidden()
    settings = service.projects.get(site.team.people["max"], project).settings
    assert settings.annotations == 4 and settings.blind

    people, said = page.get_by_label("Name").nth(1), page.locator("#people-said")
    people.fill("newcomer")
    page.get_by_role("button", name="Invite by link").click()
    expect(said).to_contain_text("newcomer is invited as annotator")
    expect(page.get_by_role("gridcell", name="newcomer")).to_be_visible()
    link = page.locator("#invitation textarea, #invitation input").input_value()
    assert link.startswith(f"{site.url}/invite/")
    # Whoever is there already keeps password and role.
    people.fill("ada")
    page.get_by_role("button", name="Invite by link").click()
    expect(page.get_by_text("there is an account called 'ada' already")).to_be_visible()
    expect(said).not_to_contain_text("newcomer")  # what was said of the act before is gone
    expect(page.locator("#invitation")).to_be_hidden()
    page.get_by_role("button", name="Lock", exact=True).click()
    expect(said).to_contain_text("ada is locked out")
    expect(page.get_by_role("gridcell", name="locked")).to_be_visible()
    page.get_by_role("button", name="Unlock").click()
    expect(said).to_contain_text("ada can sign in again")
    assert service.accounts.sign_in("ada", PASSWORD)

    invited = open_page(site, None, link.removeprefix(site.url))
    invited.get_by_label("Password, 12 characters or more").fill("a password long enough")
    invited.get_by_label("The password again").fill("another one than that")
    invited.get_by_role("button", name="Set it and sign in").click()
    expect(invited.get_by_role("alert")).to_contain_text("not the same both times")
    invited.get_by_label("Password, 12 characters or more").fill("a password long enough")
    invited.get_by_label("The password again").fill("a password long enough")
    invited.get_by_role("button", name="Set it and sign in").click()
    ready(invited)
    expect(invited.locator(".me")).to_have_text("newcomer")
    assert service.accounts.sign_in("newcomer", "a password long enough")
    invited.goto(link)
    expect(invited.get_by_text("this link was used already")).to_be_visible()

    expect(page.get_by_role("gridcell", name="torn text")).to_be_visible()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("select a task first")).to_be_visible()
    page.get_by_role("gridcell", name="torn text").click()
    expect(page.locator("#flagged")).to_contain_text(f"Task {task.number}")
    page.get_by_role("textbox", name="Reason").fill("damaged at the source")
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_role("gridcell", name="withdrawn")).to_be_visible()
    assert service.figures.dashboard(None, project).progress.withdrawn == 1


def test_groups_and_quotas(site: Site, open_page: Callable[..., Page]) -> None:
    # High enough for a list of people to open below its field.
    page = open_page(site, "max", at(site, "manage"), viewport={"width": 1280, "height": 2000})
    said = page.locator("#groups-said")
    page.get_by_label("Group: an existing one").fill("Readers of Arabic")
    page.keyboard.press("Enter")
    page.get_by_label("Who is in it").click()
    for name in ("ann", "ben"):
        page.get_by_role("option", name=name, exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Save the group").click()
    expect(said).to_have_text("Readers of Arabic: 2 people now")
    expect(page.get_by_role("gridcell", name="ann, ben")).to_be_visible()
    (group,) = site.service.grouping.groups(None, site.team.project_id)
    assert (group.name, group.people) == ("Readers of Arabic", ("ann", "ben"))
    page.get_by_label("Group: an existing one").fill("")
    page.get_by_role("gridcell", name="ann, ben").click()  # a row fills the fields
    expect(page.get_by_label("Group: an existing one")).to_have_value("Readers of Arabic")
    page.get_by_role("button", name="Remove the group").click()
    expect(said).to_have_text("Readers of Arabic is removed")
    page.get_by_role("gridcell", name="ann", exact=True).click()
    expect(page.get_by_label("Name").nth(1)).to_have_value("ann")
    page.get_by_label("Tasks at most; 0").fill("1")
    page.get_by_role("button", name="Set the quota").click()
    expect(page.locator("#people-said")).to_have_text("ann gets 1 at most")
    expect(page.get_by_role("gridcell", name="0 of 1")).to_be_visible()
    site.team.annotate("ann", 2)
    annotating = open_page(site, "ann")
    expect(annotating.get_by_text("that were meant for you: 1")).to_be_visible()


def test_guidelines_with_preview_and_two_who_edit_them(
    site: Site, open_page: Callable[..., Page]
) -> None:
    service, project = site.service, site.team.project_id
    page = open_page(site, "max", at(site, "manage"))
    text = page.locator("#guidelines textarea")
    expect(page.get_by_text("Take away").first).to_be_visible()  # the page has its content
    begin = page.get_by_role("button", name="Begin with the program's own")
    click_until(lambda: text.input_value().startswith("Read the"), begin)
    text.fill("**Be kind**, and read twice.")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview strong")).to_have_text("Be kind")
    page.get_by_role("button", name="Save the guidelines").click()
    expect(page.get_by_text("The guidelines are saved.")).to_be_visible()
    assert service.projects.settings(project).guidelines == "**Be kind**, and read twice."
    page.get_by_role("button", name="Begin with the program's own").click()
    expect(page.get_by_text("the field is not empty")).to_be_visible()
    site.team.change(guidelines="Another's words.")
    text.fill("Mine.")
    page.get_by_role("button", name="Save the guidelines").click()
    expect(page.locator("#guidelines-said")).to_contain_text("someone else changed this meanwhile")
    expect(page.locator("#theirs textarea")).to_have_value("Another's words.")
    expect(text).to_have_value("Mine.")
    assert service.projects.settings(project).guidelines == "Another's words."
    text.fill("Mine and another's words.")
    page.get_by_role("button", name="Save the guidelines").click()
    expect(page.locator("#guidelines-said")).to_have_text("The guidelines are saved.")
    expect(page.locator("#theirs")).to_be_hidden()
    assert service.projects.settings(project).guidelines == "Mine and another's words."
