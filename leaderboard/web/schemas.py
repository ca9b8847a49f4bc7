"""What the API's answers look like, as JSON Schema: fields may be added, and none of these is renamed or left out."""

from typing import Any

Schema = dict[str, Any]

TEXT, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
TRUTH: Schema = {"type": "boolean"}


def maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def many(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def one_of(*words: str) -> Schema:
    return {"enum": list(words)}


def shaped(**fields: Schema) -> Schema:
    """An object that has at least these fields."""
    return {"type": "object", "properties": fields, "required": list(fields)}


BOARD_OF = {"competition": TEXT, "data_hash": TEXT}

ME = shaped(name=TEXT, team=maybe(TEXT), role=one_of("player", "host"))

COMPETITION = shaped(
    **BOARD_OF,
    title=TEXT,
    source=maybe(TEXT),
    metric=TEXT,
    higher_is_better=TRUTH,
    phase=one_of("open", "paused", "closed", "revealed"),
    deadline=maybe(TEXT),
    teams=WHOLE,
    entries=WHOLE,
    rules={"type": "object"},
    quota=maybe(shaped(used=WHOLE, limit=WHOLE, left=WHOLE, renews_at=TEXT)),
)
COMPETITIONS = shaped(competitions=many(COMPETITION))

ROW = shaped(
    rank=WHOLE,
    rank_low=WHOLE,
    rank_high=WHOLE,
    tied=TRUTH,
    team=TEXT,
    score=NUMBER,
    low=NUMBER,
    high=NUMBER,
    private=maybe(NUMBER),
    cv=maybe(NUMBER),
    gap=maybe(NUMBER),
    entries=WHOLE,
    submitted_at=TEXT,
)
BOARD = shaped(**BOARD_OF, metric=TEXT, higher_is_better=TRUTH, revealed_at=maybe(TEXT), rows=many(ROW))

BOUNDED = shaped(score=NUMBER, low=NUMBER, high=NUMBER)
AGREEMENT = maybe(shaped(spearman=BOUNDED, kendall=BOUNDED))
TRUST = shaped(
    entries=WHOLE,
    public=AGREEMENT,
    private=AGREEMENT,
    board=AGREEMENT,
    gap=maybe(shaped(mean=NUMBER, noise=NUMBER, is_shift=TRUTH)),
    advice=TEXT,
)

FILE = {
    "id": WHOLE,
    **BOARD_OF,
    "team": TEXT,
    "name": TEXT,
    "size": WHOLE,
    "sha256": TEXT,
    "received_at": TEXT,
    "state": one_of("waiting", "scoring", "scored", "refused", "failed"),
    "receipt": TEXT,
}
FILES = shaped(competition=TEXT, team=TEXT, submissions=many(shaped(**FILE, message=maybe(TEXT))))
VERDICT = shaped(**FILE, message=TEXT, accepted=TRUTH, public=maybe(NUMBER), rank=maybe(WHOLE), page=TEXT)

CANDIDATE = shaped(
    submission=TEXT, public=NUMBER, private=maybe(NUMBER), cv=maybe(NUMBER), submitted_at=TEXT, final=TRUTH
)
CHOICE = shaped(**BOARD_OF, team=TEXT, allowed=WHOLE, finals=many(TEXT), entries=many(CANDIDATE))

DATA = shaped(**BOARD_OF, source=maybe(TEXT), files=many(shaped(path=TEXT, size=WHOLE, sha256=TEXT)))

BUNDLE = shaped(sha256=TEXT, train=TEXT, name=TEXT, member=TEXT, size=WHOLE, received_at=TEXT)
BUNDLES = shaped(**BOARD_OF, team=TEXT, most=WHOLE, bundles=many(BUNDLE))
