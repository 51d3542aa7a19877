"""The SQLite file: its tables, and how it is opened for writing and for reading.

Lists are served by indices that end in the place, so that a page is a walk along one of them. `names` holds every word
that repeats (tenants, statuses, rules); rows hold its number. Documents are compressed; see `rows`.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from pathlib import Path

SCHEMA_VERSION = 4
"""A file of another version is made anew."""

PREFIX = 5
"""The search index has what words begin with, up to so many characters. Without, a search for `1*` gathered all words
that begin so before it answered, for 1.5 s with a million alerts. The file is larger by a third."""
READER_CACHE_KIB = 8 << 10
WRITER_CACHE_KIB = 48 << 10
WAL_LIMIT = 64 << 20
"""Bytes that the log keeps on disk after a checkpoint."""

_TABLES = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE positions (
    topic TEXT, partition INTEGER, next INTEGER NOT NULL,
    last INTEGER, last_check BLOB,
    PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE names (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE alerts (
    place INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, revision INTEGER NOT NULL, changed INTEGER NOT NULL,
    tenant INTEGER NOT NULL, status INTEGER NOT NULL, severity INTEGER NOT NULL, category INTEGER NOT NULL,
    rule INTEGER NOT NULL, rule_type INTEGER NOT NULL, assignee INTEGER NOT NULL, incident INTEGER NOT NULL,
    same_group INTEGER NOT NULL, actor INTEGER, triggers INTEGER NOT NULL, acted INTEGER NOT NULL,
    words BLOB NOT NULL);
CREATE TABLE alert_bodies (place INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE UNIQUE INDEX alerts_changed ON alerts (changed);
CREATE INDEX alerts_list ON alerts (tenant, place, status, severity, category, rule, rule_type, assignee, incident);
CREATE INDEX alerts_status ON alerts (status, place);
CREATE INDEX alerts_severity ON alerts (severity, place);
CREATE INDEX alerts_category ON alerts (category, place);
CREATE INDEX alerts_rule ON alerts (rule, place);
CREATE INDEX alerts_rule_type ON alerts (rule_type, place);
CREATE INDEX alerts_assignee ON alerts (assignee, place) WHERE assignee > 0;
CREATE INDEX alerts_incident ON alerts (incident, place) WHERE incident > 0;
CREATE INDEX alerts_group ON alerts (same_group, place);
CREATE INDEX alerts_actor ON alerts (actor, place) WHERE actor IS NOT NULL;
CREATE VIRTUAL TABLE alert_words USING fts5 (
    words, content = '', columnsize = 0, detail = none, prefix = '{" ".join(map(str, range(1, PREFIX + 1)))}',
    tokenize = "unicode61 remove_diacritics 2 tokenchars '._-@:/'");
CREATE TABLE vocabulary (word TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE deliveries (
    place INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, updated INTEGER NOT NULL,
    tenant INTEGER NOT NULL, alert BLOB NOT NULL, channel INTEGER NOT NULL, state INTEGER NOT NULL,
    reason INTEGER NOT NULL, covered INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX deliveries_list ON deliveries (tenant, place, channel, state, reason);
CREATE INDEX deliveries_alert ON deliveries (alert, place);
CREATE INDEX deliveries_channel ON deliveries (channel, place);
CREATE INDEX deliveries_state ON deliveries (state, place);
CREATE INDEX deliveries_reason ON deliveries (reason, place);

CREATE TABLE links (
    tenant INTEGER, incident TEXT, alert TEXT, linked_at TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (tenant, incident, alert)) WITHOUT ROWID;
CREATE TABLE incidents (
    place INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, incident TEXT NOT NULL, status INTEGER NOT NULL,
    UNIQUE (tenant, incident));
CREATE INDEX incidents_list ON incidents (tenant, place, status);

CREATE TABLE letters (
    place INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, partition INTEGER NOT NULL, at INTEGER NOT NULL,
    tenant INTEGER NOT NULL, reason INTEGER NOT NULL, origin INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX letters_list ON letters (tenant, place, reason, origin);
CREATE INDEX letters_reason ON letters (reason, place);
CREATE INDEX letters_origin ON letters (origin, place);

CREATE TABLE alert_rules (
    tenant INTEGER, hour INTEGER, rule INTEGER,
    alerts INTEGER NOT NULL, triggers INTEGER NOT NULL, acted INTEGER NOT NULL,
    PRIMARY KEY (tenant, hour, rule)) WITHOUT ROWID;
CREATE TABLE alert_hours (
    tenant INTEGER, hour INTEGER, severity INTEGER, alerts INTEGER NOT NULL, triggers INTEGER NOT NULL,
    PRIMARY KEY (tenant, hour, severity)) WITHOUT ROWID;
CREATE TABLE alert_facets (
    tenant INTEGER, facet INTEGER, value INTEGER, alerts INTEGER NOT NULL,
    PRIMARY KEY (tenant, facet, value)) WITHOUT ROWID;
CREATE TABLE alert_statuses (
    tenant INTEGER, status INTEGER, severity INTEGER, alerts INTEGER NOT NULL,
    PRIMARY KEY (tenant, status, severity)) WITHOUT ROWID;
CREATE TABLE delivery_hours (
    tenant INTEGER, hour INTEGER, channel INTEGER, state INTEGER, reason INTEGER,
    deliveries INTEGER NOT NULL, covered INTEGER NOT NULL,
    PRIMARY KEY (tenant, hour, channel, state, reason)) WITHOUT ROWID;
"""


def is_broken(error: BaseException) -> bool:
    """Whether an error says that the file's content cannot be used; not one that may pass, nor a mistake of ours."""
    return type(error) is sqlite3.DatabaseError or isinstance(error, zlib.error)


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes, from one thread at a time; the file is made, or made anew if it is unusable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        try:
            connection = _connected(path)
            if _version(connection) == SCHEMA_VERSION:
                return connection
            connection.close()
        except sqlite3.DatabaseError as error:
            if not is_broken(error):
                raise
        forget(path)
        connection = _connected(path)
        connection.executescript("BEGIN;" + _TABLES + f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        return connection
    raise AssertionError("unreachable")


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; sees whole transactions only."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False, isolation_level=None
    )
    connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
    connection.execute("PRAGMA query_only = ON")
    return connection


def forget(path: Path) -> None:
    """Delete the file and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _connected(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    # a power cut may take the last transactions, and their offsets with them
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
    connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
