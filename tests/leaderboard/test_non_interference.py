"""Non-interference: with other private answers every answer and the log are the same bytes until the reveal."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from harness.competition import Exact, Ladder, Rules, find
from tests.support.board_model import File
from tests.support.frozen import forget
from tests.support.two_worlds import compare_two_worlds, pages, play, upload_to


@pytest.fixture(autouse=True)
def a_new_process():
    yield
    forget()


def test_with_other_private_answers_no_byte_of_any_answer_is_another_before_the_reveal(home, capfd, monkeypatch):
    compare_two_worlds(home, 40, capfd, monkeypatch)


@pytest.mark.parametrize(("feedback", "roles"), [(Ladder(), ("red", "blue", "host")), (Exact(), ())])
def test_a_gain_that_a_ladder_does_not_show_is_in_no_byte_of_any_answer(home, capfd, monkeypatch, feedback, roles):
    """In the second world another answer takes red's second file its gain over the first, which is less than a step.

    Where scores are exact, the answers to the three files alone tell the worlds apart.
    """
    declared = replace(find("tiny"), rules=Rules(feedback=feedback))
    monkeypatch.setattr(sys.modules["competitions.tiny.competition"], "competition", declared)
    submitted = [
        (team, *upload_to("tiny"), {"content": File(frozenset(wrong)).content})
        for team, wrong in (("red", "abc"), ("blue", "ae"), ("red", "bc"))
    ]
    paths = dict.fromkeys([*pages("tiny", "red", "3"), *pages("tiny", "blue", "1")])
    asked = submitted + [(who, "GET", path, {}) for who in roles for path in paths]
    second = np.r_[-1.0, np.arange(1.0, 10.0)]
    worlds = [
        play(home / str(k), truth, asked, monkeypatch, capfd, ("tiny",))
        for k, truth in enumerate((np.arange(10.0), second))
    ]
    answers, printed = zip(*worlds, strict=True)
    before = [text.partition("public share of hits")[0] for text in printed]  # the last verb scores a file
    different = [ask for ask, one, other in zip(asked, *answers, strict=False) if one != other]
    assert (bool(different), before[0] != before[1]) == (feedback.exact, feedback.exact), (different, before)
    assert [status for status, _, _ in answers[0][:3]] == [201] * 3
