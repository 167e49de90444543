package sandbox

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"advosync/internal/record"
)

// fill puts EspoCRM's records beside Advoware's.
func (w *World) fill(opts WorldOptions) {
	random := rand.New(rand.NewPCG(opts.Seed, 0))
	records := w.Advoware.All(BeteiligtePath)
	order := random.Perm(len(records))
	only := min(orDefault(opts.OnlyAdvoware, 6), len(records))
	twins := min(orDefault(opts.Twins, 0), len(records)-only)
	for i, at := range order {
		switch {
		case i < only:
		case i < only+twins:
			w.seed(with(mapped(records[at]), record.FieldStatus, "pending_sync"))
		default:
			w.link(records[at])
		}
	}
	for i := range orDefault(opts.Unlinked, 6) {
		w.seed(newcomer(i, random))
	}
	for i := range max(opts.More, 0) {
		w.more(records[i%len(records)], i)
	}
}

// sampleTime is when the samples got their ids: the same in every run, so that a page can name one.
var sampleTime = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

func (w *World) seed(values map[string]any) {
	if w.EspoCRM.opts.NextID == nil {
		values["id"] = w.EspoCRM.ids.next(sampleTime)
	}
	w.EspoCRM.Seed("CBeteiligte", values)
}

func orDefault(n, fallback int) int {
	if n == 0 {
		return fallback
	}
	return max(n, 0)
}

// link seeds a record that an earlier sync left clean.
func (w *World) link(raw []byte) {
	synced := w.EspoCRM.now().Add(-2 * time.Hour).Format(stampFormat)
	values := mapped(raw)
	values[record.FieldAdvowareID] = gjson.GetBytes(raw, "betNr").Int()
	values[record.FieldRowID] = gjson.GetBytes(raw, "rowId").String()
	values[record.FieldStatus], values[record.FieldLastSync] = "clean", synced
	values["createdAt"], values["modifiedAt"], values["modifiedById"] = synced, synced, APIUserID
	values["versionNumber"] = 2
	w.seed(values)
}

func with(values map[string]any, name string, v any) map[string]any {
	values[name] = v
	return values
}

// mapped is the Beteiligte mapping of the design (1-product): a firm has no vorname and no firstName, lastName.
func mapped(raw []byte) map[string]any {
	text := func(name string) string { return strings.TrimSpace(gjson.GetBytes(raw, name).String()) }
	first, last := text("vorname"), text("name")
	values := map[string]any{"email": emptyToNull(text("emailGesch")), "phone": emptyToNull(text("telGesch"))}
	if day := text("geburtsdatum"); len(day) >= 10 {
		values["geburtsdatum"] = day[:10]
	}
	if first == "" {
		values["firmenname"], values["name"] = last, legalName(last)
		return values
	}
	values["firstName"], values["lastName"], values["name"] = first, last, legalName(first+" "+last)
	return values
}

// legalName takes out what EspoCRM refuses in name.
func legalName(s string) string {
	return strings.TrimSpace(strings.NewReplacer("<", "", ">", "", "=", "").Replace(s))
}

// newcomer is a record that a person has entered in EspoCRM only.
func newcomer(i int, random *rand.Rand) map[string]any {
	status := []string{"pending_sync", "dirty"}[i%2]
	if i%3 == 2 {
		name := []string{"Neubau Kollwitz GmbH", "Öztürk & Söhne OHG", "Café Zentral e. K."}[i/3%3] + numbered(i/9)
		return map[string]any{"name": name, "firmenname": name, "email": fmt.Sprintf("post%d@firma.example", i), record.FieldStatus: status, "createdById": AnnaID}
	}
	first := []string{"Friederike", "Matthias", "Aylin", "Jörg"}[random.IntN(4)]
	last := []string{"Großmann", "Schäfer", "Weiß", "van Dyk", "Yıldız", "Löffler"}[i%6] + numbered(i/6)
	return map[string]any{"name": first + " " + last, "firstName": first, "lastName": last,
		"email": fmt.Sprintf("neu%d@example.org", i), "phone": fmt.Sprintf("0511 70%04d", i),
		"geburtsdatum": fmt.Sprintf("19%02d-%02d-%02d", 50+random.IntN(50), 1+random.IntN(12), 1+random.IntN(28)), record.FieldStatus: status, "createdById": AnnaID}
}

func numbered(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" %d", n+1)
}

// more adds a linked pair made of a sample, told apart by a number in its name.
func (w *World) more(sample []byte, i int) {
	raw := set(sample, "betNr", 0)
	raw = set(raw, "name", fmt.Sprintf("%s %d", gjson.GetBytes(sample, "name").String(), i+1))
	id := w.Advoware.Insert(BeteiligtePath, raw)
	raw, _ = w.Advoware.Get(BeteiligtePath, id)
	w.link(raw)
}
