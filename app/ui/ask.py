"""The page where the judge is asked live: a prompt and two responses in, verdict and why out."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import Any

import gradio as gr

from app.errors import NotAllowed
from app.live import LiveJudge, LiveJudgeError
from app.review.project import Person
from app.service import Service
from app.ui.handling import asked
from app.ui.tables import escape_markdown
from app.web.access import may_ask
from judge.judgment import Judgment
from judge.verdict import Order, flip_names

AT_ONCE = 8
LONGEST = 100_000
"""Characters of one of the three texts."""
_WAITING = "The judge reads…"
_LOADING = "The model is being loaded, which takes some seconds; then the judge reads…"


def build(page: gr.Blocks, service: Service, judge: LiveJudge) -> None:
    """Add the page of the live judge to the page that is being built."""
    gr.Markdown(f"# Ask the judge\n\nModel: {escape_markdown(judge.name)}. Nothing is kept.")
    prompt = gr.Textbox(label="Prompt", lines=3, max_lines=10, max_length=LONGEST)
    with gr.Row():
        response_1 = gr.Textbox(label="Response 1", lines=6, max_lines=16, max_length=LONGEST)
        response_2 = gr.Textbox(label="Response 2", lines=6, max_lines=16, max_length=LONGEST)
    button = gr.Button("Ask", variant="primary", elem_id="ask")
    verdict = gr.Markdown(elem_id="verdict")
    with gr.Row():
        given = gr.Textbox(label="Why", lines=4, interactive=False, elem_id="why")
        flipped = gr.Textbox(label="Why, with the responses exchanged", lines=4, interactive=False)

    def warm(request: gr.Request) -> None:
        """Have the judge load while the texts are being pasted."""
        with asked(service, request) as who:
            _allow(service, who)
            Thread(target=_start, args=(judge,), daemon=True).start()

    def ask(prompt: str, one: str, two: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        with asked(service, request) as who:
            _allow(service, who)
        waiting = _LOADING if judge.is_loading else _WAITING
        yield waiting, "", "", gr.update(interactive=False)
        try:
            for verdict, texts in _answers(judge, prompt, one, two):
                yield verdict, texts["given"], texts["flipped"], gr.skip()
        except LiveJudgeError as error:
            yield f"**No verdict**: {escape_markdown(str(error))}", gr.skip(), gr.skip(), gr.skip()
        yield gr.skip(), gr.skip(), gr.skip(), gr.update(interactive=True)

    page.load(warm, None, None, show_progress="hidden", api_visibility="private")
    gr.on(
        [button.click],
        ask,
        [prompt, response_1, response_2],
        [verdict, given, flipped, button],
        concurrency_limit=AT_ONCE,
        show_progress="hidden",
        api_visibility="private",
    )


def _allow(service: Service, who: Person) -> None:
    if not may_ask(service.projects.of(who)):
        raise NotAllowed(
            "annotators who work blind may not ask the judge: its answer would influence theirs"
        )


def _start(judge: LiveJudge) -> None:
    try:
        judge.start()
    except LiveJudgeError:
        return  # said to the one who asks


def _answers(
    judge: LiveJudge, prompt: str, one: str, two: str
) -> Iterator[tuple[str, dict[Order, str]]]:
    """Yield the verdict and both elaborations as far as they are written, in the page's names."""
    texts: dict[Order, str] = {"given": "", "flipped": ""}
    for part in judge.ask(prompt, one, two):
        if isinstance(part, Judgment):
            for order, said in part.orders.items():
                texts[order] = said.elaboration or ""
            yield _verdict(part), _in_given_names(texts)
        else:
            texts[part.order] += part.text
            yield _WAITING, _in_given_names(texts)


def _in_given_names(texts: dict[Order, str]) -> dict[Order, str]:
    return {"given": texts["given"], "flipped": flip_names(texts["flipped"])}


def _verdict(judgment: Judgment) -> str:
    """Return a judgment as markdown."""
    statement = judgment.statement or "The judge is undecided."
    lines = [f"## {escape_markdown(statement)}", ""]
    if judgment.probability is not None:
        lines.append(f"- Probability that Response 1 is better: {judgment.probability:.0%}")
    if judgment.consistent is not None:
        same = "the same response" if judgment.consistent else "**the other response**"
        lines.append(f"- With the responses exchanged it prefers {same}.")
    for name, (first, second) in judgment.rewards.items():
        rewards = f"{first:.3g} for Response 1, {second:.3g} for Response 2"
        lines.append(f"- Reward {escape_markdown(name)}: {rewards}")
    return "\n".join(lines)
