"""Random histories of a board, played on the core and on the model; every home has its own database."""

import itertools
import os
import random
from typing import Any

from harness.competition import find
from harness.errors import UserError
from leaderboard import board, host, queue
from leaderboard.answers import prepared
from leaderboard.cli import text
from leaderboard.database import open_database
from tests.support import tiny_board
from tests.support.board_model import FINALS, File, Model

TEAMS = ("red", "blue", "green")
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


class History:
    """A board of its own, the same in every home, on which things happen at random."""

    def __init__(self, homes: list[Home], clock: Any, seed: int):
        self.homes, self.clock, self.chance = homes, clock, random.Random(seed)
        self.name, self.binding = self.chance.choice(("tiny", "darts")), self.chance.random() < 0.5
        self.model, self.data_hash = Model(self.name == "tiny", self.binding), f"{next(numbers):08x}"
        for home in homes:
            tiny_board.prepare(home.root, self.name, self.data_hash)

    def go_on(self, steps: int) -> Model:
        """Let as many things happen, and compare the board with that of the model after each; the model."""
        weights = {self.submit: 8, self.mark: 2, self.gate: 2, self.choose_finals: 3, self.new_day: 2, self.reveal: 0.5}
        for _ in range(steps):
            self.chance.choices(list(weights), list(weights.values()))[0]()
            rows, expected = self.everywhere(self.rows), self.model.board()
            assert [{name: row[name] for name in expected[0]} for row in rows] == expected
        return self.model

    def everywhere(self, ask: Any) -> Any:
        """The one answer of all homes; the refusal's sentence does not matter."""
        self.clock.tick()
        answers = []
        for home in self.homes:
            home.enter()
            try:
                answers.append(ask(home, prepared(self.name, self.data_hash)))
            except UserError as refusal:
                answers.append(getattr(refusal, "status", "refused"))
        assert all(answer == answers[0] for answer in answers), answers
        return answers[0]

    def rows(self, home, data):
        rows = text.as_json(board.read(home.engine, find(self.name), data))["rows"]
        return [{name: value for name, value in row.items() if name != "number"} for row in rows]

    def submit(self):
        team, known = self.chance.choice(TEAMS), [entry.file for entry in self.model.entries]
        wrong = frozenset(self.chance.sample("abghij", self.chance.randrange(5)))
        file = File(wrong, self.chance.choice([None, 0.5, 0.75]), broken=self.chance.random() < 0.15)
        if known and self.chance.random() < 0.2:
            file = self.chance.choice(known)

        def submit(home, data):
            manifest = {"cv": {"score": file.cv}} if file.cv else {}
            number = tiny_board.queue_file(team, file.content, self.binding, data, **manifest)
            tiny_board.score_all(home.engine)
            return STATUS[queue.read_job(home.engine, number).state]

        assert self.everywhere(submit) == self.model.submit(team, file)

    def act(self, kind, team=None):
        return self.everywhere(lambda home, data: host.act(home.engine, data, kind, "why", "eva", team))

    def mark(self):
        """Disqualify a team or mark it as the host's, or undo that."""
        team, kind = self.chance.choice(TEAMS), self.chance.choice(["disqualify", "baseline"])
        marked = self.model.disqualified if kind == "disqualify" else self.model.baselines
        undo = {"disqualify": "reinstate", "baseline": "no-baseline"}[kind]
        there = bool(self.model.of(team))
        assert (self.act(undo if team in marked else kind, team) != "refused") == there
        if there:
            marked ^= {team}

    def gate(self):
        kind = self.chance.choice([*GATES, "open", "resume", "open", "resume"])
        subject, shuts = GATES[kind]
        assert self.act(kind) != "refused"
        (self.model.shut.add if shuts else self.model.shut.discard)(subject)

    def reveal(self):
        there = bool(self.model.entries)
        answer = self.everywhere(lambda home, data: host.reveal_board(home.engine, data, "eva"))
        assert (answer != "refused") == there
        self.model.revealed |= there

    def choose_finals(self):
        if not self.model.entries:
            return
        team = self.chance.choice(self.model.entries).team
        own = [entry.file.sha256 for entry in self.model.of(team)]
        names = self.chance.sample(own, self.chance.randint(1, min(len(own), FINALS + 1)))
        answer = self.everywhere(lambda home, data: host.select_finals(home.engine, find(self.name), data, team, names))
        refused = self.model.revealed or len(names) > FINALS
        assert (answer == "refused") == refused
        if not refused:
            self.model.finals[team] = set(names)

    def new_day(self):
        self.clock.midnight()
        self.model.day += 1
