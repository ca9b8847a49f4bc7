"""Files from the network: a web address through pooch, a Kaggle competition through its own client."""

import sys
import zipfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from harness.errors import UnreachableError, UserError
from harness.files import require_free

CONNECT_SECONDS, SILENT_SECONDS = 15, 60  # until a server answers, and between two pieces of a file
OWN_FILES = "or give the folder with your own files (DATA=)"


# -- a web address -----------------------------------------------------------------------------------------------------


def from_url(address: str, sha256: str, folder: Path) -> None:
    """Write the file into `folder` when all of it is there and its hash is right."""
    import pooch
    import requests

    downloader = pooch.HTTPDownloader(timeout=(CONNECT_SECONDS, SILENT_SECONDS), progressbar=sys.stderr.isatty())
    try:
        name = address.rsplit("/", 1)[1]
        pooch.retrieve(address, f"sha256:{sha256}", fname=name, path=folder, downloader=downloader)
    except requests.HTTPError as error:
        raise UserError(f"{error}; correct the address in the declaration, {OWN_FILES}") from error  # it names both
    except requests.ConnectionError as error:
        raise UnreachableError(f"{address} cannot be reached; connect this machine, {OWN_FILES}") from error
    except requests.RequestException as error:
        raise UserError(f"the download of {address} broke off; run the same command again, {OWN_FILES}") from error
    except ValueError as error:  # pooch's error for a wrong hash; its first sentence names both
        sentence = str(error).split(". ")[0]
        raise UserError(f"{address}: {sentence}; run the same command again, or correct the declared sha256") from error


# -- Kaggle ------------------------------------------------------------------------------------------------------------


def from_kaggle(slug: str, folder: Path, otherwise: str = OWN_FILES) -> None:
    """All files of a competition, unpacked into `folder`. The archive waits beside it, and is continued if cut off.

    otherwise: how to do without Kaggle, the end of the sentence of an error.
    """
    import requests

    archive = folder.with_name(f"{slug}.zip")
    try:
        with redirect_stdout(sys.stderr):  # the client prints, and standard output belongs to --json
            kaggle_client().competition_download_files(slug, path=str(archive.parent))
    except SystemExit as error:  # the client's reaction to a failed login
        raise UserError(
            "Kaggle's credentials are incomplete or expired; make a new token at https://www.kaggle.com/settings, "
            f"remove the old one to do without Kaggle, {otherwise}"
        ) from error
    except requests.HTTPError as error:
        raise UserError(f"{kaggle_refusal(slug, error)}, {otherwise}") from error
    except (requests.RequestException, ValueError) as error:  # ValueError: fewer bytes than announced
        raise UserError(
            f"Kaggle could not be reached, or the download of {slug} broke off ({type(error).__name__}); "
            f"run the same command again to go on, remove the credentials to do without Kaggle, {otherwise}"
        ) from error
    try:
        unzip(archive, folder)
    finally:
        archive.unlink(missing_ok=True)


def kaggle_client() -> Any:
    """The official client, logged in, with time limits: it waits for ever by itself."""
    from kaggle import KaggleApi
    from requests.adapters import HTTPAdapter

    class Impatient(HTTPAdapter):
        def send(self, *args: Any, **options: Any) -> Any:
            return super().send(*args, **(options | {"timeout": (CONNECT_SECONDS, SILENT_SECONDS)}))

    class Client(KaggleApi):
        def build_kaggle_client(self) -> Any:
            client = super().build_kaggle_client()
            client.http_client()._init_session()
            for scheme in ("https://", "http://"):  # a shorter prefix would not be looked at
                client.http_client()._session.mount(scheme, Impatient())
            return client

    client = Client()
    client.authenticate()
    return client


def kaggle_refusal(slug: str, error: Any) -> str:
    """What to do about an answer of Kaggle's, as the start of a sentence."""
    reasons = {
        401: "Kaggle does not accept the credentials; make a new token at https://www.kaggle.com/settings",
        403: f"Kaggle gives {slug} only to who has joined; accept its rules at https://www.kaggle.com/c/{slug}/rules",
        404: f"Kaggle knows no competition {slug!r}; correct the name, the last part of its address",
    }
    status = getattr(error.response, "status_code", 0)
    return reasons.get(status, f"Kaggle refuses {slug} ({error}); try again later")


# -- helpers -----------------------------------------------------------------------------------------------------------


def unzip(archive: Path, folder: Path) -> None:
    """Unpack everything below `folder`; an archive with a name that leads elsewhere is refused as a whole."""
    try:
        with zipfile.ZipFile(archive) as packed:
            inside = folder.resolve()
            for member in packed.infolist():
                if not (folder / member.filename).resolve().is_relative_to(inside):
                    raise UserError(
                        f"{archive.name} is unsafe: it would write to {member.filename!r}, outside its folder"
                    )
            require_free(folder, sum(member.file_size for member in packed.infolist()))
            for member in packed.infolist():
                packed.extract(member, folder)
    except (FileNotFoundError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"{archive.name} is damaged ({error}); run the same command again") from error
