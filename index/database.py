"""How a catalogue's database is opened, checked and brought up to date."""

import re
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError

from index.rows import REVISION
from index.storage import MANIFEST, CatalogError, VersionError

DATABASE = "catalog.db"


def connect(folder: Path, database: str | None) -> Engine:
    """A catalogue's database, by its URL or by default the file in the catalogue's folder.

    Raises CatalogError if the URL can't be used. Nothing is opened or made yet.
    """
    try:
        url = make_url(database) if database else URL.create("sqlite", database=str(folder / DATABASE))
        engine = create_engine(url, connect_args={"timeout": 60} if url.get_backend_name() == "sqlite" else {})
    except (ArgumentError, ImportError) as error:
        raise CatalogError(f"--database {database}: {error}; for PostgreSQL install erimoto[postgresql]") from error
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _enforce_foreign_keys(connection, _record):  # type: ignore[no-untyped-def]
            connection.execute("PRAGMA foreign_keys = ON")

    return engine


def without_password(url: URL) -> str:
    """A database's URL as it is stored: a password stays out of files, and comes from PGPASSWORD or .pgpass instead."""
    return url._replace(password=None).render_as_string()


def as_stored(url: URL, folder: Path) -> str | None:
    """A database's URL as the manifest holds it; None for the file in the catalogue's own folder."""
    own = url.get_backend_name() == "sqlite" and url.database == str(folder / DATABASE)
    return None if own else without_password(url)


def check_is_there(folder: Path, engine: Engine) -> None:
    """Raises CatalogError if a finished catalogue's SQLite file is missing, which would be made anew, and empty."""
    url = engine.url
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise CatalogError(
            f"{url.database}: missing; restore it from a backup, or delete {folder / MANIFEST} and build anew"
        )


def check_revision(folder: Path, engine: Engine) -> None:
    """Raises VersionError if the database has not the tables that this version reads."""
    with engine.connect() as connection:
        known = inspect(connection).has_table("alembic_version")
        found = connection.scalar(text("SELECT version_num FROM alembic_version")) if known else None
    if found != REVISION:
        raise VersionError(
            f"{folder}: its database is of version {found or 'none'}, this erimoto reads {REVISION}; "
            "an older one is brought up to date by build, a newer one needs a newer erimoto"
        )


def migrate(folder: Path, engine: Engine) -> None:
    """Make the tables, or bring older ones up to date. Raises VersionError if they are newer."""
    with engine.begin() as connection:
        if inspect(connection).has_table("alembic_version"):
            found = connection.scalar(text("SELECT version_num FROM alembic_version"))
            if found == REVISION:
                return
            if not _is_older(str(found)):
                raise VersionError(f"{folder}: its database is of version {found}; it needs a newer erimoto")
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _is_older(revision: str) -> bool:
    return re.fullmatch(r"\d{4}", revision) is not None and revision < REVISION
