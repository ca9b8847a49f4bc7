"""axe-core, which looks for what shuts people out of a page; `python tests/support/axe.py` fetches it for the tests.

It lies in the ignored folder .venv, pinned and checked against its hash, and is never served nor committed (MPL-2.0).
"""

import base64
import hashlib
import shutil
import subprocess
import sys
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
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("no npm on this machine, which would fetch axe-core: apt-get install npm")
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", f"axe-core@{VERSION}", "--pack-destination", str(FOLDER), "--silent"]
    if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60).returncode:
        raise RuntimeError("axe-core cannot be fetched: npm reaches no registry")
    archive = FOLDER / f"axe-core-{VERSION}.tgz"
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != SHA512:
        archive.unlink()
        raise RuntimeError(f"axe-core {VERSION} is not the one that was looked at: its sha512 is {digest}")
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
    try:
        print(fetch())
    except RuntimeError as error:
        sys.exit(str(error))
