package redis

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"

	"advosync/internal/fault"
	"advosync/internal/store"
)

// failure turns an error of the client into the fault that the engine branches
// on. Errors that callers branch on themselves, and faults, pass as they are.
func (s *Store) failure(ctx context.Context, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrLeaseLost), errors.Is(err, store.ErrChanged), fault.As(err) != nil:
		return err
	}
	if e := store.Interruption(ctx, op); e != nil {
		if f := fault.As(e); f != nil && errors.Is(err, errDoubt) {
			of := *f // the cause is that of others, too
			of.Doubt = true
			return &of
		}
		return e
	}
	message, hint, transient := explain(err)
	f := store.Broken(op, message+" ("+s.name+")", hint, err)
	f.Transient, f.Doubt = transient, errors.Is(err, errDoubt)
	return f
}

// errDoubt: the write may have happened.
var errDoubt = errors.New("no answer told whether it was done")

// replyCode is the word by which Redis names the kind of a refusal, "" when err
// is none. Before version 7 what a script met stands behind the words of the script.
func replyCode(err error) string {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return ""
	}
	text := reply.Error()
	if _, met, is := strings.Cut(text, ": -"); is && strings.HasPrefix(text, "ERR Error running script") {
		text = met
	}
	code, _, _ := strings.Cut(text, " ")
	return code
}

func explain(err error) (message, hint string, transient bool) {
	if errors.Is(err, store.ErrNewerSchema) {
		return err.Error(), "use the version of advosync that wrote it, or a newer one", false
	}
	switch code := replyCode(err); code {
	case "":
	case "NOAUTH", "WRONGPASS", "NOPERM":
		return "Redis refuses the credentials or the command (" + code + ")", "check user and password in redis.url, and the user's rights", false
	case "READONLY":
		return "this Redis is a replica and takes no writes", "set redis.url to the primary", true
	case "OOM":
		return "Redis is out of memory", "raise its maxmemory or free some; eviction must stay off (noeviction)", true
	case "MISCONF":
		return "Redis cannot save to its disk and takes no writes", "see the Redis log; free some space", true
	case "NOREPLICAS":
		return "Redis has too few replicas and takes no writes", "see min-replicas-to-write in redis.conf, and why the replicas are gone", true
	case "LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN":
		return "Redis is not ready (" + code + ")", "try again in a moment", true
	case "WRONGTYPE":
		return "a key of advosync holds something else", "give advosync a Redis database of its own", false
	default:
		return "Redis refuses the command (" + fault.Clean(code, 40) + ")", "Redis 6 or later is needed, not a cluster", false
	}
	var timeout net.Error
	var dns *net.DNSError
	switch {
	case errors.Is(err, errHostile):
		return err.Error(), "look what listens at the address of redis.url: it is no Redis, or not a sound one", false
	case errors.As(err, &dns):
		return "the host of redis.url is not known", "check redis.url", true
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "Redis gives no answer in time", "check that it is reachable and not overloaded", true
	default:
		return "Redis cannot be reached", "check that it runs, and redis.url", true
	}
}
