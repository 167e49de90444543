package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"advosync/internal/sandbox"
)

// calls are those of a pass, normalised: what was asked of each record, in order, and
// what was asked besides, which is done side by side and has no order.
type calls struct {
	records map[string][]string // by EspoCRM id
	others  map[string]int
}

// known finds the record that a call is about.
type known struct {
	byNumber map[string]string // Advoware number → EspoCRM id
	byMail   map[string]string
	// behind is the first page behind the end of Advoware's list. Pages are asked for ahead,
	// so whether that one is depends on who is quicker; it is not compared.
	behind string
}

func (o *office) known() known {
	k := known{byNumber: map[string]string{}, byMail: map[string]string{}}
	k.behind = fmt.Sprintf("page=%d&", len(o.w.Advoware.All(sandbox.BeteiligtePath))/listPage+2)
	for _, rec := range o.w.EspoCRM.Records(sandboxType) {
		id := rec["id"].(string)
		if n, linked := rec["advowareId"].(int64); linked {
			k.byNumber[fmt.Sprint(n)] = id
		}
		if mail, _ := rec["email"].(string); mail != "" {
			k.byMail[mail] = id
		}
	}
	return k
}

const (
	sandboxType = "CBeteiligte"
	listPage    = 500 // of Advoware's list, in the mapping
	listed      = "GET EspoCRM, in a list of ids"
)

// logged takes a simulator's log.
func logged(entries []sandbox.LogEntry, k known) calls {
	c := calls{map[string][]string{}, map[string]int{}}
	for _, e := range entries {
		query, _ := url.QueryUnescape(e.Query)
		path, last := e.Path[:strings.LastIndex(e.Path, "/")+1], e.Path[strings.LastIndex(e.Path, "/")+1:]
		if ids := idsOf(query); ids != nil && e.Method == "GET" && last == sandboxType {
			for _, id := range ids {
				c.records[id] = append(c.records[id], listed)
			}
			c.others[listed]++
			continue
		}
		if e.System == "advoware" && e.Method == "GET" && strings.HasPrefix(query, k.behind) {
			continue
		}
		id := ""
		switch {
		case e.System == "espocrm" && strings.HasSuffix(path, "/"+sandboxType+"/"):
			id, last = last, "<id>"
		case e.System == "espocrm" && last == "Note":
			id = gjson.Get(e.Body, "parentId").String()
		case e.System == "advoware" && k.byNumber[last] != "":
			id, last = k.byNumber[last], "<number>"
		case e.System == "advoware" && e.Method == "POST":
			id = k.byMail[gjson.Get(e.Body, "emailGesch").String()]
		}
		text := fmt.Sprintf("%s %s%s?%s %s", e.Method, path, last, lasting(query), digest(e.Body))
		if id != "" {
			c.records[id] = append(c.records[id], text)
		} else {
			c.others[text]++
		}
	}
	return c
}

// What no two passes have in common: moments, runs; which records were synced last, and so
// stand last in a list by date and testify in the next pass; and in the words for an
// operator the name of the office.
var changing = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?`), "<time>"},
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "<run>"},
	{regexp.MustCompile(`\b[0-9a-f]{17}\b`), "<id>"},
	{regexp.MustCompile(` --office same\b`), ""},
}

func lasting(text string) string {
	for _, c := range changing {
		text = c.what.ReplaceAllString(text, c.by)
	}
	return text
}

// idsOf are the ids that a list is asked for that reads whole records.
func idsOf(query string) (ids []string) {
	query = strings.TrimPrefix(query, "searchParams=")
	search := gjson.Get(query, `where.#(attribute=="id")`)
	if search.Get("type").String() != "in" || !strings.Contains(gjson.Get(query, "select").Raw, "advowareRowId") {
		return nil
	}
	for _, id := range search.Get("value").Array() {
		ids = append(ids, id.String())
	}
	return ids
}

// digest is a body without what no two passes have in common; row ids and numbers are
// given out anew.
func digest(body string) string {
	if body == "" {
		return ""
	}
	var v map[string]any
	if json.Unmarshal([]byte(body), &v) == nil {
		for name := range v {
			if slices.Contains([]string{"rowId", "advowareRowId", "advowareId", "betNr"}, name) && v[name] != nil {
				v[name] = "<" + name + ">"
			}
		}
		b, _ := json.Marshal(v)
		body = string(b)
	}
	sum := sha256.Sum256([]byte(lasting(body)))
	return fmt.Sprintf("%x", sum[:6])
}

func (c calls) number() (n int) {
	for text, times := range c.others {
		if text != listed {
			n += times
		}
	}
	for _, texts := range c.records {
		for _, text := range texts {
			if text != listed {
				n++
			}
		}
	}
	return n + c.others[listed]
}

// compare names what differs: the records whose calls are not the same ones in the same
// order, and of the other calls which b makes more or less often than a.
func compare(a, b calls) (records []string, others map[string]int) {
	for _, id := range slices.Sorted(maps.Keys(union(a.records, b.records))) {
		if !slices.Equal(a.records[id], b.records[id]) {
			records = append(records, fmt.Sprintf("%s\n    %s\n  against\n    %s", id, strings.Join(a.records[id], "\n    "), strings.Join(b.records[id], "\n    ")))
		}
	}
	others = map[string]int{}
	for text := range union(a.others, b.others) {
		if more := b.others[text] - a.others[text]; more != 0 {
			others[text] = more
		}
	}
	return records, others
}

func union[V any](a, b map[string]V) map[string]V {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// workersOwn are the calls that a worker makes besides the records': it is one more
// process, which signs in by itself.
func workersOwn(text string, more int) bool {
	for _, part := range []string{"/Token?", "/AdvonetConfigurator/api/Url?", "/App/user?"} {
		if strings.Contains(text, part) {
			return more == 1
		}
	}
	return false
}

// variant is a way to configure one office.
type variant struct {
	name    string
	driver  string
	single  bool // no offices: in the configuration
	workers int
}

// sameCalls: one office's pass, call by call, whether it is the only configuration, one
// of `offices:`, or synced by a worker.
func (s *stage) sameCalls() error {
	variants := []variant{{"no offices", "", true, 0}, {"one of offices", "", false, 0}, {"a worker", "asynq", false, 1}}
	var passes [2][3]calls // with work to do, and without
	for i, v := range variants {
		part, err := s.callsOf(v, i)
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		passes[0][i], passes[1][i] = part[0], part[1]
	}
	for i, what := range []string{"edits on either side, on both, and new records", "nothing to do"} {
		for j, v := range variants[1:] {
			records, others := compare(passes[i][0], passes[i][j+1])
			own := 0
			for text, more := range others {
				if v.workers > 0 && workersOwn(text, more) {
					own += more
					delete(others, text)
				}
			}
			s.say(len(records)+len(others) == 0, "calls of a pass, %s: %d with no offices, %d with %s, the same ones for each of %d records; %d more to sign in; %d records and %d other calls differ",
				what, passes[i][0].number(), passes[i][j+1].number(), v.name, len(passes[i][0].records), own, len(records), len(others))
			for _, text := range records[:min(len(records), 3)] {
				fmt.Println("  " + text)
			}
			for _, text := range slices.Sorted(maps.Keys(others)) {
				fmt.Printf("  %+d %s\n", others[text], text)
			}
		}
	}
	return nil
}

// callsOf makes two passes over a world that is the same for every variant.
func (s *stage) callsOf(v variant, n int) (out [2]calls, err error) {
	const records, edited, fresh = 330, 130, 10
	o, err := newOffice(s.ctx, "same", 100+n, records, 7)
	if err != nil {
		return out, err
	}
	part, err := s.aside(fmt.Sprint("calls", n), n+1, o)
	if err != nil {
		return out, err
	}
	part.single = v.single
	if err := part.prepare(); err != nil {
		return out, err
	}
	if err := part.configure(v.driver, 0); err != nil {
		return out, err
	}
	ps, err := part.workers(v.workers)
	if err != nil {
		return out, err
	}
	defer endAll(ps)
	if err := o.editAll(edited, fresh); err != nil {
		return out, err
	}
	for i := range out {
		o.w.Log.Clear()
		if said, code := part.cron(); code != 0 {
			return out, fmt.Errorf("a pass ended with %d:\n%s", code, said)
		}
		out[i] = logged(o.w.Log.Entries(), o.known())
	}
	return out, nil
}

// editAll has people edit so many records on each side and on both, so many that no
// chunk is read before the look is over, and enter some.
func (o *office) editAll(n, fresh int) error {
	for i, rec := range o.w.EspoCRM.Records(sandboxType)[:2*n+n/4] {
		id, number := rec["id"].(string), rec["advowareId"].(int64)
		mail := fmt.Sprintf("p%d@example.de", number)
		var err error
		if i < n+n/4 {
			err = o.w.EspoCRM.Put(sandboxType, id, "anna", map[string]any{"email": mail, "syncStatus": "dirty"})
		}
		if i >= n && err == nil {
			err = o.w.Advoware.Edit(sandbox.BeteiligtePath, number, map[string]any{"telGesch": fmt.Sprint("0511 ", 1000+i)})
		}
		if i >= n && i < n+n/8 && err == nil { // the same field
			err = o.w.Advoware.Edit(sandbox.BeteiligtePath, number, map[string]any{"emailGesch": "q" + mail})
		}
		if err != nil {
			return err
		}
	}
	return o.enter(fresh)
}
