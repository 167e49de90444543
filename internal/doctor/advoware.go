package doctor

import (
	"context"
	"fmt"
	"maps"
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
// row ids, in the order of ids that the sweep relies on.
func (v *visit) checkList(ctx context.Context, m *mapping.Mapping) []result.Finding {
	l := m.List()
	if l == nil {
		return one(ok("not configured: clean records are compared one by one, once in %s", ago(v.Config.Cron.RecheckAfter)))
	}
	page, err := v.listPage(ctx, m)
	if err != nil {
		return one(broken(err, "compare advoware.list in the mapping with the office's Swagger page, or leave it out"))
	}
	if len(page) == 0 {
		return one(warn("", "Advoware lists no record under "+l.Path, "check path, items and params of advoware.list in the mapping; an office without records is fine"))
	}
	return judgePage(m, page)
}

// listPage is the first page of an entity's list, asked for once.
func (v *visit) listPage(ctx context.Context, m *mapping.Mapping) ([]record.Object, error) {
	if page, known := v.pages[m.Entity()]; known {
		return page, nil
	}
	l := m.List()
	params := maps.Clone(l.Params)
	if params == nil {
		params = map[string]string{}
	}
	params[l.Page], params[l.Size] = strconv.Itoa(l.First), strconv.Itoa(min(l.Max, 100))
	page, err := v.advo.List(ctx, l.Path, params, l.Items)
	if err == nil {
		v.pages[m.Entity()] = page
	}
	return page, err
}

func judgePage(m *mapping.Mapping, page []record.Object) []result.Finding {
	last := int64(0)
	for _, o := range page {
		id, hasID := idOf(o, m.AdvoID())
		switch _, hasRow := o.Text(m.AdvoRowID()); {
		case !hasID:
			return one(fail("listed records carry no "+m.AdvoID(), "correct advoware.id in the mapping, or leave advoware.list out"))
		case !hasRow:
			return one(fail("listed records carry no "+m.AdvoRowID()+"; the sweep could not see changes", "correct advoware.row_id in the mapping, or leave advoware.list out"))
		case id <= last:
			return one(fail("the list is not in ascending order of "+m.AdvoID()+"; the sweep would miss records", "add the parameter that sorts it to advoware.list.params, or leave advoware.list out"))
		}
		last = id
	}
	return one(ok("%d records on the first page, with %s and %s, in order", len(page), m.AdvoID(), m.AdvoRowID()))
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

// maxDuplicatePages bounds the search for duplicates: 200 records each.
const maxDuplicatePages = 50

// checkDuplicates: no two records are linked to one record in Advoware; they
// would overwrite each other through it.
func (v *visit) checkDuplicates(ctx context.Context, m *mapping.Mapping) []result.Finding {
	var after *record.Cursor
	var twins []string
	seen, lastID, lastRecord := 0, int64(0), ""
	for range maxDuplicatePages {
		page, err := v.espo.Find(ctx, m.EspoType(), record.Query{
			Where:  []record.Condition{{Field: "advowareId", Op: record.IsNotNull}},
			Select: []string{"id", "advowareId"}, OrderBy: "advowareId", After: after, Size: 200,
		})
		if err != nil {
			return one(broken(err, ""))
		}
		for _, o := range page {
			n, _ := o.Int("advowareId")
			id, _ := o.Text("id")
			if n == lastID && n != 0 {
				twins = append(twins, fmt.Sprintf("%s and %s (%d)", lastRecord, id, n))
			}
			seen, lastID, lastRecord = seen+1, n, id
		}
		if len(page) < 200 {
			after = nil
			break
		}
		after = &record.Cursor{Value: strconv.FormatInt(lastID, 10), ID: lastRecord}
	}
	if len(twins) > 0 {
		return one(fail(fmt.Sprintf("%s one Advoware record and overwrite each other through it: %s", plural(len(twins), "pair of records shares", "pairs of records share"), some(twins)),
			"merge them in EspoCRM (list view > mark both > Actions > Merge), or link the wrong one to its own: advosync link --id ID --advoware-id N --force"))
	}
	if after != nil {
		return one(ok("no two of the first %d linked records share an Advoware record", seen))
	}
	return one(ok("no two of %d linked records share an Advoware record", seen))
}
