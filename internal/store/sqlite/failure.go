package sqlite

import (
	"context"
	"errors"
	"io/fs"

	sqlite "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"advosync/internal/fault"
	"advosync/internal/files"
	"advosync/internal/store"
)

// errNotOurs: a readable database or file that this tool did not make.
var errNotOurs = errors.New("not a store of advosync")

// failure turns an error of SQLite or of the file system into the fault that
// the engine branches on. Errors that callers branch on themselves, and faults,
// pass as they are.
func failure(ctx context.Context, op, path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrLeaseLost), errors.Is(err, store.ErrChanged), errors.Is(err, store.ErrReadOnly),
		fault.As(err) != nil:
		return err
	}
	if e := store.Interruption(ctx, op); e != nil {
		return e
	}
	message, hint, transient := explain(err)
	f := store.Broken(op, message+" ("+path+")", hint, err)
	f.Transient = transient
	return f
}

// code is SQLite's extended result code of err, 0 when it has none; the primary
// one is in its low byte.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

const (
	// hintRestore names the -wal, which SQLite would mix into the file that is put in its place.
	hintRestore = "put the file aside, and with it those beside it that end in -wal and -shm; restore it from a backup, or let advosync start a new one: " +
		"without its memory it compares everything once, by the careful rules"
	messageFull = "the disk is full"
	hintFull    = "free some space; nothing was half written"
	hintRights  = "check owner and rights of the file and its directory, or set store.path"
)

func explain(err error) (message, hint string, transient bool) {
	var risk *files.Risk
	if errors.As(err, &risk) {
		return risk.What, risk.Mend + "; or set store.path to a file in a directory that is only yours", false
	}
	switch {
	case errors.Is(err, store.ErrNewerSchema):
		return err.Error(), "use the version of advosync that wrote it, or a newer one", false
	case errors.Is(err, store.ErrOlderSchema):
		return err.Error(), "back it up, then: advosync doctor, which brings it up to date; an older version refuses it from then on", false
	case errors.Is(err, errNotOurs):
		return err.Error(), "set store.path to a file of its own", false
	case errors.Is(err, fs.ErrPermission):
		return "no permission", hintRights, false
	}
	if code(err) == lib.SQLITE_IOERR_SHMSIZE { // the index of the log needs room, too
		return messageFull, hintFull, true
	}
	switch code(err) & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return "another process keeps the file locked", "try again; see which advosync is running", true
	case lib.SQLITE_CORRUPT:
		return "the file is damaged", hintRestore, false
	case lib.SQLITE_NOTADB:
		return "the file is not a SQLite database", hintRestore, false
	case lib.SQLITE_FULL:
		return messageFull, hintFull, true
	case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_CANTOPEN, lib.SQLITE_AUTH:
		return "the file cannot be opened or written", hintRights, false
	case lib.SQLITE_ERROR, lib.SQLITE_SCHEMA: // a table or column is missing; it was there when the file was opened
		return "the tables are not those that were opened", "another version of advosync may have changed them meanwhile: try again, with the newer one", false
	case lib.SQLITE_IOERR:
		return "reading or writing the file failed", "check the disk and the free space", true
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Op + ": " + path.Err.Error(), hintRights, false
	}
	return "the file cannot be used", hintRestore, false
}
