"""axe-core, which looks for what shuts people out of a page; `python tests/support/axe.py` fetches it for the tests.

It lies in the ignored folder .venv, pinned and checked against its hash, and is never served nor committed (MPL-2.0).
"""

import base64
import hashlib
import subprocess
import tarfile
from pathlib import Path
from typing import Any

VERSION = "4.14.1"
SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
FOLDER = Path(__file__).parents[2] / ".venv" / f"axe-core-{VERSION}"
SCRIPT = FOLDER / "package" / "axe.min.js"


def fetch() -> Path:
    """The script, by npm where it is not there yet; raise `RuntimeError` where that cannot be."""
    if SCRIPT.exists():
        return SCRIPT
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = ["npm", "pack", f"axe-core@{VERSION}", "--pack-destination", str(FOLDER), "--silent"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise RuntimeError(f"axe-core cannot be fetched by npm ({error})") from error
    archive = FOLDER / f"axe-core-{VERSION}.tgz"
    if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != SHA512:
        archive.unlink()
        raise RuntimeError(f"axe-core {VERSION} is not the one that was looked at: its sha512 is another one")
    with tarfile.open(archive) as packed:
        packed.extract("package/axe.min.js", FOLDER, filter="data")
    archive.unlink()
    return SCRIPT


RUN = """axe.run({resultTypes: ['violations']}).then(found => { window.violations = found.violations.flatMap(
    v => v.nodes.map(n => v.id + ': ' + n.html + ' ' + n.failureSummary)); })"""


def violations(page: Any) -> list[str]:
    """What axe-core finds wrong on the page that a browser shows."""
    page.run(SCRIPT.read_text())
    page.run(RUN)
    page.wait("window.violations !== undefined")
    return page.run("window.violations")


if __name__ == "__main__":
    print(fetch())
