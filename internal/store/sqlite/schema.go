package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"advosync/internal/store"
)

// applicationID marks the file as ours in SQLite's header ("ADVS").
const applicationID = 0x41445653

// migrations lead from one schema version to the next; the index is the version
// they start from.
func migrations() []string { return []string{schema1, schema2, schema3, schema4, schema5, schema6} }

const schema1 = `
CREATE TABLE leases (
	key     TEXT PRIMARY KEY,
	token   TEXT NOT NULL,
	owner   TEXT NOT NULL,              -- JSON
	expires INTEGER NOT NULL            -- microseconds since 1970
) STRICT, WITHOUT ROWID;

CREATE TABLE records (
	entity      TEXT NOT NULL,
	id          TEXT NOT NULL,
	rev         INTEGER NOT NULL,
	doc         BLOB NOT NULL,          -- JSON
	has_intent  INTEGER NOT NULL,
	has_notes   INTEGER NOT NULL,
	pending     INTEGER NOT NULL,
	advoware_id INTEGER NOT NULL,       -- 0: none known
	checked_at  INTEGER NOT NULL,       -- microseconds since 1970, 0: never
	PRIMARY KEY (entity, id)
) STRICT;
-- Lets a scan choose its records without reading their documents.
CREATE INDEX records_scan ON records (entity, id, checked_at, has_intent, has_notes, pending);

CREATE TABLE history (
	id        TEXT PRIMARY KEY,
	at        INTEGER NOT NULL,         -- microseconds since 1970
	run       TEXT NOT NULL,
	entity    TEXT NOT NULL,
	record_id TEXT NOT NULL,
	doc       BLOB NOT NULL             -- JSON
) STRICT;
CREATE INDEX history_at ON history (at, id);
CREATE INDEX history_record ON history (entity, record_id, at, id);
CREATE INDEX history_run ON history (run, at, id);

CREATE TABLE kv (
	key     TEXT PRIMARY KEY,
	value   BLOB NOT NULL,
	expires INTEGER NOT NULL            -- microseconds since 1970, 0: never
) STRICT, WITHOUT ROWID;
`

// schema2 finds the records that wait (Memory.WaitsSince).
const schema2 = `
ALTER TABLE records ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0;
DROP INDEX records_scan;
CREATE INDEX records_scan ON records (entity, id, checked_at, has_intent, has_notes, pending, waiting);
`

// schema3 keeps intents apart: they come and go with every write, and a record
// that swells and shrinks leaves a page half empty behind. The records are copied,
// which packs those that earlier versions have left one a page.
//
// Every condition of a scan has an index that holds only the records that meet it
// (an intent's is the table of intents), every listing of the history one in its own
// order.
const schema3 = `
CREATE TABLE intents (
	entity      TEXT NOT NULL,
	id          TEXT NOT NULL,
	advoware_id INTEGER NOT NULL,       -- 0: none known
	doc         BLOB NOT NULL,          -- JSON
	PRIMARY KEY (entity, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX intents_advoware ON intents (entity, advoware_id) WHERE advoware_id <> 0;
INSERT INTO intents
	SELECT entity, id, ifnull(json_extract(text, '$.intent.advowareId'), 0), CAST(json_extract(text, '$.intent') AS BLOB)
	FROM (SELECT entity, id, CAST(doc AS TEXT) AS text FROM records WHERE has_intent);

CREATE TABLE packed (
	entity      TEXT NOT NULL,
	id          TEXT NOT NULL,
	rev         INTEGER NOT NULL,
	doc         BLOB NOT NULL,          -- JSON, without the intent
	has_notes   INTEGER NOT NULL,
	pending     INTEGER NOT NULL,
	waiting     INTEGER NOT NULL,
	advoware_id INTEGER NOT NULL,       -- 0: none known
	checked_at  INTEGER NOT NULL,       -- microseconds since 1970, 0: never
	PRIMARY KEY (entity, id)
) STRICT;
INSERT INTO packed
	SELECT entity, id, rev, CASE WHEN has_intent THEN CAST(json_remove(CAST(doc AS TEXT), '$.intent') AS BLOB) ELSE doc END,
		has_notes, pending, waiting, advoware_id, checked_at
	FROM records ORDER BY entity, id;
DROP TABLE records;
ALTER TABLE packed RENAME TO records;
CREATE INDEX records_checked ON records (entity, id, checked_at);
CREATE INDEX records_notes ON records (entity, id) WHERE has_notes;
CREATE INDEX records_pending ON records (entity, id) WHERE pending;
CREATE INDEX records_waiting ON records (entity, id) WHERE waiting;
CREATE INDEX records_advoware ON records (entity, advoware_id, id) WHERE advoware_id <> 0;

DROP INDEX history_record;
CREATE INDEX history_record ON history (record_id, at, id);
CREATE INDEX history_entity ON history (entity, at, id);
`

// schema4 finds the records that are on hold (Memory.Hold).
const schema4 = `
ALTER TABLE records ADD COLUMN hold INTEGER NOT NULL DEFAULT 0;
CREATE INDEX records_hold ON records (entity, id) WHERE hold;
`

// schema5 keeps the Advoware numbers of all memories that ever were. What was dropped
// before is known as far as the history still tells it.
const schema5 = `
CREATE TABLE linked (
	entity      TEXT NOT NULL,
	advoware_id INTEGER NOT NULL,
	PRIMARY KEY (entity, advoware_id)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO linked SELECT entity, advoware_id FROM records WHERE advoware_id <> 0;
INSERT OR IGNORE INTO linked SELECT entity, advoware_id FROM intents WHERE advoware_id <> 0;
INSERT OR IGNORE INTO linked
	SELECT entity, json_extract(text, '$.link.advowareId') AS n FROM (SELECT entity, CAST(doc AS TEXT) AS text FROM records) WHERE n <> 0;
INSERT OR IGNORE INTO linked
	SELECT entity, json_extract(text, '$.advowareId') AS n FROM (SELECT entity, CAST(doc AS TEXT) AS text FROM history) WHERE n <> 0;
`

// schema6 is schema5 with documents of another form (store.Announcement), which an older
// version would take for none.
const schema6 = "SELECT 1;"

// querier is what *sql.DB and *sql.Conn have in common.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// checkSchema gives the schema version of a database that is ours, 0 for an
// empty one.
func checkSchema(ctx context.Context, q querier) (int, error) {
	var version, app, tables int
	row := q.QueryRowContext(ctx, `SELECT
		(SELECT user_version FROM pragma_user_version),
		(SELECT application_id FROM pragma_application_id),
		(SELECT count(*) FROM sqlite_schema)`)
	if err := row.Scan(&version, &app, &tables); err != nil {
		return 0, err
	}
	switch {
	case tables == 0 && version == 0:
		return 0, nil
	case app != applicationID:
		return 0, fmt.Errorf("%w: a SQLite database of another program", errNotOurs)
	}
	return version, known(version)
}

// known refuses the schema of a newer version.
func known(version int) error {
	if most := len(migrations()); version > most {
		return fmt.Errorf("%w: its schema is %d, this version knows up to %d", store.ErrNewerSchema, version, most)
	}
	return nil
}

// stillKnown refuses a store that a newer version has brought up to date since it was opened:
// what that one announces there would be taken for nothing, and overwritten.
func (t *tx) stillKnown() error {
	var version int
	if err := t.row("SELECT user_version FROM pragma_user_version", nil, &version); err != nil {
		return err
	}
	return known(version)
}

// migrate brings the schema up to date, in one transaction: a crash leaves the
// old one or the new one.
func migrate(ctx context.Context, c *sql.Conn) error {
	if version, err := checkSchema(ctx, c); err != nil || version == len(migrations()) {
		return err
	}
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := migrateLocked(ctx, c); err != nil {
		rollback(ctx, c)
		return err
	}
	_, err := c.ExecContext(ctx, "COMMIT")
	return err
}

// migrateLocked looks again: another process may have been faster.
func migrateLocked(ctx context.Context, c *sql.Conn) error {
	version, err := checkSchema(ctx, c)
	if err != nil {
		return err
	}
	for ; version < len(migrations()); version++ {
		if _, err := c.ExecContext(ctx, migrations()[version]); err != nil {
			return fmt.Errorf("schema %d: %w", version+1, err)
		}
	}
	_, err = c.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d", applicationID, version))
	return err
}
