"""The page of an online alignment: what it gained, by what, and what the policy says now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from judge.metrics.formatting import DASH, number
from judge.metrics.gains import Gain
from judge.report.online_paid import Sign, plus_minus, prompts_of
from judge.report.online_plots import PARTS, plots
from judge.report.online_run import (
    OnlineRun,
    Paired,
    characters_of,
    read_run,
    reward_of,
)
from judge.report.online_signs import signs, worrying
from judge.report.online_tables import tables_of
from judge.report.page import REPORT, Gallery, Page, Shown, Version, write
from judge.runs.online import HeldOut, Timing

PAGE = REPORT
SAMPLES = 5
"""Held-out prompts whose answers are shown, evenly taken."""
LARGEST = 3
"""Of those whose reward rose most."""
MEASURED = 3.0
"""Standard errors from which a gain is called one without a caveat."""
SECTIONS = {
    "reward": (
        "Reward",
        "Of the rollouts that were trained on, and of held-out prompts that never are.",
    ),
    "signs": (
        "What to look at",
        "Whether the reward was gained by something else than better answers, and whether there"
        " was something to learn from. What goes together need not be the cause: read the samples.",
    ),
    "kl": ("Divergence and entropy", "How far the policy went from where it started."),
    "length": ("Length and repetition", "What a reward model may pay for instead of quality."),
    "rollouts": ("Rollouts", "What was drawn, and what of it could be used."),
    "time": ("Time", "Where it went."),
}


def write_page(folder: Path) -> Path:
    """Write ``report.html`` into the folder of an online alignment, finished or not.

    Raises:
        UsageError: when nothing was drawn yet, a file is damaged, or the folder cannot be written
            to.
    """
    run = read_run(folder)
    return write(page_of(run), folder, PAGE)


def page_of(run: OnlineRun) -> Page:
    """Return the page of a run."""
    seen = signs(run)
    return Page(
        title=f"Online alignment: {run.recipe.get('output_dir', run.folder.name)}",
        about=list(_about(run)),
        sentence=_sentence(run),
        tiles=list(_tiles(run)),
        sections=SECTIONS,
        tables=list(tables_of(run, seen)),
        plots=list(plots(run)),
        galleries=list(_galleries(run)),
        settings=dict(run.recipe),
        notes=list(_notes(run, seen)),
    )


def _about(run: OnlineRun) -> Iterator[str]:
    recipe = run.recipe
    if recipe:
        reward = recipe.get("reward")
        scorer = reward.get("model") if isinstance(reward, dict) else None
        yield (
            f"{recipe.get('model')}, rewarded by {scorer}, on the prompts of {recipe.get('data')};"
            f" {recipe.get('samples')} responses a prompt."
        )
        yield f"beta {recipe.get('beta')} on the KL divergence in {run.kl_unit}."
    yield "Loss (which stays near 0 by design), rate and memory: training.html."


def _sentence(run: OnlineRun) -> str:
    found = run.paired[-1].gain() if run.paired else None
    if found is None:
        reward = number(run.last.reward, 3)
        text = f"Mean reward {reward} in the last of {len(run.rollouts):,} rollouts"
        text += ", without held-out prompts to tell whether it rose"
    else:
        text = _gain_in_words(run.paired[-1], found)
    return f"{text}." if run.finished else f"{text}. The run is not finished: {_progress(run)}."


def _gain_in_words(pair: Paired, found: Gain) -> str:
    start = pair.start_mean(reward_of) or 0.0
    now = start + found.value
    where = f"at {found.n:,} held-out {prompts_of(found)} after {pair.now.step:,} steps"
    went = f"reward went from {start:.3f} to {now:.3f} {where}: {plus_minus(found)}"
    if found.beyond(MEASURED):
        said = went.capitalize()
    elif found.up:
        said = f"{went.capitalize()}, which is short of {MEASURED:g} standard errors"
    elif found.down:
        said = f"It got worse: {went}"
    else:
        said = f"No gain that can be told from chance: {went}"
    before, change = pair.start_mean(characters_of), pair.gain(characters_of)
    return f"{said}; responses are {_longer(before, change)}"


def _longer(before: float | None, change: Gain | None) -> str:
    if not before or change is None:
        return "of unknown length"
    share = change.value / before
    return f"{abs(share):.0%} {'longer' if share >= 0 else 'shorter'}"


def _progress(run: OnlineRun) -> str:
    most = run.recipe.get("max_steps")
    of = f" of {most:,}" if isinstance(most, int) and most > 0 else ""
    drawn = "rollout" if len(run.rollouts) == 1 else "rollouts"
    return f"{run.steps:,}{of} optimizer steps, {len(run.rollouts):,} {drawn}"


def _tiles(run: OnlineRun) -> Iterator[tuple[str, str, str]]:
    last = run.paired[-1] if run.paired else None
    if last is not None:
        found = last.gain()
        value = DASH if found is None else f"{found.value:+,.3f}"
        se = "" if found is None or found.se is None else f", \u00b1 {found.se:,.3f}"
        z = "" if found is None or found.z is None else f", z {found.z:.1f}"
        yield value, "held-out gain", f"of reward{se}{z}"
        before, change = last.start_mean(characters_of), last.gain(characters_of)
        value = f"{change.value / before:+.0%}" if before and change else DASH
        yield value, "length", "characters of the held-out answers against the start's"
    yield number(run.last.reward, 3), "reward", "mean of the last rollout"
    yield number(run.last.kl, 3), "KL", f"last rollout, {run.kl_unit}"
    share = run.last.truncated
    yield (DASH if share is None else f"{share:.0%}"), "truncated", "of the last rollout"
    yield f"{run.steps:,}", "optimizer steps", f"{len(run.rollouts):,} rollouts of responses"
    totals = [total for one in run.timing if (total := _seconds(one)) is not None]
    if totals:
        yield f"{median(totals):,.1f} s", "a rollout", "median, with the updates on it"


def _seconds(timing: Timing) -> float | None:
    known = [value for part in PARTS if (value := getattr(timing, part)) is not None]
    return sum(known) if known else None


def _notes(run: OnlineRun, seen: Sequence[Sign]) -> Iterator[str]:
    if look := worrying(seen):
        yield f"look at {', '.join(sign.name for sign in look)}: see \u201cWhat to look at\u201d"
    yield from _best(run)
    if not run.finished:
        over = run.max_kl is not None and run.last.kl is not None and run.last.kl > run.max_kl
        why = (
            "; it stopped where KL passed the bound" if over else "; the same command continues it"
        )
        yield f"this run is not finished{why}"


def _best(run: OnlineRun) -> Iterator[str]:
    """Say which evaluated step is best, and what that is worth."""
    best = run.best
    if best is None:
        if run.paired and run.max_kl is not None:
            yield f"no evaluation keeps the KL bound of {run.max_kl:g}"
        return
    found, step = best.gain(), best.now.step
    if found is None or found.value <= 0:
        yield "no evaluated step is above the start at the held-out prompts"
        return
    bound = "" if run.max_kl is None else f" within the KL bound of {run.max_kl:g}"
    kept = (run.folder / f"checkpoint-{step}").is_dir()
    where = f"checkpoint-{step}" if kept else "no checkpoint of which is there"
    yield (
        f"of {len(run.paired):,} evaluated steps {step:,} ({where}) has the highest held-out"
        f" reward{bound}: {plus_minus(found)}. It was picked on these prompts, so the figure is too"
        " high for others: they are not the test set. judge train select RUN --prompts FILE"
        " compares checkpoints on prompts of your own"
    )


def _galleries(run: OnlineRun) -> Iterator[Gallery]:
    if not run.evaluations:
        return
    prompts = list(run.evaluations[0].answers)
    some = prompts[:: -(-len(prompts) // SAMPLES)]
    yield Gallery(
        "samples", "Samples",
        f"{len(some)} of {len(prompts):,} held-out prompts, taken evenly and not by what was"
        " answered; each answer by the same draw.",
        [_sample(run, prompt) for prompt in some], False,
    )  # fmt: skip
    if run.paired:
        rose = sorted(run.paired[-1].both, key=lambda ab: (ab[0].reward or 0) - (ab[1].reward or 0))
        yield Gallery(
            "largest", "Where reward rose most",
            "Picked by the gain: where a policy that was paid for something else shows it first.",
            [_sample(run, a.prompt_id) for a, _ in rose[:LARGEST]], False,
        )  # fmt: skip


def _sample(run: OnlineRun, prompt_id: str) -> Shown:
    times = run.evaluations
    chosen = dict.fromkeys((0, len(times) // 2, len(times) - 1))
    answers = [(times[place], times[place].answers.get(prompt_id)) for place in chosen]
    versions = [_version(time.step, answer) for time, answer in answers if answer is not None]
    asked = times[0].answers[prompt_id].prompt or ()
    return Shown(prompt_id, "", prompt=asked, versions=versions)


def _version(step: int, answer: HeldOut) -> Version:
    details = [
        f"reward {number(answer.reward, 3)}" if answer.reward is not None else "no reward",
        f"{len(answer.response):,} characters",
        *(["cut"] if answer.truncated else []),
        *([f"{answer.repetition:.0%} repeated"] if answer.repetition else []),
    ]
    return Version("start" if step == 0 else f"step {step:,}", ", ".join(details), answer.response)
