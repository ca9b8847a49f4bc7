"""A PostgreSQL server for tests, in a temporary folder: Debian's programs, or those on the PATH; it refuses root."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.ports import free_port

OWNER, PASSWORD = "searcher", "s3cret-word"


@dataclass(frozen=True)
class Postgres:
    """user: of the system, whom it runs as; None for our own."""

    programs: Path
    folder: Path
    user: str | None
    port: int

    def url(self, database: str, password: str = PASSWORD, port: int | None = None, host: str = "127.0.0.1") -> str:
        return f"postgresql://{OWNER}:{password}@{host}:{port or self.port}/{database}"

    def run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        environment = {**os.environ, "PGPASSWORD": PASSWORD, "LC_ALL": "C"}
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, check=True, cwd="/", env=environment, user=self.user, timeout=60, **quiet)  # type: ignore[call-overload]

    def create(self, database: str) -> str:
        """An empty database; returns its URL."""
        self.run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", OWNER, database)
        return self.url(database)

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-o", options, "-w", "start")

    def stop(self) -> None:
        """Stop at once, whoever is connected."""
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")


@contextmanager
def running() -> Iterator[Postgres]:
    """A running server; skip the test, with the reason, if this machine has none."""
    programs, user = found()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    server = Postgres(programs, folder, user, free_port())
    try:
        (folder / "password").write_text(PASSWORD)
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        access = ("-U", OWNER, "-A", "scram-sha-256", f"--pwfile={folder / 'password'}")
        server.run("initdb", "-D", str(folder / "data"), *access, "-E", "UTF8", "--no-sync")
        server.start()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder)


def found() -> tuple[Path, str | None]:
    """Where its programs are, and the user to run them as."""
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    if on_path := shutil.which("initdb"):
        places.append(Path(on_path).parent)
    if not places:
        pytest.skip("no PostgreSQL on this machine: neither below /usr/lib/postgresql nor on the PATH")
    if os.getuid() != 0:
        return places[0], None
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no system user `postgres`")
    return places[0], "postgres"
