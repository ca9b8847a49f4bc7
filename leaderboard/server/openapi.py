"""The API's description (OpenAPI 3.1): what may be asked, and what comes back."""

from typing import Any

TEXT, WHOLE = {"type": "string"}, {"type": "integer"}


def given(name: str, where: str, schema: dict[str, Any], told: str, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": where, "schema": schema, "description": told, "required": required or where == "path"}


NAME = given("competition", "path", TEXT | {"pattern": "^[a-z0-9][a-z0-9_-]{0,62}$"}, "The competition.")
HASH = given("data", "query", TEXT, "The data, by their whole hash; those prepared last by default.")
TEAM = given("team", "query", TEXT, "The team; a token knows its own.")
ENTRY = given("entry", "query", {"type": "array", "items": TEXT}, "A final, by (the beginning of) its sha256.", True)


def answers(
    told: str, schema: dict[str, Any] | None = None, kind: str = "application/json", **more: str
) -> dict[str, Any]:
    """200 (or what `more` names, as s201="created"), and every refusal."""
    content = {kind: {"schema": schema or {"type": "object"}}}
    good = {code[1:]: {"description": words, "content": content} for code, words in more.items()} or {
        "200": {"description": told, "content": content}
    }
    return good | {"default": {"$ref": "#/components/responses/Refusal"}}


def reads(told: str, *parameters: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    return {"get": {"summary": told, "parameters": list(parameters), "responses": answers(told, kind=kind)}}


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
    "responses": answers("", s201="scored, and on the board", s202="received and kept; ask again at Location"),
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
        "/api/me": reads("Who asks."),
        "/api/competitions": reads("The competitions that have a board here."),
        "/api/competitions/{competition}": reads("Rules, phase, deadline, and the quota that is left.", NAME, HASH),
        "/api/competitions/{competition}/board": reads("The ranking.", NAME, HASH),
        "/api/competitions/{competition}/board.csv": reads("The ranking as a table.", NAME, HASH, kind="text/csv"),
        "/api/competitions/{competition}/submissions": reads("The files of a team.", NAME, HASH, TEAM)
        | {"post": SUBMIT},
        "/api/competitions/{competition}/submissions/{number}": reads(
            "What became of a file.", NAME, HASH, given("number", "path", WHOLE | {"minimum": 1}, "Its number.")
        ),
        "/api/competitions/{competition}/finals": reads("What a team can choose from, and chose.", NAME, HASH, TEAM)
        | {
            "put": {
                "summary": "Choose the finals; an earlier choice is replaced.",
                "parameters": [NAME, HASH, TEAM, ENTRY],
                "responses": answers("The choice."),
            }
        },
        "/api/competitions/{competition}/data": reads("The public files, with size and sha256.", NAME, HASH),
        "/api/competitions/{competition}/data/{path}": reads(
            "One public file; Range is understood.",
            *(NAME, HASH, given("path", "path", TEXT, "As in the list.")),
            kind="application/octet-stream",
        ),
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
