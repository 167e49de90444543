package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"advosync/internal/mapping"
)

// Base URLs of a world that serves in memory.
const (
	EspoMemoryURL = "https://crm.sandbox.test"
	AdvoMemoryURL = "https://advoware.sandbox.test"
)

// WorldOptions configures a world.
type WorldOptions struct {
	Seed  uint64 // equal seeds give equal worlds
	Clock *Clock // nil: the real time
	// Empty leaves both systems without records.
	Empty bool
	// Unlinked is the number of records that are only in EspoCRM, OnlyAdvoware of those only in Advoware, Twins of
	// those that are in both without being linked; all other samples are linked and clean. 0 means 6, 6 and none;
	// a negative number means none.
	Unlinked, OnlyAdvoware, Twins int
	// More adds so many further linked pairs, for measurements.
	More int
	// Extension adds what the extension installs: the marker advowareEditedAt and the formula.
	Extension bool
	// Companion adds the extension's module as well.
	Companion bool
	EspoCRM   EspoCRMOptions // Clock, Faults and Log are the world's
	Advoware  AdvowareOptions
	played    []*mapping.Mapping // nil: Beteiligte
}

// World is both systems with sample data, sharing clock, faults and log.
type World struct {
	EspoCRM  *EspoCRM
	Advoware *Advoware
	Clock    *Clock
	Faults   *Faults
	Log      *Log
	// EspoURL and AdvoURL are where the systems answer: in memory, or on loopback after Start.
	EspoURL, AdvoURL string
	played           []*mapping.Mapping // nil: Beteiligte
}

// NewWorld returns both systems, filled.
func NewWorld(opts WorldOptions) *World {
	w := &World{Clock: opts.Clock, Faults: new(Faults), Log: new(Log), EspoURL: EspoMemoryURL, AdvoURL: AdvoMemoryURL}
	if w.Clock == nil {
		w.Clock = NewClock(nil)
	}
	espo, advo := opts.EspoCRM, opts.Advoware
	espo.Clock, espo.Faults, espo.Log = w.Clock, w.Faults, w.Log
	advo.Clock, advo.Faults, advo.Log, advo.Seed = w.Clock, w.Faults, w.Log, opts.Seed
	if advo.Resources == nil && !opts.Empty {
		advo.Resources = []Resource{{Path: BeteiligtePath, Records: sampleBeteiligte}}
	}
	opts.Extension = opts.Extension || opts.Companion
	if opts.Extension && espo.Defs == nil {
		espo.Defs = DefaultDefs()
		espo.Defs[0].Fields = append(espo.Defs[0].Fields, EditedAtField())
	}
	w.EspoCRM, w.Advoware = NewEspoCRM(espo), NewAdvoware(advo)
	if opts.Extension && espo.Formula == nil {
		w.EspoCRM.formula = w.EspoCRM.stockFormula()
	}
	if opts.Companion {
		w.EspoCRM.InstallCompanion()
	}
	w.played = opts.played
	c := &console{espo: w.EspoCRM, advo: w.Advoware}
	w.EspoCRM.console, w.Advoware.console = c, c
	switch {
	case opts.Empty:
	case opts.played != nil:
		for _, m := range opts.played {
			w.fillPlayed(m)
		}
	default:
		w.fill(opts)
	}
	return w
}

// Start serves both systems on these addresses (host:port; port 0 picks one) until ctx ends.
func (w *World) Start(ctx context.Context, espoAddr, advoAddr string) error {
	espo, err := w.EspoCRM.Start(ctx, espoAddr)
	if err != nil {
		return fmt.Errorf("start the EspoCRM simulator: %w", err)
	}
	advo, err := w.Advoware.Start(ctx, advoAddr)
	if err != nil {
		return fmt.Errorf("start the Advoware simulator: %w", err)
	}
	w.EspoURL, w.AdvoURL = espo, advo
	return nil
}

// Transport serves both systems in memory under EspoMemoryURL and AdvoMemoryURL.
func (w *World) Transport() *Transport {
	return NewTransport(hostOf(EspoMemoryURL), w.EspoCRM, hostOf(AdvoMemoryURL), w.Advoware)
}

func hostOf(u string) string { return strings.TrimPrefix(u, "https://") }

// Client returns an http.Client over Transport.
func (w *World) Client() *http.Client { return &http.Client{Transport: w.Transport()} }

// Config returns a ready advosync.yaml for this world with an embedded store in dir. entities are mapping files
// relative to it; none: the built-in mapping.
func (w *World) Config(dir string, entities ...string) string {
	return configText(dir, w.EspoURL, w.AdvoURL, entities)
}

// OfficesConfig is Config for several offices, each with the world of its place in ws.
func OfficesConfig(dir string, names []string, ws []*World, entities ...string) string {
	var b strings.Builder
	b.WriteString(configText(dir, "", "", entities) + "offices:\n")
	for i, name := range names {
		fmt.Fprintf(&b, "  - name: %s\n    espocrm: {url: %q}\n    advoware: {configurator_url: %q}\n", name, ws[i].EspoURL, ConfiguratorURL(ws[i].AdvoURL))
	}
	return b.String()
}

// configText leaves out the addresses where there are none.
func configText(dir, espoURL, advoURL string, entities []string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("espocrm:")
	if espoURL != "" {
		line("  url: %q", espoURL)
	}
	line("  api_key: %q", KeyA)
	line("  notify: {via: stream, users: [admin]}")
	line("advoware:")
	line("  kanzlei: %q", Kanzlei)
	line("  database: %q", Database)
	line("  user: %q", AdvowareUser)
	line("  password: %q", AdvowarePass)
	line("  app_id: %q", AppID)
	line("  api_key: %q", AdvowareKey)
	if advoURL != "" {
		line("  configurator_url: %q", ConfiguratorURL(advoURL))
	}
	line("store:")
	line("  driver: embedded")
	line("  path: %q", filepath.ToSlash(filepath.Join(dir, "state.db")))
	if len(entities) > 0 {
		line("entities: [%s]", strings.Join(entities, ", "))
	}
	return b.String()
}

// Mapping returns the Beteiligte mapping with the list endpoint that the Advoware simulator has.
func (w *World) Mapping() string { return BeteiligteMapping() }

// BeteiligteMapping is the text of World.Mapping, for a played mapping that leads there.
func BeteiligteMapping() string { return worldMapping }

const worldMapping = `entity: Beteiligte
espocrm: {type: CBeteiligte}
advoware:
  path: api/v1/advonet/Beteiligte
  id: betNr
  row_id: rowId
  list: {path: api/v1/advonet/Beteiligte, page: page, size: pageSize, first: 1, max: 500, params: {}, items: ""}
match: [geburtsdatum, name]
fields:
  - {espocrm: email, advoware: emailGesch}
  - {espocrm: phone, advoware: telGesch}
  - {espocrm: geburtsdatum, advoware: geburtsdatum, type: date}
kinds:
  - name: person
    when: {espocrm: 'blank(firmenname)', advoware: '!blank(vorname)'}
    fields:
      - {espocrm: firstName, advoware: vorname}
      - {espocrm: lastName, advoware: name}
      - {espocrm: name, from_advoware: 'trim(vorname + " " + name)'}
      - {espocrm: firmenname, clear: espocrm}
  - name: firma
    when: {espocrm: '!blank(firmenname)', advoware: 'blank(vorname)'}
    fields:
      - {espocrm: firmenname, advoware: name}
      - {espocrm: name, from_advoware: 'name'}
      - {advoware: vorname, clear: advoware}
      - {espocrm: firstName, clear: espocrm}
      - {espocrm: lastName, clear: espocrm}
`
