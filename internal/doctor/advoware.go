package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
)

// checkAddresses: the office's API is known, by configuration or by asking.
func (v *visit) checkAddresses(ctx context.Context) []result.Finding {
	advo, err := v.Advoware()
	if err != nil {
		return one(broken(err, ""))
	}
	api, gateway, err := advo.Addresses(ctx)
	if err != nil {
		return one(broken(err, ""))
	}
	v.advo = advo
	return one(ok("API %s, sign-in %s", api, gateway))
}

// checkSignIn fetches one token, for this examination alone.
func (v *visit) checkSignIn(ctx context.Context) []result.Finding {
	if err := v.advo.SignIn(ctx); err != nil {
		return one(broken(err, ""))
	}
	a := v.Config.Advoware
	return one(ok("signed in as %s, Kanzlei %s, database %s", a.User, a.Kanzlei, a.Database))
}

// checkList: where the mapping says that Advoware can list, it can, with ids and
// row ids, in the order of ids and page by page, as the sweep relies on it.
func (v *visit) checkList(ctx context.Context, m *mapping.Mapping) []result.Finding {
	l := m.List()
	if l == nil {
		return one(ok("not configured: clean records are compared one by one, once in %s", ago(v.Config.Cron.RecheckAfter)))
	}
	page, err := v.firstPage(ctx, m)
	if err != nil {
		return one(broken(err, "compare advoware.list in the mapping with the office's Swagger page, or leave it out"))
	}
	if len(page) == 0 {
		return one(warn("", "Advoware lists no record under "+l.Path, "check path, items and params of advoware.list in the mapping; an office without records is fine"))
	}
	found, ids := judgePage(m, page)
	if ids == nil {
		return one(found)
	}
	if next := v.judgePaging(ctx, m, ids); next != nil {
		return one(*next)
	}
	if i := slices.IndexFunc(page, func(o record.Object) bool { _, hasRow := o.Text(m.AdvoRowID()); return !hasRow }); i >= 0 {
		return one(v.withoutRows(ctx, m, ids[i]))
	}
	return one(found)
}

// firstPage is the first page of an entity's list, asked for once.
func (v *visit) firstPage(ctx context.Context, m *mapping.Mapping) ([]record.Object, error) {
	if page, known := v.pages[m.Entity()]; known {
		return page, nil
	}
	page, err := v.listPage(ctx, m.List(), m.List().First, m.List().Max)
	if err == nil {
		v.pages[m.Entity()] = page
	}
	return page, err
}

func (v *visit) listPage(ctx context.Context, l *mapping.List, page, size int) ([]record.Object, error) {
	params := l.ParamsAt(v.Now())
	if params == nil {
		params = map[string]string{}
	}
	params[l.Page], params[l.Size] = strconv.Itoa(page), strconv.Itoa(size)
	return v.advo.List(ctx, l.Path, params, l.Items)
}

// judgePage looks at one page: the ids, nil where the finding is what is wrong.
func judgePage(m *mapping.Mapping, page []record.Object) (result.Finding, []int64) {
	var ids []int64
	for _, o := range page {
		id, hasID := idOf(o, m.AdvoID())
		switch {
		case !hasID:
			return fail("listed records carry no "+m.AdvoID(), "correct advoware.id in the mapping, or leave advoware.list out"), nil
		case len(ids) > 0 && id <= ids[len(ids)-1]:
			return notInOrder(m), nil
		}
		ids = append(ids, id)
	}
	return ok("%d records on the first page, with %s and %s, in order", len(page), m.AdvoID(), m.AdvoRowID()), ids
}

func notInOrder(m *mapping.Mapping) result.Finding {
	return fail("the list is not in ascending order of "+m.AdvoID()+"; the sweep would miss records",
		"add the parameter that sorts it to advoware.list.params, or leave advoware.list out")
}

// judgePaging asks for the second page: whether the number of the page counts, and
// whether pages are as long as they are counted. nil: nothing to say.
func (v *visit) judgePaging(ctx context.Context, m *mapping.Mapping, first []int64) *result.Finding {
	l := m.List()
	page, err := v.listPage(ctx, l, l.First+1, len(first))
	if err != nil || len(page) == 0 {
		return found(err)
	}
	_, ids := judgePage(m, page)
	var f result.Finding
	switch repeated := "the second page is the first one again: more than " + plural(len(first), "record is", "records are") + " never seen"; {
	case slices.Equal(ids, first) && len(first) < l.Max:
		f = warn("", repeated+", if there are more", "check page, size and first of advoware.list in the mapping against the office's Swagger page")
	case slices.Equal(ids, first):
		f = fail(repeated, "check page, size and first of advoware.list in the mapping against the office's Swagger page")
	case len(ids) == 0 || ids[0] <= first[len(first)-1]:
		f = notInOrder(m)
	case len(first) < l.Max:
		return v.judgeSize(ctx, m, len(first), ids[0])
	default:
		return nil
	}
	return &f
}

// judgeSize: Advoware gives fewer records on a page than it is asked for. It may count
// pages by what it gives, or by what it is asked for; second is what the second page
// begins with where it is asked for what it gives.
func (v *visit) judgeSize(ctx context.Context, m *mapping.Mapping, gives int, second int64) *result.Finding {
	l := m.List()
	page, err := v.listPage(ctx, l, l.First+1, l.Max)
	if err != nil {
		return found(err)
	}
	hint := fmt.Sprintf("set advoware.list.max: %d in the mapping", gives)
	given := fmt.Sprintf("Advoware gives %d records on a page where %d (advoware.list.max) are asked for", gives, l.Max)
	f := warn("", given+"; nothing is missed", hint+", so that the pages are counted as Advoware counts them")
	if _, ids := judgePage(m, page); len(ids) == 0 || ids[0] != second {
		f = fail(given+", and skips those in between on the next one: the list is incomplete", hint)
	}
	return &f
}

// found is what an error says, nil without one.
func found(err error) *result.Finding {
	if err == nil {
		return nil
	}
	f := broken(err, "compare advoware.list in the mapping with the office's Swagger page, or leave it out")
	return &f
}

// withoutRows tells a list that leaves the row id out from a mapping that names it
// wrongly.
func (v *visit) withoutRows(ctx context.Context, m *mapping.Mapping, id int64) result.Finding {
	o, err := v.advo.Get(ctx, m.ReadPath(), strconv.FormatInt(id, 10))
	if err == nil {
		if _, hasRow := o.Text(m.AdvoRowID()); hasRow {
			return warn("", "listed records carry no "+m.AdvoRowID()+": edits in Advoware are found only when a record is read singly, once in "+ago(v.Config.Cron.RecheckAfter),
				"look in the office's Swagger page for a parameter that adds it, and set it in advoware.list.params; or make cron.recheck_after shorter")
		}
	}
	return fail("listed records carry no "+m.AdvoRowID()+"; the sweep could not see changes", "correct advoware.row_id in the mapping, or leave advoware.list out")
}

// idOf reads an id, which may be a text.
func idOf(o record.Object, name string) (int64, bool) {
	if id, is := o.Int(name); is {
		return id, true
	}
	if text, is := o.Text(name); is {
		id, err := strconv.ParseInt(text, 10, 64)
		return id, err == nil
	}
	return 0, false
}

// maxDuplicates bounds the search for duplicates, in records.
const maxDuplicates = 10_000

var errEnough = errors.New("enough records were looked at")

// checkDuplicates: no two records are linked to one record in Advoware; they
// would overwrite each other through it.
func (v *visit) checkDuplicates(ctx context.Context, m *mapping.Mapping) []result.Finding {
	var twins []string
	seen, lastID, lastRecord := 0, int64(0), ""
	q := record.Query{Where: []record.Condition{{Field: record.FieldAdvowareID, Op: record.IsNotNull}}, Select: []string{"id", record.FieldAdvowareID}, OrderBy: record.FieldAdvowareID, Size: 200}
	err := q.Each(func(q record.Query) ([]record.Object, error) { return v.espo.Find(ctx, m.EspoType(), q) }, func(page []record.Object) error {
		for _, o := range page {
			n, _ := o.Int(record.FieldAdvowareID)
			id, _ := o.Text("id")
			if n == lastID && n != 0 {
				twins = append(twins, fmt.Sprintf("%s and %s (%d)", lastRecord, id, n))
			}
			seen, lastID, lastRecord = seen+1, n, id
		}
		if seen >= maxDuplicates {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return one(broken(err, ""))
	}
	if len(twins) > 0 {
		return one(fail(fmt.Sprintf("%s one Advoware record and overwrite each other through it: %s", plural(len(twins), "pair of records shares", "pairs of records share"), some(twins)),
			"merge them in EspoCRM (list view > mark both > Actions > Merge), or link the wrong one to its own: advosync link --id ID --advoware-id N --force"))
	}
	if err != nil {
		return one(ok("no two of the first %d linked records share an Advoware record", seen))
	}
	return one(ok("no two of %d linked records share an Advoware record", seen))
}
