"""Random histories of a board, played on the core and on the model; every home has its own database."""

import itertools
import os
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from harness.competition import find
from harness.errors import UserError
from leaderboard import board, host, queue
from leaderboard.answers import prepared
from leaderboard.cli import text
from leaderboard.database import open_database
from leaderboard.queue import Refusal
from tests.support import tiny_board
from tests.support.board_model import FINALS, File, Model

TEAMS = ("red", "blue", "green")
FILES = st.builds(
    File,
    wrong=st.frozensets(st.sampled_from("abghij"), max_size=4),
    cv=st.sampled_from([None, 0.5, 0.75]),
    broken=st.sampled_from([False] * 5 + [True]),
)
GATES = {"close": ("closed", True), "open": ("closed", False), "pause": ("paused", True), "resume": ("paused", False)}
STATUS = {"scored": 201, "refused": 422}
numbers = itertools.count()


class Home:
    """A home with its own database, SQLite or the one at `url`."""

    def __init__(self, root: Any, url: str | None = None):
        self.root, self.url = root, url
        self.enter()
        self.engine = open_database()

    def enter(self) -> None:
        """From now on this home is the one that is used."""
        os.environ.pop("DATABASE_URL", None)
        os.environ["HARNESS_HOME"] = str(self.root)
        if self.url:
            os.environ["DATABASE_URL"] = self.url

    def submit(self, name: str, data_hash: str, team: str, file: File, binding: bool) -> int:
        """The HTTP status that a server would answer with."""
        self.enter()
        manifest = {"cv": {"score": file.cv}} if file.cv else {}
        try:
            number = tiny_board.queue_file(team, file.content, binding, prepared(name, data_hash), **manifest)
        except Refusal as refusal:
            return refusal.status
        tiny_board.score_all(self.engine)
        found = queue.read_job(self.engine, number)
        assert found is not None
        return STATUS[found.state]


def machine(homes: list[Home], clock: Any) -> type[RuleBasedStateMachine]:
    """The class of the histories; all of them on boards of their own, the same in every home."""

    class Histories(RuleBasedStateMachine):
        @initialize(name=st.sampled_from(["tiny", "darts"]), binding=st.booleans())
        def begin(self, name, binding):
            self.name, self.data_hash = name, f"{next(numbers):08x}"
            self.model, self.binding = Model(name == "tiny", binding), binding
            for home in homes:
                tiny_board.prepare(home.root, name, self.data_hash)

        def everywhere(self, ask):
            """The one answer of all homes; the refusal's sentence does not matter."""
            clock.tick()
            answers = []
            for home in homes:
                home.enter()
                try:
                    answers.append(ask(home))
                except UserError:
                    answers.append("refused")
            assert all(answer == answers[0] for answer in answers), answers
            return answers[0]

        def act(self, kind, reason="", team=None):
            return self.everywhere(
                lambda home: host.act(home.engine, prepared(self.name, self.data_hash), kind, reason, "eva", team)
            )

        @rule(team=st.sampled_from(TEAMS), file=FILES)
        def submit(self, team, file):
            status = self.everywhere(lambda home: home.submit(self.name, self.data_hash, team, file, self.binding))
            assert status == self.model.submit(team, file)

        @precondition(lambda self: self.model.entries)
        @rule(team=st.sampled_from(TEAMS), data=st.data())
        def submit_again(self, team, data):
            self.submit(team, data.draw(st.sampled_from(self.model.entries)).file)

        @rule(team=st.sampled_from(TEAMS), kind=st.sampled_from(["disqualify", "reinstate", "baseline", "no-baseline"]))
        def act_on_a_team(self, team, kind):
            there = bool(self.model.of(team))
            assert (self.act(kind, "why", team) != "refused") == there
            which = self.model.disqualified if kind in ("disqualify", "reinstate") else self.model.baselines
            if there:
                (which.add if kind in ("disqualify", "baseline") else which.discard)(team)

        @rule(kind=st.sampled_from([*GATES, "open", "resume"]))
        def open_and_close(self, kind):
            assert self.act(kind) != "refused"
            subject, holds = GATES[kind]
            (self.model.shut.add if holds else self.model.shut.discard)(subject)

        @precondition(lambda self: len(self.model.entries) != 1)
        @rule()
        def reveal(self):
            there = bool(self.model.entries)
            answer = self.everywhere(
                lambda home: host.reveal_board(home.engine, prepared(self.name, self.data_hash), "eva")
            )
            assert (answer != "refused") == there
            self.model.revealed |= there

        @precondition(lambda self: self.model.entries)
        @rule(data=st.data())
        def choose_finals(self, data):
            team = data.draw(st.sampled_from(self.model.entries)).team
            own = [entry.file.sha256 for entry in self.model.of(team)]
            names = data.draw(st.lists(st.sampled_from(own), min_size=1, max_size=FINALS + 1, unique=True))
            declared = find(self.name)
            answer = self.everywhere(
                lambda home: host.select_finals(home.engine, declared, prepared(self.name, self.data_hash), team, names)
            )
            refused = self.model.revealed or len(names) > FINALS
            assert (answer == "refused") == refused
            if not refused:
                self.model.finals[team] = set(names)

        @rule()
        def a_new_day(self):
            clock.midnight()
            self.model.day += 1

        @invariant()
        def the_board_is_that_of_the_model(self):
            rows = self.everywhere(self.rows)
            expected = self.model.board()
            assert [{name: row[name] for name in expected[0]} for row in rows] == expected

        def rows(self, home):
            found = text.as_json(board.read(home.engine, find(self.name), prepared(self.name, self.data_hash)))["rows"]
            return [{name: value for name, value in row.items() if name != "number"} for row in found]

    return Histories
