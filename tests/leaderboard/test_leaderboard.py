"""The board: what is ranked, what is shown, what is refused. Expected values are by hand, see `tiny_board`."""
# ruff: noqa: F811 (other tests find the fixture `home` here for now)

import json
import random

import numpy as np
import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.exc import IntegrityError

from harness.bootstrap import Interval
from harness.competition import find
from harness.errors import InvalidSubmission, UserError
from leaderboard import board, scoring, words
from leaderboard.answers import prepared
from leaderboard.database import open_database, reading, writing
from leaderboard.finals import read_choice, reveal_board, select_finals
from leaderboard.judge import judge
from leaderboard.tables import scores
from tests.leaderboard.conftest import home  # noqa: F401 (others find it here)
from tests.support import tiny_board
from tests.support.tiny_board import call, entry, printed, shown

# -- ranking -----------------------------------------------------------------------------------------------------------


def some_entry(number, team, public, private=None, received_at="2026-01-01"):
    score = Interval(public, public, public)
    return board.Entry(number, team, f"{number:064}", received_at, None, score, private and Interval(private, 0, 0))


def beats(a, b, higher):
    """The rule of the board, for two entries."""
    if a.public.score != b.public.score:
        return (a.public.score > b.public.score) == higher
    return a.id < b.id


@pytest.mark.parametrize("higher", [True, False])
def test_the_best_entry_of_a_team_counts_and_the_earlier_of_equal_ones_is_ahead(higher):
    chance = random.Random(0)
    for _ in range(300):
        entries = [
            some_entry(k, chance.choice("rgb"), chance.choice([0.1, 0.5, 0.9])) for k in range(chance.randrange(9))
        ]
        chance.shuffle(entries)
        best = [e for e in entries if not any(beats(o, e, higher) for o in entries if o.team == e.team)]
        places = {sum(beats(o, e, higher) for o in best): e for e in best}
        assert board.rank(entries, board.public_score, higher) == [places[k] for k in range(len(best))]


def test_in_the_end_the_selected_finals_count_and_the_best_public_one_of_a_team_without():
    entries = [
        some_entry(1, "red", public=0.9, private=0.5),
        some_entry(2, "red", public=0.7, private=0.8),
        some_entry(3, "blue", public=0.6, private=0.7),
        some_entry(4, "blue", public=0.5, private=0.95),
    ]
    without = board.rank_finals(entries, {}, "2026-02-01", higher_is_better=True)
    chosen = board.rank_finals(entries, {"red": {1, 2}, "blue": {4}}, "2026-02-01", higher_is_better=True)
    assert [e.id for e in without] == [3, 1]
    assert [e.id for e in chosen] == [4, 2]


def test_an_entry_after_the_reveal_does_not_replace_one_that_came_before():
    entries = [
        some_entry(1, "red", public=0.5, private=0.5),
        some_entry(2, "red", public=0.9, private=0.9, received_at="2026-03-01"),
        some_entry(3, "blue", public=0.4, private=0.4, received_at="2026-03-01"),
    ]
    assert [e.id for e in board.rank_finals(entries, {}, "2026-02-01", higher_is_better=True)] == [1, 3]


# -- scoring -----------------------------------------------------------------------------------------------------------


def test_public_and_private_score_are_the_metric_of_their_rows(home):
    verdict = judge("tiny", entry(home, wrong="ag"), "red")  # a is public, g is private
    with reading(open_database()) as connection:
        stored = dict(connection.execute(select(scores.c.part, scores.c.value)).all())
    assert stored == {"public": 5 / 6, "private": 3 / 4}
    assert (verdict.public, verdict.rank, verdict.teams, verdict.entries_today) == (5 / 6, 1, 1, 1)


def test_where_lower_scores_win_the_lower_one_is_ahead(home):
    judge("darts", entry(home, wrong="abc", by=6), "far")  # 3 of 6 public rows off by 6
    judge("darts", entry(home, wrong="abc", by=2), "near")
    assert [(row.team, row.score) for row in shown("darts").rows] == [("near", 1.0), ("far", 3.0)]


def test_a_lead_that_the_choice_of_rows_could_have_made_is_a_tie(home):
    # One of six rows: a resample leaves it out with probability (5/6)^6 = 0.33, so the lower bound is 0.
    judge("tiny", entry(home), "red")
    judge("tiny", entry(home, wrong="a"), "blue")
    assert [(row.team, row.tied) for row in shown().rows] == [("red", False), ("blue", True)]
    assert words.standing(shown()).startswith("red and blue cannot be told apart")


def test_a_lead_on_every_row_is_none(home):
    judge("tiny", entry(home), "red")
    judge("tiny", entry(home, wrong="abcdef"), "blue")
    assert [row.tied for row in shown().rows] == [False, False]
    assert "red leads blue by 1.000 (95 %: 1.000 to 1.000), and that is more than noise" in words.standing(shown())


def test_a_chain_of_ties_does_not_make_its_ends_equal(home):
    # 6, 4 and 2 hits: neighbours differ in 2 rows, which (4/6)^6 = 0.09 of the resamples leave out; the ends in 4,
    # which (2/6)^6 = 0.001 leave out.
    for team, wrong in (("red", ""), ("green", "ab"), ("blue", "abcd")):
        judge("tiny", entry(home, wrong), team)
    assert [row.tied for row in shown().rows] == [False, True, True]
    assert shown().leaders == 2


def test_the_same_file_twice_is_one_entry(home):
    judge("tiny", entry(home), "red")
    again = judge("tiny", entry(home, name="copy"), "red")
    assert again.accepted and again.entries_today == 1 and "counts once" in again.message
    assert [row.entries for row in shown().rows] == [1]


def test_the_same_file_of_another_team_is_told(home):
    judge("tiny", entry(home), "red")
    assert "the same file is there from red" in judge("tiny", entry(home), "blue").message
    assert [row.same_file_as for row in shown().rows] == [None, "red"]


def test_the_sixth_entry_of_a_day_is_told_and_not_refused(home):
    verdicts = [judge("tiny", entry(home, wrong), "red") for wrong in ("a", "b", "c", "d", "e", "f")]
    assert verdicts[-1].accepted and verdicts[-1].entries_today == 6
    assert "entry 6 of 5 today: over the limit of the rules" in verdicts[-1].message
    assert "entry 5 of 5 today" in verdicts[4].message and "over" not in verdicts[4].message


def test_a_refused_file_costs_no_entry(home):
    file = entry(home)
    file.write_text(file.read_text().replace("b,1", "a,1"))
    with pytest.raises(InvalidSubmission, match="line 3: id 'a' stands here a second time"):
        judge("tiny", file, "red")
    assert judge("tiny", entry(home), "red").entries_today == 1


def test_a_file_without_any_id_of_the_competition_is_of_another_one(home):
    file = entry(home)
    file.write_text("id,value\n7,0\n8,1\n")
    with pytest.raises(InvalidSubmission, match="none of the ids is one of the 10 asked for in tiny"):
        judge("tiny", file, "red")


@pytest.mark.parametrize(
    ("card", "sentence"),
    [
        ({"competition": "darts"}, "was made for darts, and this is tiny"),
        ({"data_hash": "bbbb2222"}, "was made on the data bbbb2222.*add --data bbbb2222"),
        (["no", "object"], "is no card"),
        ({"cv": {"score": float("nan")}}, "is no card"),
    ],
)
def test_a_card_that_belongs_elsewhere_or_is_none_is_refused(home, card, sentence):
    with pytest.raises(InvalidSubmission, match=sentence):
        judge("tiny", entry(home, card=card), "red")


def test_the_cv_on_the_board_is_what_the_card_claims(home):
    judge("tiny", entry(home, card={"cv": {"score": 0.75}}), "red")
    judge("tiny", entry(home, wrong="a", name="by_hand"), "blue")
    assert [row.cv for row in shown().rows] == [0.75, None]


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_is_refused(home, monkeypatch, score):
    monkeypatch.setattr(scoring, "interval", lambda *_: Interval(score, 0, 1))
    with pytest.raises(InvalidSubmission, match="share of hits of this file is not a finite number"):
        judge("tiny", entry(home), "red")
    assert shown().rows == []


def test_scores_on_other_data_stand_on_another_board(home):
    judge("tiny", entry(home), "red")
    tiny_board.prepare(home, "tiny", "bbbb2222", answers=np.zeros(10))
    judge("tiny", entry(home), "red")  # the data prepared last
    assert [(row.score, row.entries) for row in shown().rows] == [(1 / 6, 1)]
    assert [(row.score, row.entries) for row in shown(data_hash="aaaa").rows] == [(1.0, 1)]


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, "a\nb", "\x1b[31mred", "a\u200bb", "\u202eder"])
def test_a_team_name_that_cannot_be_printed_is_refused(home, name):
    with pytest.raises(UserError, match="is no team name"):
        judge("tiny", entry(home), name)


# -- private until the reveal ------------------------------------------------------------------------------------------


def test_private_scores_are_not_even_looked_at_before_the_reveal(home):
    judge("tiny", entry(home), "red")
    judge("tiny", entry(home, wrong="g"), "blue")
    engine, asked = open_database(), []
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append(str(call[3])))
    assert [row.private for row in board.read(engine, find("tiny"), prepared("tiny")).rows] == [None, None]
    assert any("public" in values for values in asked) and not any("private" in values for values in asked)


def test_after_the_reveal_the_private_score_ranks_and_is_tied_by_private_rows(home):
    judge("tiny", entry(home, wrong="ghij"), "lucky")  # public 1, private 0
    judge("tiny", entry(home, wrong="abcdef"), "solid")  # public 0, private 1
    assert [row.team for row in shown().rows] == ["lucky", "solid"]
    reveal_board(open_database(), prepared("tiny"))
    assert [(row.team, row.private, row.tied) for row in shown().rows] == [("solid", 1.0, False), ("lucky", 0.0, False)]


def test_swapped_private_answers_change_no_byte_before_the_reveal(home):
    def told():
        verdict = judge("tiny", entry(home, wrong="bh"), "red")
        return verdict.message, printed().replace(shown().rows[0].submitted_at[:16].replace("T", " "), "")

    before = told()
    for file in home.glob("leaderboard.db*"):
        file.unlink()
    tiny_board.prepare(home, "tiny", "aaaa1111", answers=np.array([0, 1, 2, 3, 4, 5, -1, -1, -1, -1.0]))
    assert told() == before


def test_a_team_names_its_finals_until_the_reveal_and_the_last_choice_counts(home):
    engine, declared, data = open_database(), find("tiny"), prepared("tiny")
    first = judge("tiny", entry(home), "red").submission
    second = judge("tiny", entry(home, wrong="a"), "red").submission
    select_finals(engine, declared, data, "red", [first, second])
    select_finals(engine, declared, data, "red", [second[:6]])
    choice = read_choice(engine, declared, data, "red")
    assert choice.finals == [second] and [candidate.private for candidate in choice.entries] == [None, None]
    reveal_board(engine, data)
    assert [(row.submission, row.private) for row in shown().rows] == [(second, 1.0)]
    with pytest.raises(UserError, match="finals can no longer be chosen"):
        select_finals(engine, declared, data, "red", [first])


def test_finals_of_another_team_or_too_many_of_them_are_refused(home):
    engine, declared, data = open_database(), find("tiny"), prepared("tiny")
    names = [judge("tiny", entry(home, wrong), "red").submission for wrong in ("a", "b", "c")]
    with pytest.raises(UserError, match="3 finals are too many; the rules of tiny allow 2"):
        select_finals(engine, declared, data, "red", names)
    with pytest.raises(UserError, match="names 0 entries of blue"):
        select_finals(engine, declared, data, "blue", names[:1])


# -- what cannot be changed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["submissions", "scores", "shown", "versions", "ledger", "selections", "finals", "reveals"]
)
@pytest.mark.parametrize(
    "change", ["UPDATE {} SET rowid = rowid", "DELETE FROM {}", "INSERT OR REPLACE INTO {0} SELECT * FROM {0}"]
)
def test_what_is_written_is_never_changed(home, name, change):
    engine, data = open_database(), prepared("tiny")
    judged = judge("tiny", entry(home), "red")
    select_finals(engine, find("tiny"), data, "red", [judged.submission])
    reveal_board(engine, data)
    with pytest.raises(IntegrityError, match="are never changed"), writing(engine) as connection:
        connection.exec_driver_sql(change.format(name))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), None, "0.5x", 1e301])
def test_the_database_takes_no_score_that_is_not_a_finite_number(home, value):
    judge("tiny", entry(home), "red")
    row = {"submission": 1, "metric": "m", "version": 1, "part": "public", "low": 0.0, "high": 1.0}
    with pytest.raises(Exception, match=r"constraint failed|could not convert"), writing(open_database()) as connection:
        connection.execute(insert(scores).values(value=value, **row))


# -- shown -------------------------------------------------------------------------------------------------------------


def test_scores_that_differ_look_different():
    assert words.decimals_for([0.5, 0.5]) == 3
    assert words.decimals_for([0.50001, 0.50002]) == 5
    assert words.decimals_for([-0.0004, 0.0]) == 4


def test_an_empty_board_says_how_to_make_an_entry(home):
    assert "No entries yet: `make submit COMP=tiny` makes the first one." in printed()


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_shows_ties_and_team_names_as_they_are(home, width):
    judge("tiny", entry(home), "[bold]x[/]")
    judge("tiny", entry(home, wrong="a"), "blue")
    text = printed(width)
    assert "[bold]x[/]" in text and "=2" in text and "higher is better" in text and "aaaa1111 from sample" in text
    assert max(map(len, text.splitlines())) <= width


# -- the command line --------------------------------------------------------------------------------------------------


def test_a_board_of_few_groups_says_that_its_intervals_are_too_narrow(home, monkeypatch):
    said = "The public scores rest on 6 independent groups of rows; intervals of so few are too narrow."
    assert said not in words.notes(shown())  # nobody is on it
    judge("tiny", entry(home, wrong="a"), "red")
    assert said in words.notes(shown())
    assert said in " ".join(printed().split())
    reveal_board(open_database(), prepared("tiny"))
    assert "The private scores rest on 4" in " ".join(words.notes(shown()))
    monkeypatch.setattr(words, "FEW_GROUPS", 4)
    assert not words.notes(shown())


def test_score_and_board_print_one_json_object(home, capsys, monkeypatch):
    code, out, err = call(capsys, monkeypatch, "score", "tiny", entry(home, wrong="a"), "--team", "red", "--json")
    verdict = json.loads(out)
    assert (code, err) == (0, "") and (verdict["accepted"], verdict["public"], verdict["rank"]) == (True, 5 / 6, 1)
    assert verdict["interval"]["score"] == 5 / 6
    code, out, err = call(capsys, monkeypatch, "board", "tiny", "--json")
    assert (code, err) == (0, "") and {"competition", "data_hash", "metric", "higher_is_better", "rows"} <= set(
        json.loads(out)
    )
    asked = {"rank", "tied", "team", "score", "low", "high", "private", "cv", "entries", "submitted_at"}
    assert asked <= set(json.loads(out)["rows"][0])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["score", "tiny", "nowhere.csv"], "nowhere.csv does not exist"),
        (["score", "tyni", "nowhere.csv"], "did you mean tiny?"),
        (["board", "tiny", "--data", "ffff"], "names 0 of the data of tiny: aaaa1111"),
        (["board", "tiny", "--reveal"], "there is nothing to reveal"),
        (["board"], "Missing argument"),
        (["board", "tiny", "--worst"], "No such option"),
    ],
)
def test_a_wrong_input_is_one_sentence_and_exit_code_2(home, capsys, monkeypatch, arguments, sentence):
    code, out, err = call(capsys, monkeypatch, *arguments, "--json")
    assert code == 2 and sentence in err and "Traceback" not in err and err.count("\n") == 1
    assert sentence in json.loads(out)["error"]


def test_a_competition_without_prepared_data_says_what_to_run(home, capsys, monkeypatch):
    (home / "data" / "tiny" / "aaaa1111" / "private" / "answers.npz").unlink()
    code, _, err = call(capsys, monkeypatch, "board", "tiny")
    assert code == 2 and "make data COMP=tiny" in err


def test_the_user_is_the_team_by_default(home, capsys, monkeypatch):
    monkeypatch.setenv("LOGNAME", "ada")
    call(capsys, monkeypatch, "score", "tiny", entry(home))
    assert [row.team for row in shown().rows] == ["ada"]


IMPORTS = """
import sys
sys.argv = {argv}
from leaderboard.__main__ import main
code = main()
print(*sys.modules)
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("argv", "never"),
    [
        (["leaderboard", "--help"], {"numpy", "pandas", "torch", "sqlalchemy"}),
        (["leaderboard", "board", "tiny"], {"pandas", "torch"}),
    ],
)
def test_help_and_board_import_nothing_heavy(home, argv, never):
    process = tiny_board.python(home, "-c", IMPORTS.format(argv=argv))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert not never & set(out.split())
