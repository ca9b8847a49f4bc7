"""The answers of the API: fields may be added; none is renamed or left out."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from leaderboard.board import Row
from leaderboard.host import FinalCandidate


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class ErrorAnswer(Answer):
    """A refusal, in one sentence."""

    error: str


class MeAnswer(Answer):
    name: str
    team: str | None
    role: Literal["player", "host"]


class QuotaAnswer(Answer):
    used: int
    limit: int
    left: int
    renews_at: str


class CompetitionAnswer(Answer):
    competition: str
    data_hash: str
    title: str
    source: str | None
    metric: str
    higher_is_better: bool
    phase: Literal["open", "paused", "closed", "revealed"]
    deadline: str | None
    teams: int
    entries: int
    rules: dict[str, Any]
    quota: QuotaAnswer | None


class CompetitionsAnswer(Answer):
    competitions: list[CompetitionAnswer]


class BoardAnswer(Answer):
    competition: str
    data_hash: str
    metric: str
    higher_is_better: bool
    revealed_at: str | None
    outdated: str | None
    rows: list[Row]


class IntervalAnswer(Answer):
    score: float
    low: float
    high: float


class AgreementAnswer(Answer):
    spearman: IntervalAnswer
    kendall: IntervalAnswer


class GapAnswer(Answer):
    mean: float
    noise: float
    is_shift: bool


class TrustAnswer(Answer):
    entries: int
    public: AgreementAnswer | None
    private: AgreementAnswer | None
    board: AgreementAnswer | None
    gap: GapAnswer | None
    advice: str


class FileAnswer(Answer):
    id: int
    competition: str
    data_hash: str
    team: str
    name: str
    size: int
    sha256: str
    received_at: str
    state: Literal["waiting", "scoring", "scored", "refused", "failed"]
    message: str | None


class FilesAnswer(Answer):
    competition: str
    team: str
    submissions: list[FileAnswer]


class VerdictAnswer(FileAnswer):
    message: str
    accepted: bool
    public: float | None
    rank: int | None
    page: str


class FinalsAnswer(Answer):
    competition: str
    data_hash: str
    team: str
    allowed: int
    finals: list[str]
    entries: list[FinalCandidate]


class DataFileAnswer(Answer):
    path: str
    size: int
    sha256: str


class DataAnswer(Answer):
    competition: str
    data_hash: str
    source: str | None
    files: list[DataFileAnswer]
