package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"advosync/internal/record"
	"advosync/internal/result"
)

// The reason codes. Table, JSON, log and test use the same ones.
const (
	ReasonNotLinked       = "not_linked"
	ReasonMissing         = "not_found_in_advoware"
	ReasonGone            = "gone_from_espocrm"
	ReasonGoneUnknown     = "unknown_record"
	ReasonInSync          = "in_sync"
	ReasonRowIDMoved      = "row_id_moved"
	ReasonSameContent     = "same_content"
	ReasonStatusBehind    = "status_behind"
	ReasonFirstContact    = "first_contact"
	ReasonEspoChanged     = "espo_content_changed"
	ReasonAdvoChanged     = "advo_content_changed"
	ReasonKindChanged     = "kind_changed"
	ReasonOneWay          = "one_way_restored"
	ReasonClears          = "cleared_with_kind"
	ReasonFilled          = "not_answered_by_advoware"
	ReasonUnreadable      = "field_not_readable"
	ReasonNoBaseEspo      = "no_base_espocrm_moved"
	ReasonNoBaseAdvo      = "no_base_advoware_moved"
	ReasonNoBaseBoth      = "no_base_both_may_have_moved"
	ReasonBothChanged     = "both_changed"
	ReasonDisjointChanges = "disjoint_changes"
	ReasonSameField       = "same_field_changed"
	ReasonDecided         = "decided_by_operator"
	ReasonLinkDoubtful    = "link_doubtful"
)

func reason(code, format string, args ...any) result.Reason {
	return result.Reason{Code: code, Text: fmt.Sprintf(format, args...)}
}

func reasonCreate() result.Reason {
	return reason(ReasonNotLinked, "Not linked to Advoware yet: a new record is created there.")
}

func reasonMissing() result.Reason {
	return reason(ReasonMissing, "Not found in Advoware.")
}

func reasonGone(linkKnown bool) result.Reason {
	if linkKnown {
		return reason(ReasonGone, "Not in EspoCRM any more; the record in Advoware is still linked to it.")
	}
	return reason(ReasonGoneUnknown, "Neither EspoCRM nor the store knows this record.")
}

// ReasonDoubtful says why a link is not believed. It holds nothing of what the
// record in Advoware shows.
func ReasonDoubtful(b Belief, number int64) result.Reason {
	if b == Replaced {
		return reason(ReasonLinkDoubtful, "In Advoware all match fields of %d have changed at once: the number may belong to somebody else now. It is not synced until somebody confirms the link.", number)
	}
	return reason(ReasonLinkDoubtful, "Nothing proves that this record and Advoware %d are the same. It is not synced until somebody confirms the link.", number)
}

func reasonClears() result.Reason {
	return reason(ReasonClears, "The kind has changed: fields of the former kind are emptied.")
}

func reasonInitial(d Decision) result.Reason {
	return reason(ReasonFirstContact, "Linked, but never synced: EspoCRM's values go to Advoware (%s).", names(d.Changes, nil))
}

func reasonUnreadable(c *comparison) result.Reason {
	unsent := c.changes()
	for _, f := range c.broken {
		unsent = append(unsent, Change{Field: *f})
	}
	return reason(ReasonUnreadable, "Some fields cannot be read on one side, or have no value to send: %s.", names(unsent, nil))
}

func reasonAgree(c *comparison, d Decision) result.Reason {
	switch {
	case d.Action == None:
		return reason(ReasonInSync, "Both sides hold the same.")
	case c.in.Base != nil && c.in.RowStored != c.in.RowCurrent && len(c.agreed) == 0:
		return reason(ReasonRowIDMoved, "Advoware saved the record without changing a mapped field; its new rowId is remembered.")
	case len(c.agreed) > 0 || c.in.Base == nil:
		return reason(ReasonSameContent, "Both sides hold the same already; only the memory is brought up to date.")
	default:
		return reason(ReasonStatusBehind, "Both sides hold the same; only the sync status in EspoCRM is behind.")
	}
}

func reasonMoved(c *comparison, d Decision) result.Reason {
	switch {
	case d.Verdict == result.EspocrmNewer && !c.moved(record.EspoCRM) && c.filled():
		return reason(ReasonFilled, "Advoware's answer leaves out what EspoCRM holds, and it was never synced: EspoCRM's value is sent (%s).", names(d.Changes, nil))
	case d.Verdict == result.EspocrmNewer && !c.moved(record.EspoCRM),
		d.Verdict == result.AdvowareNewer && !c.moved(record.Advoware):
		return reason(ReasonOneWay, "A one-way field gets its owner's value back: %s.", names(d.Changes, nil))
	case c.kinds.differs:
		return reason(ReasonKindChanged, "%s changed the kind of the record to %s: %s.%s",
			c.kinds.source.Title(), c.kind, names(d.Changes, func(ch Change) bool { return ch.Field.Key != KindKey }), doubt(d))
	case c.in.Base == nil && d.Verdict == result.EspocrmNewer:
		return reason(ReasonNoBaseEspo, "Contents differ (%s) and Advoware has not moved since the last sync: EspoCRM changed.%s", names(d.Changes, nil), doubt(d))
	case c.in.Base == nil && d.Verdict == result.AdvowareNewer:
		return reason(ReasonNoBaseAdvo, "Contents differ (%s) and EspoCRM has not moved since the last sync: Advoware changed.%s", names(d.Changes, nil), doubt(d))
	case d.Verdict == result.EspocrmNewer:
		return reason(ReasonEspoChanged, "EspoCRM changed: %s.%s", names(d.Changes, moved(movedEspo)), besides(d, movedEspo))
	default:
		return reason(ReasonAdvoChanged, "Advoware changed: %s.%s", names(d.Changes, moved(movedAdvo)), besides(d, movedAdvo))
	}
}

func doubt(d Decision) string {
	if d.Doubtful {
		return " Decided by time stamps, because a rowId is missing."
	}
	return ""
}

func reasonConflict(c *comparison, d Decision) result.Reason {
	winner := winner(c.in.Policy, d)
	switch {
	case d.Waits && !c.decided():
		return reason(ReasonSameField, "Both sides changed %s, which waits for a decision; %s goes over.",
			names(d.Changes, func(ch Change) bool { return ch.Target == "" }), names(d.Changes, func(ch Change) bool { return ch.Target != "" }))
	case d.Waits:
		return reason(ReasonDecided, "Decided by the operator: %s; what else clashes waits.", names(d.Changes, func(ch Change) bool { return ch.Target != "" }))
	case len(c.in.Wishes) > 0 && !d.Clash:
		return reason(ReasonDecided, "Both sides changed; decided by the operator: %s.", names(d.Changes, nil))
	}
	if c.in.Base == nil {
		return reason(ReasonNoBaseBoth, "Contents differ (%s) and both sides may have moved: %s.%s", names(d.Changes, nil), winner, doubt(d))
	}
	if !d.Clash {
		return reason(ReasonDisjointChanges, "EspoCRM changed %s, Advoware changed %s: both edits are kept.%s",
			names(d.Changes, moved(movedEspo)), names(d.Changes, moved(movedAdvo)), besides(d, movedEspo, movedAdvo))
	}
	if slices.ContainsFunc(d.Changes, func(ch Change) bool { return ch.Moved == movedBoth }) {
		return reason(ReasonSameField, "Both sides changed %s: %s.", names(d.Changes, moved(movedBoth)), winner)
	}
	return reason(ReasonBothChanged, "EspoCRM changed %s, Advoware changed %s: %s.",
		names(d.Changes, moved(movedEspo)), names(d.Changes, moved(movedAdvo)), winner)
}

// winner says who wins a conflict, and by what.
func winner(p Policy, d Decision) string {
	givesWay := func(s record.Side) bool {
		return slices.ContainsFunc(d.Changes, func(ch Change) bool { return ch.Overruled() == s })
	}
	switch espo, advo := givesWay(record.EspoCRM), givesWay(record.Advoware); {
	case d.Action == Park && p == Asked:
		return "it waits for a decision"
	case d.Action == Park:
		return "policy manual: it waits for a decision"
	case espo && advo:
		return "each goes by its policy; the values that gave way are kept in the history"
	case advo, !espo && p != AdvowareWins:
		return "EspoCRM wins by policy; Advoware's values are kept in the history"
	default:
		return "Advoware wins by policy; EspoCRM's values are kept in the history"
	}
}

// besides names what is written beside the edits: fields that one side had nothing in, and
// those that go one way.
func besides(d Decision, edits ...string) string {
	more := func(c Change) bool { return c.Target != "" && !slices.Contains(edits, c.Moved) }
	if !slices.ContainsFunc(d.Changes, more) {
		return ""
	}
	return " Written besides: " + names(d.Changes, more) + "."
}

func moved(by string) func(Change) bool {
	return func(c Change) bool { return c.Moved == by }
}

// names lists fields by their EspoCRM name, Advoware's where there is none.
func names(cs []Change, keep func(Change) bool) string {
	var out []string
	for _, c := range cs {
		if keep == nil || keep(c) {
			out = append(out, FieldName(c))
		}
	}
	return cmp.Or(strings.Join(out, ", "), "no mapped field")
}

// FieldName is what people call the field: its EspoCRM name, Advoware's where
// there is none.
func FieldName(c Change) string {
	if c.Field.Key == KindKey {
		return "the kind"
	}
	return cmp.Or(c.Field.Espo, c.Field.Advo)
}
