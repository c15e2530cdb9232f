"""Adjudication, dashboard, exports, lists of tasks and the live judge in a browser."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from app.live import LiveJudge, LiveJudgeError, Piece
from judge.judgment import Judgment
from tests.app.e2e.conftest import Site, at, click_until, press, ready, revealed, settled
from tests.app.made import token


@pytest.fixture
def disputed(new_site: Callable[..., Site]) -> Site:
    """A site with two tasks to adjudicate and one that people agree on."""
    site = new_site(pairs=3, more_on_disagreement=0, own_server=True)
    for strengths in ((3, 3, -3), (2, 1, -2), (2, 2, 1)):
        for name, strength in zip(("ann", "ben", "cem"), strengths, strict=True):
            site.team.annotate(name, strength)
    return site


def test_adjudication_by_keyboard(disputed: Site, open_page: Callable[..., Page]) -> None:
    site = disputed
    page = open_page(site, "ada", at(site, "adjudicate"))
    opinions = page.locator(".opinion")
    expect(opinions).to_have_count(3)
    expect(page.locator(".progress")).to_contain_text("1 of 2 · 6 apart")
    assert "SENTINEL" not in page.locator(".work").inner_text()
    names = page.content()
    assert not any(f">{name}<" in names for name in ("ann", "ben", "cem"))
    press(page, "Enter")
    expect(page.get_by_role("alert")).to_contain_text("Choose one of the seven")
    press(page, "5", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("give a reason")
    press(page, "j")
    page.keyboard.type("@Response 2 shows how it counts.")
    press(page, "Escape", "x")
    page.keyboard.type("two of three, and it is checked")
    press(page, "Control+Enter")
    expect(page.locator(".progress")).to_contain_text("2 of 2 · 4 apart")
    press(page, "ArrowLeft")
    expect(page.locator(".progress")).to_contain_text("1 of 2 · 6 apart · decided")
    expect(page.get_by_label("Justification")).to_have_value("@Response 2 shows how it counts.")
    press(page, "ArrowRight")
    expect(page.locator(".progress")).to_contain_text("2 of 2 · 4 apart")
    press(page, "2", "j")
    page.keyboard.type("@Response 1 is to the point.")
    press(page, "Alt+1", "Escape", "x")
    page.keyboard.type("the others misread it")
    press(page, "Control+Enter")
    expect(page.locator(".notice h2:visible")).to_have_text("Nothing to adjudicate")
    ada, service = site.team.people["ada"], site.service
    assert service.adjudicating.queue(ada, site.team.project_id) == []
    assert service.figures.dashboard(ada, site.team.project_id).progress.finished == 3


def test_an_adjudicator_may_begin_with_the_words_of_an_annotator(
    disputed: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(disputed, "ada", at(disputed, "adjudicate"))
    page.locator(".opinion").nth(2).get_by_role("button", name="Use").click()
    expect(page.get_by_label("Justification")).to_have_value("It is right.")
    expect(page.locator("input[value='-3']")).to_be_checked()


def test_the_dashboard_shows_the_figures_and_what_is_new(
    disputed: Site, open_page: Callable[..., Page]
) -> None:
    site = disputed
    page = open_page(site, "ada", at(site, "dashboard"))
    expect(page.locator(".js-plotly-plot")).to_have_count(6)
    named = page.get_by_text("Annotations", exact=True)
    annotations = page.locator(".cards > div", has=named).locator("dd")
    expect(annotations).to_have_text("9 of 9")
    board = site.service.figures.dashboard(site.team.people["ada"], site.team.project_id)
    kappa = board.agreement_final.kappa
    assert kappa is not None
    expect(page.get_by_role("gridcell", name=f"{kappa:.2f}").first).to_be_visible()
    for name in ("ann", "ben", "cem"):
        expect(page.get_by_role("gridcell", name=name, exact=True)).to_be_visible()
    task = site.service.adjudicating.queue(site.team.people["ada"], site.team.project_id)[0]
    site.service.projects.withdraw(None, task.task_id, "a test")
    expect(annotations).to_have_text("6 of 6")


def test_names_of_people_are_no_markdown(
    new_site: Callable[..., Site], open_page: Callable[..., Page]
) -> None:
    site = new_site(pairs=1, annotations=1, own_server=True)
    name = "<img src=x onerror=alert(1)> **x** [y](http://z) |"
    site.team.add(name)
    site.team.annotate(name, 2)
    page = open_page(site, "max", at(site, "dashboard"))
    expect(page.get_by_role("gridcell", name=name, exact=True)).to_be_visible()
    page.goto(site.url + at(site, "manage"))
    expect(page.get_by_role("gridcell", name=name, exact=True)).to_be_visible()


def test_exports_are_taken_away(disputed: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(disputed, "max", at(disputed, "manage"))
    with page.expect_download() as download:
        page.get_by_role("link", name="preference").click()
    assert download.value.suggested_filename == "demo-preference.jsonl.gz"
    with gzip.open(download.value.path()) as file:
        rows = [json.loads(line) for line in file]
    assert len(rows) == 3 and {len(row["all_preferences_unprocessed"]) for row in rows} == {3}
    with page.expect_download() as download:
        page.get_by_role("link", name="csv").click()
    assert len(download.value.path().read_text().splitlines()) > 9


@pytest.fixture
def judge() -> Iterator[LiveJudge]:
    """The bundled mini judge beside the server, as ``judge review`` starts it."""
    found = LiveJudge("mini")
    yield found
    found.close()


@pytest.mark.slow
def test_the_judge_is_asked_live(
    new_site: Callable[..., Site], open_page: Callable[..., Page], judge: LiveJudge
) -> None:
    site = new_site(judge=judge)
    page = open_page(site, "max", "/review/ask")
    page.get_by_label("Prompt").fill("Should schools serve breakfast?")
    page.get_by_label("Response 1").fill("Yes: hungry children learn worse, and it costs little.")
    page.get_by_label("Response 2").fill("No.")
    page.evaluate("""() => {
        const why = document.querySelector('#why textarea');
        window.lengths = new Set();
        setInterval(() => window.lengths.add(why.value.length), 20);
    }""")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#verdict h2")).to_contain_text("better than @Response", timeout=240_000)
    expect(page.locator("#verdict")).to_contain_text("Probability that Response 1 is better")
    expect(page.locator("#verdict")).to_contain_text("With the responses exchanged it prefers")
    assert page.evaluate("window.lengths.size") > 3, "the explanation came all at once"
    page.get_by_label("Prompt").fill("")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#verdict")).to_contain_text("No verdict")

    # The same one as a `judge serve` elsewhere: by its address, with its key.
    elsewhere = LiveJudge(judge.start(), judge.key)
    *pieces, said = elsewhere.ask("Should schools serve breakfast?", "Yes.", "No.")
    assert isinstance(said, Judgment) and said.statement
    assert len(pieces) > 3 and all(isinstance(piece, Piece) for piece in pieces)
    with pytest.raises(LiveJudgeError, match="key"):
        list(LiveJudge(judge.start(), "another").ask("x", "y", "z"))


def test_a_judge_that_is_away_is_no_verdict(
    new_site: Callable[..., Site], open_page: Callable[..., Page]
) -> None:
    page = open_page(new_site(judge=LiveJudge("http://127.0.0.1:9")), "max", "/review/ask")
    for label in ("Prompt", "Response 1", "Response 2"):
        page.get_by_label(label, exact=True).fill("x")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#verdict")).to_contain_text("No verdict: the judge does not answer")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()


def test_who_annotates_blind_may_not_ask(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(site, "ann", "/review/ask")
    expect(page.get_by_text("would influence theirs")).to_be_visible()
    page.goto(f"{site.url}/review/?project={site.team.project_id}")
    expect(page.locator(".options")).to_be_visible()
    expect(page.get_by_role("link", name="Ask the judge")).to_have_count(0)


def test_the_figures_agree_with_each_other(site: Site, open_page: Callable[..., Page]) -> None:
    """A flag that is listed is counted, whether or not its task is finished."""
    (task,) = site.team.take("ann")
    who = site.team.people["ann"]
    site.service.annotating.flag(who, task.assignment_id, "A text is damaged", token())
    board = site.service.figures.dashboard(None, site.team.project_id)
    assert board.progress.flagged == len(site.service.projects.flags(None, 1)) == 1
    page = open_page(site, "max", f"/review/dashboard?project={site.team.project_id}")
    card = page.locator(".cards > div", has_text="Flagged")
    expect(card.locator("dd")).to_contain_text("1")
    expect(page.get_by_text("Nothing to show yet").first).to_be_visible()


def test_another_tab_that_stored_takes_this_one_along(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(site, "ann")
    ready(page)
    other = page.context.new_page()
    other.goto(page.url)
    ready(other)
    press(other, "2", "j")
    other.keyboard.type("Clear.")
    press(other, "Control+Enter")
    revealed(other)
    revealed(page)
    expect(page.locator(".status")).to_contain_text("Stored in another tab")
    # A browser of another machine: this page hears of it when it tries to store.
    press(other, "r", "Enter")
    expect(page.locator(".progress")).to_contain_text("1 done")
    page.goto(page.url)
    ready(page)
    (task,) = site.team.take("ann")
    site.team.choose("ann", task, 2)
    press(page, "6", "Enter")
    revealed(page)
    assert site.service.annotating.view(site.team.people["ann"], task.assignment_id).final is None


def test_a_decision_that_is_not_stored_yet_says_so(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(site, "ann")
    ready(page)
    page.route("**/choose", lambda route: route.abort())
    press(page, "2", "j")
    page.keyboard.type("Clear.")
    press(page, "Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("Not stored yet: the server is away")
    page.unroute_all()
    revealed(page)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_manager_finds_tasks_again_and_changes_many(
    disputed: Site, open_page: Callable[..., Page]
) -> None:
    site, browsing = disputed, disputed.service.browsing
    page = open_page(site, "max", at(site, "tasks"))
    expect(page.get_by_text("3 tasks.", exact=True)).to_be_visible()
    page.get_by_label("Search").fill("Question 1")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 tasks.", exact=True)).to_be_visible()
    page.get_by_role("gridcell", name="pair-1").click()
    expect(page.get_by_role("heading", name="Task 2, pair pair-1")).to_be_visible()
    expect(page.get_by_label("Response 1")).to_have_value("There are 1 of them.")
    expect(page.get_by_role("gridcell", name="ann", exact=True)).to_be_visible()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("please give a reason")).to_be_visible()
    page.get_by_label("Reason", exact=True).fill("The source is broken")
    page.get_by_role("button", name="Withdraw").click()
    said = page.locator("#tasks-said")
    expect(said).to_have_text("1 withdrawn.")
    assert browsing.open(None, site.team.project_id, 2).row.state == "withdrawn"
    # It goes to one person, who is too few for it, and is open again.
    page.locator("#assignees input").click()
    page.get_by_role("option", name="dora", exact=True).click()
    page.get_by_label("Search").click()
    page.get_by_role("button", name="Select all that are shown").click()
    settled(page)
    page.get_by_role("button", name="Assign to them").click()
    expect(said).to_contain_text("1 assigned.")
    expect(page.get_by_role("gridcell", name="dora").first).to_be_visible()
    assert browsing.open(None, site.team.project_id, 2).row.assigned == ("dora",)
    click_until(
        lambda: "1 open to everyone." in said.inner_text(),
        page.get_by_role("button", name="Select all that are shown"),
        page.get_by_role("button", name="Open to everyone"),
    )
    assert browsing.open(None, site.team.project_id, 2).row.assigned == ()
    # A link of a flag leads here.
    page.goto(site.url + at(site, "tasks") + "&task=3")
    expect(page.get_by_text("1 tasks.", exact=True)).to_be_visible()


def test_an_annotator_finds_their_own_tasks(site: Site, open_page: Callable[..., Page]) -> None:
    for _ in range(3):
        site.team.annotate("ann", 1)
    page = open_page(site, "ann")
    ready(page)
    expect(page.locator(".status")).to_contain_text("Task 4")
    page.get_by_role("button", name="List").click()
    lines = page.get_by_role("dialog").get_by_role("listitem")
    expect(lines).to_have_count(3)
    page.get_by_label("Search").fill("question 1")
    expect(lines).to_have_count(1)
    page.get_by_label("Search").fill("3")
    expect(lines.filter(has_text="3 · ")).to_have_count(1)
    lines.filter(has_text="3 · ").get_by_role("button").click()
    expect(page.locator(".status")).to_contain_text("Task 3")
    page.get_by_role("button", name="The task after").click()
    expect(page.locator(".status")).to_contain_text("Task 4")
