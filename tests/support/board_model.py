"""The rules of the board, written once more and shorter: what any history must leave on it. Knows nothing of ours."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

IDS, PUBLIC, PER_DAY, FINALS = "abcdefghij", 6, 5, 2


class File(NamedTuple):
    """Predictions that are right but for the ids in `wrong`, which are off by 100; broken: it is not a valid file."""

    wrong: frozenset[str]
    cv: float | None = None
    broken: bool = False

    @property
    def content(self) -> bytes:
        rows = [f"{name},{k + 100 * (name in self.wrong)}" for k, name in enumerate(IDS)]
        return "\n".join(["id,value", *rows, *rows[: self.broken], ""]).encode()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def score(self, ids: str, higher: bool) -> float:
        wrong = len(self.wrong & set(ids))
        return (len(ids) - wrong) / len(ids) if higher else 100 * wrong / len(ids)


class Entry(NamedTuple):
    team: str
    file: File
    day: int
    late: bool


@dataclass
class Model:
    """higher: which scores win; binding: the day's limit and the reveal refuse, as on a team's server."""

    higher: bool
    binding: bool
    entries: list[Entry] = field(default_factory=list)
    shut: set[str] = field(default_factory=set)
    disqualified: set[str] = field(default_factory=set)
    baselines: set[str] = field(default_factory=set)
    finals: dict[str, set[str]] = field(default_factory=dict)
    revealed: bool = False
    day: int = 0

    def submit(self, team: str, file: File) -> int:
        """The status of the answer."""
        if file.content in [entry.file.content for entry in self.of(team)]:
            return 201
        if self.shut or team in self.disqualified or (self.binding and self.revealed):
            return 409
        if self.binding and sum(entry.day == self.day for entry in self.of(team)) == PER_DAY:
            return 429
        if not file.broken:
            self.entries.append(Entry(team, file, self.day, self.revealed))
        return 422 if file.broken else 201

    def of(self, team: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.team == team]

    def best(self, entries: list[Entry], ids: str) -> list[Entry]:
        """The best first; of equal ones that which came first."""
        return sorted(entries, key=lambda entry: -entry.file.score(ids, self.higher) * (1 if self.higher else -1))

    def board(self) -> list[dict[str, Any]]:
        public, private, counting = IDS[:PUBLIC], IDS[PUBLIC:], []
        for team in {entry.team for entry in self.entries} - self.disqualified:
            on_time = [entry for entry in self.of(team) if not entry.late] or self.of(team)
            chosen = [entry for entry in on_time if entry.file.sha256 in self.finals.get(team, ())]
            one = self.best(chosen or self.best(on_time, public)[:1], private) if self.revealed else []
            counting.append((one or self.best(self.of(team), public))[0])
        ranked = self.best(sorted(counting, key=self.entries.index), private if self.revealed else public)
        return [self.row(rank, entry, public, private) for rank, entry in enumerate(ranked, 1)]

    def row(self, rank: int, entry: Entry, public: str, private: str) -> dict[str, Any]:
        first = next(one.team for one in self.entries if one.file.content == entry.file.content)
        return {
            "rank": rank,
            "team": entry.team,
            "submission": entry.file.sha256[:12],
            "score": entry.file.score(public, self.higher),
            "private": entry.file.score(private, self.higher) if self.revealed else None,
            "cv": entry.file.cv,
            "entries": len(self.of(entry.team)),
            "same_file_as": first if first != entry.team else None,
            "late": entry.late,
            "baseline": entry.team in self.baselines,
        }
