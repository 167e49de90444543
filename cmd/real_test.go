//go:build linux

package cmd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"advosync/internal/sandbox"
)

// BenchmarkReal drives an EspoCRM that is there for tests, with the module or without,
// against a simulated Advoware: what a pass takes, whether two writers can both win,
// whether an edit is lost, and whether the log of changes misses one. The type has to be
// empty; what is made there is deleted in the end.
//
//	REAL_ESPOCRM=http://127.0.0.1:8081 REAL_KEY=… REAL_PEOPLE=anna:…,bernd:… \
//	go test -run '^$' -bench Real -benchtime 1x -timeout 1h ./cmd
//
// KEY is the API user's, PEOPLE are users that may create and edit the type. EDITS is
// how many edits there are (10000).
func BenchmarkReal(b *testing.B) {
	if os.Getenv("REAL_ESPOCRM") == "" {
		b.Skip("REAL_ESPOCRM is not set")
	}
	b.Run("pass", benchRealPass)
	b.Run("pairs", benchRealPairs)
	b.Run("edits", benchRealEdits)
	b.Run("log", benchRealLog)
}

// realCRM is an EspoCRM for tests and a hundred linked records in it.
type realCRM struct {
	*program
	w      *sandbox.World
	url    string
	us     *person
	people []*person
	ids    []string
	nums   map[string]int64
}

// person is somebody who is signed in to EspoCRM.
type person struct {
	b      testing.TB
	url    string
	client *http.Client
	header http.Header
}

func (p *person) call(method, path string, body any, header ...string) (int, gjson.Result) {
	raw, err := json.Marshal(body)
	if err != nil {
		p.b.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(p.b.Context()), method, p.url+"/api/v1/"+path, bytes.NewReader(raw))
	if err != nil {
		p.b.Fatal(err)
	}
	req.Header = p.header.Clone()
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := p.client.Do(req)
	if err != nil {
		p.b.Error(err)
		return 0, gjson.Result{}
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		p.b.Error(err)
	}
	return resp.StatusCode, gjson.ParseBytes(answer)
}

// must is call, answered with 200.
func (p *person) must(method, path string, body any) gjson.Result {
	p.b.Helper()
	status, answer := p.call(method, path, body)
	if status != http.StatusOK {
		p.b.Fatalf("%s %s: %d %s", method, path, status, answer.Raw)
	}
	return answer
}

func (p *person) create(values map[string]any) gjson.Result {
	p.b.Helper()
	return p.must("POST", sandboxType, values)
}

// put saves a form that was opened at a version.
func (p *person) put(id string, version int64, values map[string]any) (int, gjson.Result) {
	return p.call("PUT", sandboxType+"/"+id, values, "X-Version-Number", strconv.FormatInt(version, 10))
}

func newReal(b *testing.B, records int) *realCRM {
	b.Helper()
	w := sandbox.NewWorld(sandbox.WorldOptions{Seed: 1, Unlinked: -1, OnlyAdvoware: -1})
	advo, err := w.Advoware.Start(b.Context(), "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	r := &realCRM{w: w, url: os.Getenv("REAL_ESPOCRM"), nums: map[string]int64{}}
	r.program = newProgram(b, w, r.url, advo)
	r.env = append(r.env, "ADVOSYNC_ESPOCRM_API_KEY="+os.Getenv("REAL_KEY"))
	r.us = r.signIn("X-Api-Key", os.Getenv("REAL_KEY"))
	for _, who := range strings.Split(os.Getenv("REAL_PEOPLE"), ",") {
		name, _, _ := strings.Cut(who, ":")
		p := r.signIn("Espo-Authorization", base64.StdEncoding.EncodeToString([]byte(who)))
		token := p.must("GET", "App/user", nil).Get("token").String()
		r.people = append(r.people, r.signIn("Espo-Authorization", base64.StdEncoding.EncodeToString([]byte(name+":"+token)), "Espo-Authorization-By-Token", "true"))
	}
	if len(r.people) < 2 {
		b.Fatal("REAL_PEOPLE names fewer than two people")
	}
	if n := len(r.us.must("GET", sandboxType+"?maxSize=1&select=id", nil).Get("list").Array()); n > 0 {
		b.Fatalf("there are records of %s in %s: is it really there for tests?", sandboxType, r.url)
	}
	b.Cleanup(r.empty)
	r.fill(records)
	return r
}

func (r *realCRM) signIn(header ...string) *person {
	p := &person{b: r.b, url: r.url, client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}, header: http.Header{}}
	for i := 0; i+1 < len(header); i += 2 {
		p.header.Set(header[i], header[i+1])
	}
	p.header.Set("Content-Type", "application/json")
	return p
}

// empty deletes what was made.
func (r *realCRM) empty() {
	for {
		list := r.us.must("GET", sandboxType+"?maxSize=200&select=id", nil).Get("list").Array()
		for _, o := range list {
			r.us.must("DELETE", sandboxType+"/"+o.Get("id").String(), nil)
		}
		if len(list) == 0 {
			return
		}
	}
}

// fill makes records, and has them created in Advoware.
func (r *realCRM) fill(n int) {
	r.b.Helper()
	for i := range n {
		o := r.people[0].create(map[string]any{"name": fmt.Sprintf("Person %04d", i), "firstName": "P", "lastName": fmt.Sprintf("Person%04d", i), "syncStatus": "pending_sync",
			"email": fmt.Sprintf("p%d@example.de", i), "phone": fmt.Sprintf("0511 %06d", i), "geburtsdatum": "1980-01-01"})
		r.ids = append(r.ids, o.Get("id").String())
	}
	if n == 0 {
		return
	}
	for range 3 {
		r.run("cron-run", "-q", "--allow-creates", strconv.Itoa(2*n))
	}
	for _, id := range r.ids {
		if r.nums[id] = r.us.must("GET", sandboxType+"/"+id, nil).Get("advowareId").Int(); r.nums[id] == 0 {
			r.b.Fatalf("%s was not created in Advoware", id)
		}
	}
}

func (r *realCRM) editAdvo(id string, values map[string]any) {
	if err := r.w.Advoware.Edit(sandbox.BeteiligtePath, r.nums[id], values); err != nil {
		r.b.Error(err)
	}
}

// editAll is what people change in EspoCRM, four at a time.
func (r *realCRM) editAll(field, form string, round int) {
	var all sync.WaitGroup
	for k := range 4 {
		all.Go(func() {
			p := *r.people[k%len(r.people)]
			p.client = &http.Client{}
			for i := k; i < len(r.ids); i += 4 {
				if status, answer := p.call("PUT", sandboxType+"/"+r.ids[i], map[string]any{field: fmt.Sprintf(form, round, i)}); status != http.StatusOK {
					r.b.Errorf("%d %s", status, answer.Raw)
				}
			}
		})
	}
	all.Wait()
}

// benchRealPass is what a pass over a hundred edited records takes, three times.
func benchRealPass(b *testing.B) {
	r := newReal(b, 100)
	inAdvoware := func(round int) {
		for i, id := range r.ids {
			r.editAdvo(id, map[string]any{"emailGesch": fmt.Sprintf("a%d-%d@example.de", round, i)})
		}
	}
	for _, kind := range []struct {
		name string
		edit func(round int)
	}{
		{"edited-in-espocrm", func(round int) { r.editAll("phone", "0511 %03d%04d", round) }},
		{"edited-in-advoware", inAdvoware},
		{"conflicts", func(round int) { inAdvoware(round + 100); r.editAll("email", "e%d-%d@example.de", round) }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			var took []float64
			for round := range 3 {
				kind.edit(round)
				time.Sleep(1500 * time.Millisecond) // EspoCRM's stamps are whole seconds
				e := r.run("cron-run", "-o", "json", "--allow-mass-change")
				took = append(took, e.wall.Seconds())
				if s := gjson.Get(e.out, "summary"); s.Get("updatedAdvoware").Int()+s.Get("updatedEspocrm").Int() != 100 {
					b.Errorf("%s", s.Raw)
				}
				b.ReportMetric(gjson.Get(e.out, "calls.espocrm").Float(), "calls-espocrm")
			}
			slices.Sort(took)
			b.ReportMetric(took[1], "median-s")
			b.ReportMetric(took[2], "worst-s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// write is a record's write by the module, as a writer of two sees it; true: it was made.
func (p *person) write(id, phone string, expect map[string]any) bool {
	answer := p.must("POST", "Advosync/write", map[string]any{"type": sandboxType, "items": []any{map[string]any{"id": id, "set": map[string]any{"phone": phone}, "expect": expect}}})
	return answer.Get("results.0.result").String() == "ok"
}

// benchRealPairs has two writers with one version at the same moment, two hundred times: how
// often both are told that it worked, and how often something else stands there in the end.
func benchRealPairs(b *testing.B) {
	r := newReal(b, 0)
	status, _ := r.us.call("GET", "Advosync/info", nil)
	put := func(p *person, id, phone string, version int64) bool {
		status, _ := p.put(id, version, map[string]any{"phone": phone})
		return status == http.StatusOK
	}
	byVersion := func(p *person, id, phone string, version int64) bool {
		return p.write(id, phone, map[string]any{"versionNumber": version})
	}
	byValue := func(p *person, id, phone string, _ int64) bool {
		return p.write(id, phone, map[string]any{"values": map[string]any{"phone": "0"}})
	}
	other := *r.us
	other.client = &http.Client{}
	for _, kind := range []struct {
		name   string
		module bool
		a, b   func(p *person, id, phone string, version int64) bool
		pa, pb *person
	}{
		{"put-put", false, put, put, r.people[0], r.people[1]},
		{"write-write-version", true, byVersion, byVersion, r.us, &other},
		{"write-write-values", true, byValue, byValue, r.us, &other},
		{"put-write", true, put, byVersion, r.people[0], r.us},
	} {
		if kind.module && status != http.StatusOK {
			continue
		}
		b.Run(kind.name, func(b *testing.B) {
			both, wrong := 0, 0
			for range 200 {
				o := r.people[0].create(map[string]any{"name": "P", "lastName": "P", "phone": "0"})
				id, version := o.Get("id").String(), o.Get("versionNumber").Int()
				var wa, wb bool
				var pair sync.WaitGroup
				pair.Go(func() { wa = kind.a(kind.pa, id, "1", version) })
				pair.Go(func() { wb = kind.b(kind.pb, id, "2", version) })
				pair.Wait()
				stands := r.us.must("GET", sandboxType+"/"+id, nil).Get("phone").String()
				switch {
				case wa && wb:
					both++
				case wa == wb, wa && stands != "1", wb && stands != "2":
					wrong++
				}
			}
			b.ReportMetric(float64(both), "both")
			b.ReportMetric(float64(wrong), "wrong")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// turnedAway is a save that EspoCRM has answered with 409.
type turnedAway struct {
	id            string
	seen, current int64
}

// diary is what people did: the last value of each field that is to stand in the end,
// who made which version, and what was refused.
type diary struct {
	mu       sync.Mutex
	last     map[[2]string]string
	at       map[[2]string]time.Time // when that was saved
	versions map[string]map[int64]bool
	refused  []turnedAway
	saves    int
}

func (d *diary) saved(id, field, value string, version int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last[[2]string{id, field}], d.at[[2]string{id, field}] = value, time.Now()
	d.saves++
	if d.versions[id] == nil {
		d.versions[id] = map[int64]bool{}
	}
	d.versions[id][version] = true
}

func (d *diary) refuse(x turnedAway) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused = append(d.refused, x)
}

// becauseOfUs counts the saves that were refused although no person had saved since the
// form was opened: all versions in between are the sync's, which writes no field of these.
func (d *diary) becauseOfUs() (n int) {
	for _, x := range d.refused {
		met := false
		for v := x.seen + 1; v <= x.current; v++ {
			met = met || d.versions[x.id][v]
		}
		if !met {
			n++
		}
	}
	return n
}

// types edits random records in a form that stays open for a while, one field.
func (d *diary) types(p *person, ids []string, field string, form string, n int, seed uint64) {
	rnd, open := rand.New(rand.NewPCG(seed, 1)), map[string]int64{}
	for i := range n {
		id := ids[rnd.IntN(len(ids))]
		if _, is := open[id]; !is || rnd.IntN(10) < 3 {
			open[id] = p.must("GET", sandboxType+"/"+id, nil).Get("versionNumber").Int()
		}
		value := fmt.Sprintf(form, i)
		for tries := 0; ; tries++ {
			status, answer := p.put(id, open[id], map[string]any{field: value})
			if status == http.StatusOK {
				open[id] = answer.Get("versionNumber").Int()
				d.saved(id, field, value, open[id])
				break
			}
			if status != http.StatusConflict || tries == 50 {
				p.b.Errorf("%s: %d %s", id, status, answer.Raw)
				break
			}
			d.refuse(turnedAway{id, open[id], answer.Get("versionNumber").Int()})
			open[id] = answer.Get("versionNumber").Int() // he says: mine is to stand
		}
	}
}

// benchRealEdits has two people edit in EspoCRM and two in Advoware, with a pass every two
// seconds. Each has a field of his own, so every last value has to stand on both sides.
func benchRealEdits(b *testing.B) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("REAL_EDITS"), "10000"))
	if err != nil {
		b.Fatal(err)
	}
	r := newReal(b, 100)
	d := &diary{last: map[[2]string]string{}, at: map[[2]string]time.Time{}, versions: map[string]map[int64]bool{}}
	var people sync.WaitGroup
	people.Go(func() { d.types(r.people[0], r.ids, "phone", "0511 1%06d", n/4, 1) })
	people.Go(func() { d.types(r.people[1], r.ids, "email", "b%06d@example.de", n/4, 2) })
	for k, field := range [][2]string{{"firstName", "vorname"}, {"lastName", "name"}} {
		people.Go(func() {
			rnd := rand.New(rand.NewPCG(3, uint64(k)))
			for i := range n / 4 {
				id, value := r.ids[rnd.IntN(len(r.ids))], fmt.Sprintf("A%d%06d", k, i)
				r.editAdvo(id, map[string]any{field[1]: value})
				d.saved(id, field[0], value, -1)
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	begin, passes, stop, stopped := time.Now(), 0, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for ; ; passes++ {
			r.run("cron-run", "-q", "--allow-mass-change")
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Second):
			}
		}
	}()
	people.Wait()
	took := time.Since(begin)
	close(stop)
	<-stopped
	for range 4 {
		r.run("cron-run", "-q", "--allow-mass-change")
	}
	b.ReportMetric(float64(d.saves), "edits")
	b.ReportMetric(took.Seconds(), "s")
	b.ReportMetric(float64(passes), "passes")
	b.ReportMetric(float64(len(d.refused)), "refused")
	b.ReportMetric(float64(d.becauseOfUs()), "refused-by-us")
	lost, buried := r.lost(d)
	b.ReportMetric(float64(lost), "lost")
	b.ReportMetric(float64(buried), "buried-in-advoware")
	b.ReportMetric(0, "ns/op")
}

// lost counts the last values that do not stand on both sides. Those that somebody saved
// in Advoware between a read and the write that rests on it are buried: Advoware cannot
// refuse that write.
func (r *realCRM) lost(d *diary) (lost, buried int) {
	advo := map[string]string{"phone": "telGesch", "email": "emailGesch", "firstName": "vorname", "lastName": "name"}
	for _, id := range r.ids {
		o := r.us.must("GET", sandboxType+"/"+id, nil)
		for field, name := range advo {
			want, edited := d.last[[2]string{id, field}]
			is := r.w.Advoware.Value(sandbox.BeteiligtePath, r.nums[id], name)
			switch {
			case !edited || o.Get(field).String() == want && is == want:
			case (name == "vorname" || name == "name") && r.between(id, d.at[[2]string{id, field}]):
				buried++
			default:
				r.b.Logf("%s %s: %s was saved last, EspoCRM has %s, Advoware %s; %s %s", id, field, want, o.Get(field), is, o.Get("syncStatus"), o.Get("syncErrorMessage"))
				lost++
			}
		}
	}
	return lost, buried
}

// between reports whether a moment lay between a read of Advoware's record and the write
// after it.
func (r *realCRM) between(id string, at time.Time) bool {
	var read time.Time
	for _, e := range r.w.Log.Entries() {
		if !strings.HasSuffix(e.Path, fmt.Sprint("/", r.nums[id])) {
			continue
		}
		switch {
		case e.Method == http.MethodGet:
			read = e.Time
		case !read.IsZero() && read.Before(at) && at.Before(e.Time.Add(20*time.Millisecond)):
			r.b.Logf("%s was edited in Advoware %s after the read that was written %s after it", id, at.Sub(read), e.Time.Sub(read))
			return true
		}
	}
	return false
}

// benchRealLog reads the log of changes while five people save 1,800 times; then it asks
// it with nothing new.
func benchRealLog(b *testing.B) {
	r := newReal(b, 0)
	if status, _ := r.us.call("GET", "Advosync/info", nil); status != http.StatusOK {
		b.Skip("without the module")
	}
	var ids []string
	for range 120 {
		ids = append(ids, r.people[0].create(map[string]any{"name": "P", "lastName": "P"}).Get("id").String())
	}
	reader := *r.us
	reader.client = &http.Client{}
	ask := func(at gjson.Result) gjson.Result {
		body := map[string]any{"type": sandboxType}
		if at.Exists() {
			body["after"], body["mark"] = at.Get("last").Int(), at.Get("mark").String()
		}
		return reader.must("POST", "Advosync/changes", body)
	}
	at := ask(gjson.Result{})
	var writers sync.WaitGroup
	for k := range 5 {
		writers.Go(func() {
			p, rnd := *r.people[k%len(r.people)], rand.New(rand.NewPCG(5, uint64(k)))
			p.client = &http.Client{}
			for i := range 360 {
				p.must("PUT", sandboxType+"/"+ids[rnd.IntN(len(ids))], map[string]any{"phone": fmt.Sprint(k, i)})
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	rows, twice := map[int64]bool{}, 0
	for over := false; ; {
		select {
		case <-done:
			over = true
		default:
		}
		at = ask(at)
		for _, row := range at.Get("rows").Array() {
			if rows[row.Get("number").Int()] {
				twice++
			}
			rows[row.Get("number").Int()] = true
		}
		if at.Get("gap").Bool() {
			b.Error("a gap")
		}
		if over && len(at.Get("rows").Array()) == 0 {
			break
		}
	}
	var took []float64
	for range 30 {
		begin := time.Now()
		ask(at)
		took = append(took, time.Since(begin).Seconds()*1000)
	}
	slices.Sort(took)
	b.ReportMetric(float64(len(rows)), "rows")
	b.ReportMetric(float64(5*360-len(rows)), "missed")
	b.ReportMetric(float64(twice), "twice")
	b.ReportMetric(took[15], "poll-ms")
	b.ReportMetric(0, "ns/op")
}
