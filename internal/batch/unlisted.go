package batch

import (
	"context"
	"fmt"
	"strconv"

	"advosync/internal/fault"
	"advosync/internal/store"
)

// mostUnlisted bounds the linked records that Advoware's list lacks: so many are read
// singly, more are no coincidence.
const mostUnlisted = 20

// unlisted are linked records that Advoware's list does not show and of which that is
// news.
type unlisted struct {
	n            int
	below, above []int64 // the first of them, before the list's last id and behind it
	any          bool    // the list has shown records
	endless      bool    // the list has ended by repeating itself
	rowless      bool    // rows without a rowId
}

func (u *unlisted) add(p pair) {
	u.n++
	switch {
	case p.below && len(u.below) < mostUnlisted:
		u.below = append(u.below, p.advoID)
	case !p.below && len(u.above) < mostUnlisted:
		u.above = append(u.above, p.advoID)
	}
}

// blind: the list cannot show whether the record has moved in Advoware. Its row has no
// rowId; or it has none, and the list's parameters may leave out on purpose more than a
// few. It is read singly, once in recheck_after.
func (e *entityRun) blind(p pair) bool {
	if !p.missing() {
		e.unlisted.rowless = e.unlisted.rowless || p.advo.row == ""
		return p.advo.row == ""
	}
	return len(e.m.List().Params) > 0 && e.unlisted.n >= mostUnlisted
}

// stale: Advoware's side was last read longer ago than recheck_after.
func (e *entityRun) stale(m store.Memory) bool {
	return m.CheckedAt.Before(e.run.now().Add(-e.run.p.cfg.RecheckAfter))
}

// lookUnlisted reads some of the linked records singly that the list lacks. One that
// answers proves the list incomplete: what else it hides nobody knows. One behind the
// list's last id proves nothing alone, for it may have been made since.
func (e *entityRun) lookUnlisted(ctx context.Context) error {
	u := &e.unlisted
	if u.rowless && e.deep {
		e.run.warn(fmt.Sprintf("%s: Advoware's list carries no %s, so edits there are found only when a record is read singly, once in %s",
			e.m.Entity(), e.m.AdvoRowID(), e.run.p.cfg.RecheckAfter))
	}
	if !u.any || len(e.m.List().Params) > 0 {
		return nil
	}
	ask := u.below
	if u.n > mostUnlisted || u.endless {
		ask = append(ask, u.above...)
	}
	for _, id := range ask[:min(len(ask), mostUnlisted)] {
		_, err := governedAdvo{e.run.systems}.Get(ctx, e.m.ReadPath(), strconv.FormatInt(id, 10))
		switch {
		case err == nil:
			return e.badList(fmt.Sprintf("the list is incomplete: it lacks %d linked records, and %d, one of them, is there", u.n, id),
				"set advoware.list.max to what Advoware gives on one page; advosync doctor compares its pages")
		case !fault.Is(err, fault.NotFound):
			return err
		}
	}
	return nil
}

// lacksTooMany is asked behind the guards: so many deletes at once are no everyday's
// work, and each would be told, unlinked or made again.
func (e *entityRun) lacksTooMany() error {
	u := &e.unlisted
	if !u.any || u.n <= mostUnlisted || len(e.m.List().Params) > 0 || e.run.opts.AllowEmpty {
		return nil
	}
	return e.badList(fmt.Sprintf("the list is incomplete, or %d linked records were deleted in Advoware: it lacks them, and the %d that were read singly are not there",
		u.n, mostUnlisted), "look at some of them (advosync check); when they are meant to be gone: advosync cron-run --entity "+e.m.Entity()+" --allow-empty")
}
