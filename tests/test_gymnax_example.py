"""The example that trains on an environment of gymnax: its rewards are a loss, and a policy learns from them."""

import runpy

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest

import lossdsl as ld

pytest.importorskip("gymnax")


@pytest.fixture(scope="module")
def example():
    return runpy.run_path("examples/train_gymnax.py")


def test_the_rewards_are_minus_the_loss_of_what_was_played(example):
    """And the stream has seen what the loss of the whole episodes sees."""
    loss = ld.compile(example["LOSS"], example["STATES"])
    policy = example["Policy"](jr.key(0))
    episode, states, values = eqx.filter_jit(example["play"])(policy, loss, jr.key(1), 5)
    assert states.theta.shape == (5, 201) and episode.reward.shape == (5, 200)
    whole = loss(states)
    for label, value in whole.items():
        np.testing.assert_allclose(values[label], value, rtol=1e-5)
    np.testing.assert_allclose(episode.reward.sum(axis=1), -loss.per_trial(states).total, rtol=1e-4)
    # The first state after the initial one is that of the action that was taken there.
    torque = np.clip(2 * episode.action[:, 0], -2, 2)
    np.testing.assert_allclose(states.last_u[:, 1], torque, rtol=1e-6)
    # What is known at the end only is a reward of the last step.
    last = np.asarray(1 - np.cos(states.theta[:, -1]))
    jump = episode.reward[:, -1] + 0.1 * last + 0.002 * states.theta_dot[:, -1] ** 2 + 0.01 * states.last_u[:, -1] ** 2
    np.testing.assert_allclose(jump, -2 * last, rtol=1e-3, atol=1e-3)


def test_advantages_are_sums_of_discounted_errors(example):
    """Against the sum written out."""
    policy = example["Policy"](jr.key(0))
    rng = np.random.default_rng(0)
    given = {"seen": rng.normal(size=(2, 6, 4)), "action": rng.normal(size=(2, 6)), "reward": rng.normal(size=(2, 6))}
    episode = example["Episode"](**{name: np.float32(value) for name, value in given.items()})
    found = example["advantages"](policy, episode, discount=0.9, decay=0.5)
    value = np.asarray(jax.vmap(jax.vmap(policy.critic))(episode.seen))
    after = np.concatenate([value[:, 1:], np.zeros((2, 1))], axis=1)
    error = 0.2 * episode.reward + 0.9 * after - value
    wanted = [[sum(0.45 ** (k - t) * row[k] for k in range(t, 6)) for t in range(6)] for row in error]
    np.testing.assert_allclose(found["return"], wanted + value, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["advantage"], (wanted - np.mean(wanted)) / np.std(wanted), rtol=1e-3, atol=1e-4)


def test_a_policy_learns_to_swing_up(example, tmp_path, capsys):
    example["main"](iterations=32, episodes=48, out=tmp_path)
    shown = capsys.readouterr().out
    before, after = (float(line.split()[1]) for line in shown.splitlines() if line.startswith("total"))
    assert after < before / 3
    assert (tmp_path / "gymnax.png").stat().st_size > 10_000
