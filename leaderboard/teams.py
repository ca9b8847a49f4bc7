"""Teams, their members, and tokens: 256 random bits, shown once, stored as their sha256."""

import hashlib
import secrets
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, insert, or_, select, update

from harness.errors import UserError, listed
from leaderboard.database import now, reading, teams, tokens, writing

LONGEST_TEAM = 40
PREFIX = "lb_"  # so that a scanner for leaked secrets knows one
SESSION_HOURS = 24 * 14
# Letters of other scripts that look like Latin ones, after casefold (the whole table is Unicode's TR39).
LOOK_ALIKE = str.maketrans("авекмнорстухіјѕԁһҽαβεικνορτυχӏ01", "abekmhopctyxijsdheabeiknoptuxlol")
ALONE = {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"}  # scripts that look alike do not mix


class User(NamedTuple):
    """The member that a token belongs to. team: None for a host."""

    name: str
    team: str | None
    role: str

    @property
    def is_host(self) -> bool:
        return self.role == "host"


def team_name(given: str) -> str:
    """The name as it is stored, one spelling for what looks the same; raise `UserError` if it cannot be a name."""
    name = unicodedata.normalize("NFKC", given).strip()
    if not name or len(name) > LONGEST_TEAM or not name.isprintable():
        raise UserError(
            f"{given!r} is not a team name; give 1 to {LONGEST_TEAM} printable characters, as in --team red"
        )
    return name


def create_team(engine: Engine, name: str) -> str:
    """Add a team and return its stored name; raise `UserError` where an existing name looks the same."""
    name = team_name(name)
    with writing(engine) as connection:
        known = connection.scalar(select(teams.c.name).where(teams.c.looks == looks(name)))
        if known is not None:
            raise UserError(f"the name {name} cannot be told from the team {known}, which is there already")
        connection.execute(insert(teams).values(name=name, looks=looks(name), created_at=now()))
    return name


def looks(name: str) -> str:
    """The same for names that a reader takes for each other; raise `UserError` where one name mixes scripts."""
    scripts = {unicodedata.name(letter, "UNKNOWN").split()[0] for letter in name if letter.isalpha()}
    if len(scripts & ALONE) > 1:
        raise UserError(f"{name!r} mixes letters of {' and '.join(sorted(scripts & ALONE))}; write it in one script")
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(c for c in plain.translate(LOOK_ALIKE) if not unicodedata.combining(c) and not c.isspace())


def issue_token(engine: Engine, member: str, team: str | None, role: str = "player") -> str:
    """A new token of a member; it cannot be shown again. Raise `UserError` if the team does not exist."""
    with writing(engine) as connection:
        if team is not None and connection.scalar(select(teams.c.name).where(teams.c.name == team)) is None:
            known = listed(connection.scalars(select(teams.c.name).order_by(teams.c.name))) or "none"
            raise UserError(f"there is no team {team!r}; there are: {known}")
        return _make_token(connection, User(team_name(member), team, role))


def open_session(engine: Engine, token: str) -> tuple[str, User] | None:
    """Log a browser in with a token: (session secret, user), or None if the token is not valid."""
    member = user_of(engine, token)
    if member is None:
        return None
    ends = (datetime.now(UTC) + timedelta(hours=SESSION_HOURS)).isoformat().replace("+00:00", "Z")
    with writing(engine) as connection:
        return _make_token(connection, member, opened_by=digest(token), expires_at=ends), member


def user_of(engine: Engine, token: str) -> User | None:
    """Return the user of a token or session; None if it is unknown, has expired or was revoked."""
    with reading(engine) as connection:
        row = connection.execute(
            select(tokens.c.member, tokens.c.team, tokens.c.role).where(
                tokens.c.sha256 == digest(token),
                tokens.c.revoked_at.is_(None),
                or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now()),
            )
        ).first()
    return User(*row) if row else None


def revoke(engine: Engine, member: str, team: str | None) -> int:
    """End all tokens and sessions of a member, and return their number."""
    of_team = tokens.c.team.is_(None) if team is None else tokens.c.team == team
    return _end(engine, tokens.c.member == member, of_team)


def close_session(engine: Engine, session: str) -> None:
    _end(engine, tokens.c.sha256 == digest(session))


def _end(engine: Engine, *which: ColumnElement[bool]) -> int:
    with writing(engine) as connection:
        ended = update(tokens).where(tokens.c.revoked_at.is_(None), *which).values(revoked_at=now())
        return connection.execute(ended).rowcount


def digest(token: str) -> str:
    """A random token of 256 bits needs no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def _make_token(connection: Connection, user: User, **columns: str) -> str:
    token = PREFIX + secrets.token_urlsafe(32)
    row = {"sha256": digest(token), "member": user.name, "team": user.team, "role": user.role, **columns}
    connection.execute(insert(tokens).values(**row, created_at=now()))
    return token
