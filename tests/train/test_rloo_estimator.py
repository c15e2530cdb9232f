"""The estimator of REINFORCE with a leave-one-out baseline, against gradients that are known."""

from __future__ import annotations

import math

import pytest
import torch

from judge.train.align.online.estimator import divergences, leave_one_out, losses

DRAWS = 10_000


def test_the_baseline_is_the_mean_of_the_others() -> None:
    rewards = torch.tensor([[1.0, 2.0, 6.0, 3.0]])
    advantages, counted = leave_one_out(rewards, torch.ones(1, 4, dtype=torch.bool))
    assert advantages.tolist() == [pytest.approx([1 - 11 / 3, 2 - 10 / 3, 6 - 2.0, 3 - 3.0])]
    assert counted.all()
    assert advantages.sum().item() == pytest.approx(0)


def test_a_response_that_does_not_count_is_as_if_it_had_not_been_drawn() -> None:
    rewards = torch.tensor([[1.0, math.inf, 6.0, math.nan], [5.0, math.nan, math.nan, math.nan]])
    advantages, counted = leave_one_out(rewards, rewards.isfinite())
    assert advantages.tolist() == [[-5.0, 0.0, 5.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    assert counted.tolist() == [[True, False, True, False], [False] * 4]


def test_both_divergences_by_hand() -> None:
    of = torch.tensor([0, 0, 1, 1, 1])
    found = divergences(
        torch.tensor([-1.0, -2.0, -1.0, -1.0, -4.0]),
        torch.tensor([-2.0, -1.0, -1.0, -3.0, -3.0]),
        of,
        2,
    )
    assert found["sum"].tolist() == [0.0, 1.0]
    assert found["mean_absolute"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("how", "expected"), [("sum", [-2.0, -2.0, 3.0]), ("mean", [-1, -1, 3])])
def test_the_gradient_of_a_response_s_loss(how: str, expected: list[float]) -> None:
    """Down for what earned more than the others: the tokens share it, or each has all of it."""
    log_probs = torch.tensor([-1.0, -2.0, -0.5], requires_grad=True)
    of = torch.tensor([0, 0, 1])
    losses(log_probs, of, torch.tensor([2.0, -3.0]), how).sum().backward()  # type: ignore[arg-type]
    assert log_probs.grad is not None
    assert log_probs.grad.tolist() == pytest.approx(expected)


def _gradients(rewards: torch.Tensor, baseline: bool) -> torch.Tensor:
    """Return the estimate of each of many groups of 4 draws of a policy of two tokens.

    Args:
        rewards: of either token, ``[2]``.
    """
    logit = torch.tensor(0.4, dtype=torch.float64)
    chance = torch.sigmoid(logit)
    generator = torch.Generator().manual_seed(11)
    drawn = torch.rand(DRAWS, 4, generator=generator, dtype=torch.float64) < chance
    earned = torch.where(drawn, rewards[1], rewards[0])
    if baseline:
        earned, _ = leave_one_out(earned, torch.ones_like(drawn))
    # d log p / d logit: 1 - p for the one token, -p for the other. The loss goes down.
    slope = torch.where(drawn, 1 - chance, -chance)
    logits = logit.expand(DRAWS, 4).clone().requires_grad_()
    log_probs = torch.where(
        drawn, torch.nn.functional.logsigmoid(logits), torch.nn.functional.logsigmoid(-logits)
    )
    of = torch.arange(4 * DRAWS)
    losses(log_probs.flatten(), of, earned.flatten(), "sum").sum().backward()
    assert logits.grad is not None
    assert torch.allclose(-logits.grad, earned * slope)
    return -logits.grad.mean(1)


def test_the_estimate_s_mean_is_the_exact_gradient_and_the_baseline_takes_variance_away() -> None:
    """E[r] = p r1 + (1 - p) r0, whose derivative by the logit is p (1 - p) (r1 - r0)."""
    rewards = torch.tensor([3.0, 5.0], dtype=torch.float64)
    chance = torch.sigmoid(torch.tensor(0.4, dtype=torch.float64))
    exact = (chance * (1 - chance) * (rewards[1] - rewards[0])).item()
    variances = {}
    for baseline in (False, True):
        found = _gradients(rewards, baseline)
        error = found.std().item() / math.sqrt(DRAWS)
        assert abs(found.mean().item() - exact) < 4 * error
        assert error < 0.02
        variances[baseline] = found.var().item()
    assert variances[True] < variances[False] / 4
