"""Any history of a competition leaves the board that forty lines say, the same bytes on SQLite and on PostgreSQL."""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

import itertools
import json
import os

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from leaderboard import teams
from leaderboard.database import open_database
from tests.leaderboard.test_leaderboard import home  # noqa: F401
from tests.support import postgres, tiny_board
from tests.support.board_model import FINALS, File, Model
from tests.support.frozen import Clock, hold
from tests.support.served import client_of

TEAMS = ("red", "blue", "green")
FILES = st.builds(
    File,
    wrong=st.frozensets(st.sampled_from("abghij"), max_size=4),
    cv=st.sampled_from([None, 0.5, 0.75]),
    broken=st.sampled_from([False] * 5 + [True]),
)
GATES = {"close": ("closed", True), "open": ("closed", False), "pause": ("paused", True), "resume": ("paused", False)}
numbers = itertools.count()


class Server:
    """A home with its own database, and two doors to it: a team's server, and the local mode of one user."""

    def __init__(self, home, url=None):
        self.home, self.url, self.tokens = home, url, {}
        self.here()
        engine = open_database()
        for team in TEAMS:
            teams.create_team(engine, team)
            self.tokens[team] = {"authorization": f"Bearer {teams.issue_token(engine, f'of {team}', team)}"}
        self.tokens["host"] = {"authorization": f"Bearer {teams.issue_token(engine, 'eva', None, 'host')}"}
        self.doors = {binding: client_of(team_mode=binding) for binding in (True, False)}

    def here(self):
        """From now on this home is the one that is served."""
        os.environ["HARNESS_HOME"] = str(self.home)
        os.environ.pop("DATABASE_URL", None)
        if self.url:
            os.environ["DATABASE_URL"] = self.url

    def ask(self, binding, who, method, path, **more):
        self.here()
        headers = self.tokens[who] if binding else {}
        return self.doors[binding].request(method, path, headers=headers, **more)


def machine(servers, clock):
    """The class of the histories; all of them on boards of their own."""

    class Histories(RuleBasedStateMachine):
        @initialize(name=st.sampled_from(["tiny", "darts"]), binding=st.booleans())
        def begin(self, name, binding):
            self.name, self.data_hash = name, f"{next(numbers):08x}"
            self.model, self.binding = Model(name == "tiny", binding), binding
            for server in servers:
                tiny_board.prepare(server.home, name, self.data_hash)

        def ask(self, who, method, path, **more):
            """The one answer of all servers."""
            clock.tick()
            params = {"data": self.data_hash, **more.pop("params", {})}
            told = [server.ask(self.binding, who, method, path, params=params, **more) for server in servers]
            assert len({answer.status_code for answer in told}) == 1, [answer.text for answer in told]
            return told

        def status(self, *how, **more):
            return self.ask(*how, **more)[0].status_code

        @rule(team=st.sampled_from(TEAMS), file=FILES)
        def hand_in(self, team, file):
            card = json.dumps({"cv": {"score": file.cv}}).encode() if file.cv else b""
            told = self.status(
                *(team, "POST", f"/api/competitions/{self.name}/submissions"),
                params={"team": team, "card": len(card)},
                content=card + file.content,
            )
            assert told == self.model.hand_in(team, file)

        @precondition(lambda self: self.model.entries)
        @rule(team=st.sampled_from(TEAMS), data=st.data())
        def hand_in_again(self, team, data):
            self.hand_in(team, data.draw(st.sampled_from(self.model.entries)).file)

        @rule(team=st.sampled_from(TEAMS), kind=st.sampled_from(["disqualify", "reinstate", "baseline", "no-baseline"]))
        def word_on_a_team(self, team, kind):
            there = bool(self.model.of(team))
            assert self.say(kind=kind, team=team, said="why") == (303 if there else 400)
            which = self.model.disqualified if kind in ("disqualify", "reinstate") else self.model.baselines
            if there:
                (which.add if kind in ("disqualify", "baseline") else which.discard)(team)

        @rule(kind=st.sampled_from([*GATES, "open", "resume"]))
        def open_and_close(self, kind):
            assert self.say(kind=kind) == 303
            subject, holds = GATES[kind]
            (self.model.shut.add if holds else self.model.shut.discard)(subject)

        @precondition(lambda self: len(self.model.entries) != 1)
        @rule()
        def reveal(self):
            there = bool(self.model.entries)
            assert self.say(kind="reveal", sure="on") == (303 if there else 400)
            self.model.revealed |= there

        @precondition(lambda self: self.model.entries)
        @rule(data=st.data())
        def choose_finals(self, data):
            team = data.draw(st.sampled_from(self.model.entries)).team
            own = [entry.file.sha256 for entry in self.model.of(team)]
            names = data.draw(st.lists(st.sampled_from(own), min_size=1, max_size=FINALS + 1, unique=True))
            path, params = f"/api/competitions/{self.name}/finals", {"team": team, "entry": names}
            told = self.status(team, "PUT", path, params=params)
            refused = self.model.revealed or len(names) > FINALS
            assert told == (400 if refused else 200)
            if not refused:
                self.model.finals[team] = set(names)

        @rule()
        def a_new_day(self):
            clock.midnight()
            self.model.day += 1

        def say(self, **form):
            return self.status("host", "POST", f"/c/{self.name}/host", data=form)

        @invariant()
        def the_board_is_that_of_the_model(self):
            told = [answer.json() for answer in self.ask("host", "GET", f"/api/competitions/{self.name}/board")]
            for row in (row for board in told for row in board["rows"]):
                del row["number"]  # the database's own
            assert all(board == told[0] for board in told)
            expected = self.model.board()
            assert [{name: row[name] for name in expected[0]} for row in told[0]["rows"]] == expected

    return Histories


@pytest.fixture
def clock(monkeypatch):
    return hold(monkeypatch, Clock())


def test_a_short_history_leaves_the_board_of_the_model(home, clock):
    """Where it fails, the long one finds a short history."""
    how = settings(max_examples=5, stateful_step_count=12, deadline=None, derandomize=True, phases=[Phase.generate])
    run_state_machine_as_test(machine([Server(home)], clock), settings=how)


@pytest.mark.soak
def test_every_history_leaves_the_board_of_the_model_on_sqlite_and_on_postgresql(home, tmp_path, clock, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "")
    other = tmp_path / "other"
    other.mkdir()
    with postgres.running() as running:
        servers = [Server(home), Server(tiny_board.make(other), running.create("board"))]
        how = settings(max_examples=40, stateful_step_count=40, deadline=None)
        run_state_machine_as_test(machine(servers, clock), settings=how)
        for server in servers:
            server.doors[True].app.state.settings.engine.dispose()
