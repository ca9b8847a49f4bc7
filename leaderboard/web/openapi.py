"""The API's description (OpenAPI 3.1): what may be asked, and what comes back."""

from typing import Any

from leaderboard.web import schemas
from leaderboard.web.schemas import TEXT, WHOLE, Schema


def given(name: str, where: str, schema: dict[str, Any], told: str, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": where, "schema": schema, "description": told, "required": required or where == "path"}


NAME = given("competition", "path", TEXT | {"pattern": "^[a-z0-9][a-z0-9_-]{0,62}$"}, "The competition.")
HASH = given("data", "query", TEXT, "The data, by their whole hash; those prepared last by default.")
TEAM = given("team", "query", TEXT, "The team; a token knows its own.")
ENTRY = given("entry", "query", {"type": "array", "items": TEXT}, "A final, by (the beginning of) its sha256.", True)


def answers(told: str, schema: Schema | None, kind: str = "application/json", **more: str) -> dict[str, Any]:
    """200 (or what `more` names, as s201="created"), and every refusal. schema: None for what is no JSON."""
    content = {kind: {"schema": schema or {"type": "string", "format": "binary"}}}
    good = {code[1:]: {"description": words, "content": content} for code, words in more.items()} or {
        "200": {"description": told, "content": content}
    }
    return good | {"default": {"$ref": "#/components/responses/Refusal"}}


def reads(
    told: str, *parameters: dict[str, Any], schema: Schema | None = None, kind: str = "application/json"
) -> dict[str, Any]:
    return {"get": {"summary": told, "parameters": list(parameters), "responses": answers(told, schema, kind)}}


SUBMIT = {
    "summary": "Hand in a file: the body is the file, and nothing else.",
    "parameters": [
        NAME,
        HASH,
        TEAM,
        given("name", "query", TEXT, "What you call the file; messages name it so."),
        given(
            "card",
            "query",
            WHOLE | {"minimum": 0},
            "How many bytes at the beginning of the body are the run's card (JSON).",
        ),
        given(
            "wait", "query", WHOLE | {"minimum": 0, "maximum": 60}, "Seconds to wait for the verdict; 20 by default."
        ),
    ],
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
    "responses": answers(
        "", schemas.VERDICT, s201="scored, and on the board", s202="received and kept; ask again at Location"
    ),
}

SHA256 = given("sha256", "path", TEXT | {"pattern": "^[0-9a-f]{64}$"}, "Of the bundle's file.")
SHARE = {
    "summary": "Share a prediction bundle with one's own team: the body is the file.",
    "parameters": [
        *(NAME, HASH, TEAM, SHA256),
        given("train", "query", TEXT | {"pattern": "^[0-9a-f]{12}$"}, "The train hash it was made with.", True),
        given("name", "query", TEXT | {"pattern": r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$"}, "The model's.", True),
    ],
    "requestBody": SUBMIT["requestBody"],
    "responses": answers("", schemas.BUNDLE, s201="kept"),
}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Leaderboard",
        "version": "1",
        "description": "Who is ahead, and whether the lead means anything.",
    },
    "security": [{}, {"token": []}],
    "paths": {
        "/api/me": reads("Who asks.", schema=schemas.ME),
        "/api/competitions": reads("The competitions that have a board here.", schema=schemas.COMPETITIONS),
        "/api/competitions/{competition}": reads(
            "Rules, phase, deadline, and the quota that is left.", NAME, HASH, schema=schemas.COMPETITION
        ),
        "/api/competitions/{competition}/board": reads("The ranking.", NAME, HASH, schema=schemas.BOARD),
        "/api/competitions/{competition}/board.csv": reads("The ranking as a table.", NAME, HASH, kind="text/csv"),
        "/api/competitions/{competition}/trust": reads(
            "How alike CV and the board rank the entries, and which to trust.", NAME, HASH, schema=schemas.TRUST
        ),
        "/api/competitions/{competition}/submissions": reads(
            "The files of a team.", NAME, HASH, TEAM, schema=schemas.FILES
        )
        | {"post": SUBMIT},
        "/api/competitions/{competition}/submissions/{number}": reads(
            "What became of a file.",
            NAME,
            HASH,
            given("number", "path", WHOLE | {"minimum": 1}, "Its number."),
            schema=schemas.VERDICT,
        ),
        "/api/competitions/{competition}/finals": reads(
            "What a team can choose from, and chose.", NAME, HASH, TEAM, schema=schemas.CHOICE
        )
        | {
            "put": {
                "summary": "Choose the finals; an earlier choice is replaced.",
                "parameters": [NAME, HASH, TEAM, ENTRY],
                "responses": answers("The choice.", schemas.CHOICE),
            }
        },
        "/api/competitions/{competition}/data": reads(
            "The public files, with size and sha256.", NAME, HASH, schema=schemas.DATA
        ),
        "/api/competitions/{competition}/data/{path}": reads(
            "One public file; Range is understood.",
            *(NAME, HASH, given("path", "path", TEXT, "As in the list.")),
            kind="application/octet-stream",
        ),
        "/api/competitions/{competition}/bundles": reads(
            "What the members of a team share.", NAME, HASH, TEAM, schema=schemas.BUNDLES
        ),
        "/api/competitions/{competition}/bundles/{sha256}": {"put": SHARE}
        | reads("A bundle of one's own team.", NAME, HASH, TEAM, SHA256, kind="application/octet-stream"),
    },
    "components": {
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        "responses": {
            "Refusal": {
                "description": "What was wrong, in one sentence.",
                "content": {
                    "application/json": {
                        "schema": {"type": "object", "properties": {"error": TEXT}, "required": ["error"]}
                    }
                },
            }
        },
    },
}
