"""The forecast of the shake-up, and advice on finals: what they promise of seasons whose end is known."""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

import json

import numpy as np
import pytest

from harness.bootstrap import resamples as draw
from harness.competition import find
from leaderboard.answers import prepared
from leaderboard.database import open_database
from leaderboard.finals import read_choice, reveal_board
from leaderboard.forecast import ranks_of, simulated
from leaderboard.judge import judge
from leaderboard.web import boards, shake_ups
from tests.leaderboard.test_leaderboard import home  # noqa: F401
from tests.support.tiny_board import entry, run

TEAMS, PUBLIC, PRIVATE = 40, 400, 600


def season(seed):
    """Public and private scores of teams that find the same rows hard, and the resamples of the public ones."""
    chance = np.random.default_rng(seed)
    hard = chance.normal(size=PUBLIC + PRIVATE)
    skill = chance.normal(1.2, 0.12, TEAMS)
    right = hard + chance.normal(size=(TEAMS, PUBLIC + PRIVATE)) < skill[:, None] * np.sqrt(2)
    counts = np.concatenate(list(draw(None, PUBLIC, seed)))
    order = np.argsort(-right[:, :PUBLIC].mean(1), kind="stable")
    public = right[order, :PUBLIC].astype(np.float32)
    return public.mean(1), right[order, PUBLIC:].mean(1), (counts @ public.T / PUBLIC).T


def test_the_forecast_says_how_far_teams_move_and_between_which_ranks_they_end():
    inside, expected, moved = [], [], []
    for seed in range(12):
        public, private, resampled = season(seed)
        ranks = ranks_of(simulated(public, resampled, PUBLIC / PRIVATE))
        end = ranks_of(private[:, None])[:, 0]
        low, high = np.percentile(ranks, [2.5, 97.5], axis=1)
        inside.append(((low <= end) & (end <= high)).mean())
        start = np.arange(1, TEAMS + 1)
        expected.append(np.abs(ranks - start[:, None]).mean())
        moved.append(np.abs(end - start).mean())
    assert 0.9 < np.mean(inside) < 0.99
    assert np.mean(expected) == pytest.approx(np.mean(moved), rel=0.25)


def test_a_team_that_is_far_ahead_stays_first_and_one_that_is_level_may_not():
    _, _, resampled = season(1)
    ahead = np.linspace(0.5, 0.9, TEAMS)[::-1]
    assert (ranks_of(simulated(ahead, resampled, 1.0))[0] == 1).mean() > 0.4
    ahead[0] = 2.0
    assert (ranks_of(simulated(ahead, resampled, 1.0))[0] == 1).all()


def test_the_advice_names_a_safe_final_and_one_that_errs_elsewhere(home):
    judge("tiny", entry(home, wrong="ab"), "red")
    judge("tiny", entry(home, wrong="ab", by=7), "red")
    judge("tiny", entry(home, wrong="cd"), "red")
    choice = read_choice(open_database(), find("tiny"), prepared("tiny"), "red")
    first, _, other = (candidate.submission for candidate in choice.entries)
    assert choice.advice.safe == first and choice.advice.different == other
    code, out, _ = run(home, "finals", "tiny", "--team", "red")
    assert code == 0 and choice.advice.sentence[:40] in " ".join(out.split())
    code, out, _ = run(home, "finals", "tiny", "--team", "red", "--json")
    assert json.loads(out)["advice"]["different"] == other


def test_one_entry_needs_no_advice(home):
    judge("tiny", entry(home, wrong="a"), "red")
    assert read_choice(open_database(), find("tiny"), prepared("tiny"), "red").advice is None


def test_after_the_reveal_the_shake_up_shows_what_came_beside_the_same_forecast(home):
    for team, wrong in (("lucky", "ghij"), ("solid", "a"), ("third", "abcd")):
        judge("tiny", entry(home, wrong), team)
    engine, place = open_database(), boards.find_place("tiny")
    before = shake_ups.shake_up(boards.view(engine, place))
    assert [team.expected.team for team in before.teams] == ["lucky", "solid", "third"]
    assert before.came is None and {team.private for team in before.teams} == {None}
    reveal_board(engine, prepared("tiny"))
    after = shake_ups.shake_up(boards.view(engine, place))
    assert [team.expected for team in after.teams] == [team.expected for team in before.teams]
    assert [team.private for team in after.teams] == [3, 1, 2] and after.came == pytest.approx(4 / 3)
