package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"advosync/internal/result"
	"advosync/internal/store"
)

// checkStore: the store can be opened by this user, and by nobody else.
func (v *visit) checkStore(ctx context.Context) []result.Finding {
	var found []result.Finding
	if v.Config.Store.Driver == "embedded" {
		f := checkFile(v.Config.Store.Path)
		if found = append(found, f...); failed(f) {
			return found
		}
	}
	s, err := v.OpenStore(ctx)
	if err != nil {
		return append(found, broken(err, ""))
	}
	v.store = s
	if err := v.checkWhose(ctx, s); err != nil {
		return append(found, broken(err, ""))
	}
	if v.Config.Store.Driver == "embedded" && !exists(v.Config.Store.Path) {
		return orOK(found, "%s is not there yet; doctor makes it where EspoCRM answers, else the first sync", s.Describe())
	}
	return orOK(found, "%s", s.Describe())
}

// checkWhose: the store remembers no other systems' records, and these systems' records
// are remembered in no other one.
func (v *visit) checkWhose(ctx context.Context, s store.Store) error {
	theirs, known, err := store.IdentityOf(ctx, s)
	if err != nil || known && theirs == v.Identity {
		return err
	}
	knows, err := store.Remembers(ctx, s, v.Config.EntityNames())
	switch {
	case err == nil && !known && !knows && v.NotLeftBehind != nil:
		return v.NotLeftBehind(ctx, s)
	case err != nil || !known || !knows:
		return err
	}
	return store.Others(s, theirs, v.Identity)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// checkFile looks at the rights of the embedded store. It holds values of
// records: what was overwritten, and what both sides held.
func checkFile(path string) []result.Finding {
	var found []result.Finding
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return checkFuture(filepath.Dir(path))
	case err != nil:
		return one(fail(fmt.Sprintf("%s: %v", path, errors.Unwrap(err)), "let the user that runs advosync own the file, or set store.path"))
	case info.IsDir():
		return one(fail(path+" is a directory", "set store.path to a file"))
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		found = append(found, warn("", fmt.Sprintf("%s holds values of records and can be read by others (mode %04o)", path, info.Mode().Perm()), "chmod 600 "+path))
	}
	if !writable(path) || !writable(filepath.Dir(path)) {
		found = append(found, fail(path+" or its directory cannot be written by this user; a sync announces each write there before it sends it", "run doctor as the user that runs cron; let that user own file and directory"))
	}
	return found
}

// checkFuture: the store is not there yet; its directory, or the nearest one
// that is, must let us make it.
func checkFuture(dir string) []result.Finding {
	for !exists(dir) && filepath.Dir(dir) != dir {
		dir = filepath.Dir(dir)
	}
	if !writable(dir) {
		return one(fail("the store is not there yet, and "+dir+" does not let this user make it", "make the directory and let the user that runs advosync own it, or set store.path"))
	}
	return nil
}

// checkRedis: the server keeps what it is given. A lost lock or announcement costs
// more than a cache entry.
func (v *visit) checkRedis(ctx context.Context) []result.Finding {
	if v.Redis == nil {
		return one(warn("", "the server's settings were not asked for", ""))
	}
	s, is, err := v.Redis(ctx, v.store)
	if err != nil {
		return one(broken(err, "let this user run INFO, or look at maxmemory-policy and appendonly yourself"))
	}
	if !is {
		return one(warn("", "the store is not Redis", ""))
	}
	return orOK(JudgeRedis(s), "Redis %s keeps what it is given (appendonly, noeviction)", s.Version)
}

// JudgeRedis says what is wrong with a server's keeping of what it is given.
func JudgeRedis(s RedisSettings) []result.Finding {
	var found []result.Finding
	if major, err := strconv.Atoi(strings.SplitN(s.Version, ".", 2)[0]); err == nil && major < 6 {
		found = append(found, fail("Redis "+s.Version+" is too old; the locks need version 6", "update the server"))
	}
	if s.Role != "" && s.Role != "master" {
		found = append(found, fail("this server is a "+s.Role+" and refuses writes", "set redis.url to the master"))
	}
	if f := JudgeEviction(s); f.Message != "" {
		found = append(found, f)
	}
	switch {
	case s.AppendOnly:
	case s.SnapshotsKnown && s.Snapshots == "":
		found = append(found, fail("the server persists nothing: after a restart every record is compared anew and nothing can be undone", "set appendonly yes in redis.conf"))
	case s.Snapshots != "":
		found = append(found, warn("", "the server only takes snapshots: a crash loses the last minutes, and with them announced writes", "set appendonly yes in redis.conf"))
	default:
		found = append(found, warn("", "the server does not say whether it persists", "look that redis.conf has appendonly yes"))
	}
	return found
}

// JudgeEviction says whether a server may throw away what it is given; nothing where it does
// not.
func JudgeEviction(s RedisSettings) (f result.Finding) {
	switch {
	case s.Eviction == "noeviction" || s.Eviction == "":
		return f
	case s.MaxMemory > 0:
		return fail("maxmemory-policy is "+s.Eviction+": under pressure the server throws away announced writes and what was overwritten", "set maxmemory-policy noeviction in redis.conf")
	}
	return warn("", "maxmemory-policy is "+s.Eviction+"; nothing is thrown away as long as maxmemory is 0", "set maxmemory-policy noeviction in redis.conf")
}
