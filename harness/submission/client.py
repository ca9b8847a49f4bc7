"""A leaderboard on another machine: files are submitted there, and the public data of a competition fetched from it.

LEADERBOARD_URL says where it is, LEADERBOARD_TOKEN who asks.
"""

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from harness import paths
from harness.errors import InvalidSubmission, UnreachableError, UserError
from harness.files import locked, read_json, require_free, sha256_of, sync_folder, write_json

TIMEOUT = 15, 90  # seconds until a server answers, and between two pieces of an answer
PATIENCE_SECONDS = 600  # for a verdict
ATTEMPTS = 4
RECORD = "server.json"  # beside public/: where it came from
BLOCK, PIECE = 1 << 20, 64 << 10  # sent, and received: what is on its way when a connection breaks is lost


def server_of(competition: str, data_hash: str) -> str | None:
    """The server that judges these data: LEADERBOARD_URL, or the one they were fetched from; None for our own board."""
    record = paths.data(competition) / data_hash / RECORD
    return os.environ.get("LEADERBOARD_URL") or (read_json(record)["server"] if record.exists() else None)


def served(competition: str) -> str | None:
    """The hash of the data fetched from a server, where those are the last that were prepared."""
    file = paths.data(competition) / "current.json"
    last = read_json(file) if file.exists() else {}
    return last.get("data_hash") if "server" in last else None


# -- submitting --------------------------------------------------------------------------------------------------------


def require_accepting_server(
    server: str, competition: str, team: str | None, data_hash: str, say: Callable[[str], None]
) -> None:
    """Before hours of training: raise `UserError` unless the server judges these data and knows who asks.

    Where there is no connection, or no file is taken now, say so and go on: it can be handed in later, or not at all.
    """
    params = {"team": team, "data": data_hash}
    try:
        ask(server, "GET", f"/{competition}/submissions", params)
        now = ask(server, "GET", f"/{competition}", params)
    except UnreachableError as error:
        say(f"{error} What is made here stays here, and can be submitted later (make score)")
    except UserError as error:
        raise UserError(f"{error}; nothing was trained, for it could not be submitted") from error
    else:
        if now["phase"] != "open":
            say(f"the board on {server} is {now['phase']} and takes no files; what is made here stays here")
        elif now["quota"] and not now["quota"]["left"]:
            say(f"no entry is left to your team on {server} until {now['quota']['renews_at']}")


def submit(server: str, competition: str, file: Path, team: str | None, data_hash: str | None = None) -> dict[str, Any]:
    """The verdict, as `python -m leaderboard score --json` tells it. Sending twice counts once.

    The manifest beside the file goes with it. Raise `InvalidSubmission` if the file is refused, else `UserError`.
    """
    if not file.is_file():
        raise UserError(f"{file} does not exist")
    beside = file.with_suffix(".json")
    manifest = beside.read_bytes() if beside != file and beside.is_file() else b""
    params = {"name": file.name, "manifest": str(len(manifest)), "wait": "60", "team": team, "data": data_hash}

    def body() -> Iterator[bytes]:
        if manifest:
            yield manifest
        with open(file, "rb") as content:
            while block := content.read(BLOCK):
                yield block

    answer = ask(server, "POST", f"/{competition}/submissions", params, body)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while answer["state"] in ("waiting", "scoring"):
        if time.monotonic() > deadline:
            raise UserError(f"{server} has {file.name} and has not scored it yet; look at {server}{answer['page']}")
        time.sleep(1)
        answer = ask(server, "GET", f"/{competition}/submissions/{answer['id']}")
    if "error" in answer:
        raise InvalidSubmission(answer["error"])
    return answer


def finals(server: str, competition: str, team: str | None, names: list[str], data_hash: str | None = None) -> Any:
    """What a team can choose from, and chose; names: its finals from now on, none to leave them as they are."""
    params = {"entry": names, "team": team, "data": data_hash}
    return ask(server, "PUT" if names else "GET", f"/{competition}/finals", params)


def standings(server: str, competition: str, data_hash: str | None, trust: bool) -> dict[str, Any]:
    """The board, as `python -m leaderboard board --json` tells it."""
    params = {"data": data_hash}
    board = ask(server, "GET", f"/{competition}/board", params)
    if trust:
        board["trust"] = ask(server, "GET", f"/{competition}/trust", params)
    return board


def ask(
    server: str,
    method: str,
    path: str,
    params: Mapping[str, Any] | None = None,
    body: Callable[[], Iterator[bytes]] | None = None,
) -> dict[str, Any]:
    """JSON of the API; a broken connection is tried again, for every request of ours may be repeated.

    params: those that are None are left out. body: makes the body of each attempt. No redirect is followed: it may
    lead to another server, which must not see the token.
    """
    from requests import RequestException, exceptions, request

    options: dict[str, Any] = {"params": params, "headers": _token(), "allow_redirects": False}
    for attempt in range(1, ATTEMPTS + 1):
        try:
            response = request(method, api_address(server, path), data=body and body(), timeout=TIMEOUT, **options)
            return _understood(server, response)
        except (exceptions.InvalidURL, exceptions.InvalidSchema, exceptions.MissingSchema) as error:
            raise UserError(
                f"{server!r} is not the address of a server; write it as https://board.example.org"
            ) from error
        except exceptions.SSLError as error:
            raise UserError(
                f"{server} has no certificate that this machine trusts; where the host gave you a file of its "
                "authority, set REQUESTS_CA_BUNDLE=that file; a server without TLS is http://"
            ) from error
        except RequestException as error:
            if attempt == ATTEMPTS:
                raise UnreachableError(
                    f"{server} cannot be reached ({type(error).__name__}); is the address right and the server up?"
                ) from error
        time.sleep(0.5 * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def api_address(server: str, path: str) -> str:
    return f"{server.rstrip('/')}/api/competitions{path}"


def _understood(server: str, response: Any) -> dict[str, Any]:
    if response.status_code == 401:
        raise UserError(
            f"{server} wants a token of yours: set LEADERBOARD_TOKEN=lb_...; the host of the server gives it"
        )
    try:
        answer = response.json()
        if response.status_code < 300:
            return answer
        sentence = str(answer["error"])
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{server} answers {response.status_code}, and is not a leaderboard of this kind") from None
    raise (InvalidSubmission if response.status_code == 422 else UserError)(sentence)


def _token() -> dict[str, str]:
    token = os.environ.get("LEADERBOARD_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


# -- data --------------------------------------------------------------------------------------------------------------


def fetch(server: str, competition: str) -> None:
    """Fetch the public data of a competition, every file checked against its hash; what is here already stays.

    They take their place when all of them are there; a download that broke off goes on where it stopped.
    """
    listing = ask(server, "GET", f"/{quote(competition)}/data")
    data_hash, files = _checked(server, listing)
    home = paths.data(competition) / data_hash
    if not (home / "public").exists():
        waiting = paths.data(competition) / f".{data_hash}.download"
        with locked(waiting):
            require_free(waiting, sum(file["size"] for file in files))
            for file in files:
                address = api_address(server, f"/{quote(competition)}/data/{quote(file['path'])}")
                fetch_file(address, waiting / "public" / file["path"], file)
            home.mkdir(parents=True, exist_ok=True)
            os.replace(waiting / "public", home / "public")
            sync_folder(home)
        shutil.rmtree(waiting)
    write_json(home / RECORD, {"server": server})
    last = {"data_hash": data_hash, "source": str(listing.get("source")), "server": server}
    write_json(paths.data(competition) / "current.json", last)


def _checked(server: str, listing: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """A server may not name a file outside the folder, nor a hash that is a path."""
    try:
        data_hash, files = listing["data_hash"], listing["files"]
        entries = [PurePosixPath(file["path"]) for file in files]
        good = re.fullmatch(r"[0-9a-zA-Z]{6,64}", data_hash) and all(
            isinstance(file["size"], int) and re.fullmatch("[0-9a-f]{64}", file["sha256"]) for file in files
        )
        inside = all(not path.is_absolute() and ".." not in path.parts and path.parts for path in entries)
    except (KeyError, TypeError):
        good = inside = False
    if not (good and inside):
        raise UserError(f"the list of files of {server} cannot be understood; nothing was fetched")
    return data_hash, files


def fetch_file(address: str, path: Path, file: Mapping[str, Any]) -> None:
    """With what an earlier attempt left; a file whose hash is wrong is fetched once more from its beginning."""
    import requests

    if path.exists() and path.stat().st_size == file["size"] and sha256_of(path) == file["sha256"]:
        return
    partial = path.with_name(f".{path.name}.part")
    partial.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            append_rest(address, partial)
        except requests.RequestException as error:
            print(f"the connection broke off ({type(error).__name__}); going on", file=sys.stderr)
        if partial.exists() and partial.stat().st_size >= file["size"]:
            if sha256_of(partial) == file["sha256"]:
                os.replace(partial, path)
                return
            partial.unlink()  # all of it, and wrong
        time.sleep(0.3 * 2**attempt if attempt < ATTEMPTS else 0)
    raise UserError(f"{address} could not be fetched whole; run the same command again, and it goes on from here")


def append_rest(address: str, partial: Path) -> None:
    """Fetch what is not in `partial` yet, or all of it from a server that cannot send a part."""
    import requests

    have = partial.stat().st_size if partial.exists() else 0
    headers = _token() | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(address, stream=True, headers=headers, timeout=TIMEOUT, allow_redirects=False) as response:
        if response.status_code not in (200, 206):
            raise UserError(f"{address} answers {response.status_code}; run the same command again")
        with open(partial, "ab" if response.status_code == 206 else "wb") as out:
            for block in response.iter_content(PIECE):
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
