package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/viper"

	"advosync/internal/mapping"
	"advosync/internal/mapping/strictyaml"
)

// officesKey is the list of offices. It is no setting: its items hold settings.
const officesKey = "offices"

// maxOfficeName bounds the name of an office, and a store's prefix, in characters.
const maxOfficeName = 32

// plainName is what an office and a store's prefix are called: a part of keys, file
// names and variables.
var plainName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// officeEntry is an item of the list.
type officeEntry struct {
	name   string
	at     raw // of the name
	values map[string]any
}

// Offices are the offices that are configured, each with everything that holds for it,
// in the order of the file. Where none is configured it is the configuration itself,
// which has no name.
func (c *Config) Offices() []*Config {
	if len(c.offices) == 0 {
		return []*Config{c}
	}
	return slices.Clone(c.offices)
}

// OfficeNames are the names of the offices in the order of the file; none where none is
// configured.
func (c *Config) OfficeNames() []string {
	var names []string
	for _, o := range c.offices {
		names = append(names, o.Office)
	}
	return names
}

// UnknownOffice is the answer to a name that no office has, and to none where there are
// several.
type UnknownOffice struct {
	Name  string // "" when none was given
	Known []string
}

// Error names the known ones.
func (e *UnknownOffice) Error() string {
	known := strings.Join(e.Known, ", ")
	switch near := strictyaml.Nearest(e.Name, e.Known); {
	case len(e.Known) == 0:
		return fmt.Sprintf("unknown office %q: the configuration has no offices", e.Name)
	case e.Name == "":
		return "several offices are configured, name one with --office: " + known
	case near != "":
		return fmt.Sprintf("unknown office %q; configured: %s (did you mean %s?)", e.Name, known, near)
	default:
		return fmt.Sprintf("unknown office %q; configured: %s", e.Name, known)
	}
}

// ForOffice is what holds for one office, found without regard to case. "" is the only
// one there is, or the configuration itself where there are none. The error is
// *UnknownOffice.
func (c *Config) ForOffice(name string) (*Config, error) {
	all := c.Offices()
	if name == "" && len(all) == 1 {
		return all[0], nil
	}
	for _, o := range c.offices {
		if strings.EqualFold(o.Office, name) {
			return o, nil
		}
	}
	return nil, &UnknownOffice{Name: name, Known: c.OfficeNames()}
}

// OfficeEnvName is the environment variable of a key for one office.
func OfficeEnvName(office, key string) string {
	return EnvName("office." + strings.ReplaceAll(office, "-", "_") + "." + key)
}

// listOffices reads the list as far as it can be read without the settings.
func (l *loading) listOffices(n strictyaml.Node) {
	if n.Kind != strictyaml.List {
		l.add(officesKey, raw{node: n, layer: fromFile}, "must be a list of offices, each with a name")
		return
	}
	seen := map[string]int{} // name → line
	for _, item := range n.Items {
		at := raw{node: item, layer: fromFile}
		if item.Kind != strictyaml.Map {
			l.named = append(l.named, "")
			l.add(officesKey, at, "must be a map of settings with a name")
			continue
		}
		e := officeEntry{values: map[string]any{}, at: at}
		settings := item
		settings.Pairs = slices.DeleteFunc(slices.Clone(item.Pairs), func(p strictyaml.Pair) bool { return p.Name == "name" })
		l.branch(settings, "", fromOffice, e.values)
		name, _ := item.Get("name")
		if name.Line > 0 {
			e.at.node = name
		}
		e.name = strings.TrimSpace(name.Value)
		l.named = append(l.named, e.name)
		switch line, twice := seen[e.name]; {
		case !officeName(e.name):
			l.add(officesKey, e.at, "name must be small letters, digits and - between them, at most %d, and not the word all", maxOfficeName)
			continue
		case twice:
			l.add(officesKey, e.at, "%s is the name of the office in line %d already", e.name, line)
			continue
		}
		seen[e.name] = e.at.node.Line
		l.entries = append(l.entries, e)
	}
}

// tellOffices adds the name of the office to what is wrong with one: a list of twenty is
// not read by numbers.
func (l *loading) tellOffices() {
	for i := range l.problems {
		p := &l.problems[i]
		for n, name := range l.named {
			if strings.HasPrefix(p.Key, fmt.Sprintf("%s[%d].", officesKey, n)) && officeName(name) && !strings.Contains(p.Text, name) {
				p.Key += " (" + name + ")"
			}
		}
	}
}

// officeName: a plain name, and not the word for every office.
func officeName(name string) bool {
	return plainName.MatchString(name) && len(name) <= maxOfficeName && name != "all"
}

// offices resolves each office: what it says itself, else what the top level says.
func (l *loading) offices(v *viper.Viper) {
	if from, set := l.sources["store.prefix"]; set && len(l.entries) > 0 {
		l.add("store.prefix", from, "sets nothing apart here, because there are offices; it belongs to each of them")
	}
	whole := slices.Clone(l.cfg.Warnings)
	for i := range l.entries {
		if o := l.office(v, &l.entries[i]); o != nil {
			for _, w := range whole { // whoever asks for one office is told, too
				if !slices.Contains(o.Warnings, w) {
					o.Warnings = append(o.Warnings, w)
				}
			}
			l.cfg.offices = append(l.cfg.offices, o)
		}
	}
	l.apart()
	for _, o := range l.cfg.offices {
		o.others = othersPlaces(o, l.cfg.offices)
		if top := l.cfg.Store.Path; top != "" && !slices.Contains(o.roots, top) {
			o.roots = append(o.roots, top) // where the memory was before there were offices
		}
	}
}

func (l *loading) office(v *viper.Viper, e *officeEntry) *Config {
	o := &loading{opts: l.opts, env: l.env, searched: l.searched, opened: l.opened, compiled: l.compiled, cfg: &Config{File: l.cfg.File, Office: e.name}}
	o.settings = settings(o.cfg)
	own := viper.New()
	for _, layer := range []map[string]any{v.AllSettings(), e.values} {
		if err := own.MergeConfigMap(layer); err != nil {
			l.add(officesKey, e.at, "cannot be used: %v", err)
			return nil
		}
	}
	for _, key := range settingKeys() {
		name := OfficeEnvName(e.name, key)
		if text := l.env[name]; text != "" {
			o.over(own, key, raw{node: textNode(text), layer: fromOfficeEnv, name: name})
		}
	}
	o.flags(own)
	for i := range o.settings {
		if o.settings[i].key == "store.prefix" {
			o.settings[i].def = e.name
		}
		o.apply(own, &o.settings[i])
	}
	if !o.sources["ping.url"].layer.ofOffice() {
		// The dead man's switch of all is told of the whole, by whoever makes it.
		o.inForce("ping.url", "", &o.cfg.Ping.URL)
	}
	o.check()
	o.entities()
	for _, p := range o.problems {
		if !slices.Contains(l.problems, p) { // what is inherited is wrong for each
			l.problems = append(l.problems, p)
		}
	}
	for _, w := range o.cfg.Warnings {
		if !slices.Contains(l.cfg.Warnings, w) {
			l.cfg.Warnings = append(l.cfg.Warnings, w)
		}
	}
	o.cfg.sources = o.sources
	return o.cfg
}

// shared is what two offices must not have in common.
type shared struct {
	key  string
	of   func(c *Config) string // "": nothing that could be shared
	text string                 // with the other office's name
}

// apart refuses offices that would remember each other's clients, answer each other's
// calls, or be the same twice.
func (l *loading) apart() {
	same := []shared{
		{"store", (*Config).storePlace, "would remember its records where office %s does; each needs a store.prefix, or a store.path, of its own"},
		{"advoware.kanzlei", (*Config).systems, "has the same Kanzlei and EspoCRM as office %s"},
		{"metrics.textfile", func(c *Config) string { return c.Metrics.Textfile }, "would write the file of office %s"},
		{"watch.socket", func(c *Config) string { return c.Watch.Socket }, "would listen where office %s does"},
		{"watch.listen", (*Config).hooksAt, "would listen where office %s does; each office with watch.webhooks needs a port of its own"},
	}
	for i, b := range l.cfg.offices {
		for _, s := range same {
			for _, a := range l.cfg.offices[:i] {
				if mine := s.of(b); mine != "" && mine == s.of(a) {
					l.clash(b, s, a.Office)
					break
				}
			}
		}
		for _, a := range l.cfg.offices[:i] {
			if t := sharedType(a, b); t != "" {
				l.clash(b, shared{key: "espocrm", text: "would sync the records of " + t + " in the same EspoCRM, as the same user, as office %s; each of them has one link to Advoware. " +
					"Give each office a user of its own who sees its records alone, or types of its own"}, a.Office)
				break
			}
		}
	}
}

// sharedType is an EspoCRM type that two offices sync as one user, where the systems are
// not the same anyway; "": there is none. Its records would be made, and written, in both
// offices' Advoware.
func sharedType(a, b *Config) string {
	if a.espoUser() == "" || a.espoUser() != b.espoUser() || a.systems() == b.systems() {
		return ""
	}
	for _, m := range a.Mappings {
		if slices.ContainsFunc(b.Mappings, func(o *mapping.Mapping) bool { return o.EspoType() == m.EspoType() }) {
			return m.EspoType()
		}
	}
	return ""
}

// espoUser is who an office is in which EspoCRM.
func (c *Config) espoUser() string {
	u, err := url.Parse(c.EspoCRM.URL)
	key := c.EspoCRM.APIKey.Reveal()
	if err != nil || u.Host == "" || key == "" {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	if loopback(host) {
		host = "localhost"
	}
	return host + ":" + u.Port() + u.Path + " " + key
}

func (l *loading) clash(c *Config, s shared, other string) {
	for _, e := range l.entries {
		if e.name != c.Office {
			continue
		}
		at := e.at
		if from, ok := c.sources[s.key]; ok && from.layer.ofOffice() {
			at = from
		}
		if at.layer == fromFile {
			at.node.Key = strings.TrimSuffix(at.node.Key, ".name") + "." + s.key
		}
		l.add(s.key, at, c.Office+" "+s.text, other)
	}
}

// storePlace is where an office's memory is; a password is not in it.
func (c *Config) storePlace() string {
	if c.Store.Driver == "redis" {
		return "redis " + redisPlace(c.Redis.URL.Reveal()) + " " + c.Store.Prefix
	}
	path := c.Store.Path
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(dir, filepath.Base(path))
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	return path
}

// othersPlaces are those of the other offices' memories, in use or not. What is only another
// one's by its configuration, and this office's, too, is not among them.
func othersPlaces(c *Config, all []*Config) (places []string) {
	mine := c.storePlaces()
	for _, o := range all {
		for _, place := range o.storePlaces() {
			if o != c && (place == o.storePlace() || !slices.Contains(mine, place)) {
				places = append(places, place)
			}
		}
	}
	return places
}

// storePlaces are where an office's memory may be by what it names itself: where it is, and
// where it would be with another store.driver.
func (c *Config) storePlaces() []string {
	file, server := *c, *c
	file.Store.Driver, server.Store.Driver = "embedded", "redis"
	if c.Store.Driver == "embedded" && !c.redisNamed {
		return []string{file.storePlace()}
	}
	return []string{file.storePlace(), server.storePlace()}
}

// Names reports whether a place that Former has named is one that this configuration
// names itself: it is this office's, with another store.driver.
func (c *Config) Names(s StoreSettings) bool {
	return s.Driver != c.Store.Driver && s.Path == c.Store.Path
}

// Former are places, beside this office's own, in which its memory may have been left:
// the office was alone until now, or has been renamed, or is alone again, or has moved from
// files to Redis, or back while redis.url is still named. None of them is another configured
// office's, be it in use or not. prefixes are those that the Redis
// server holds keys of; "" is always among them.
func (c *Config) Former(prefixes []string) (all []StoreSettings) {
	add := func(s StoreSettings) {
		o := *c
		o.Store = s
		if place := o.storePlace(); place != c.storePlace() && !slices.Contains(c.others, place) {
			all = append(all, s)
		}
	}
	if c.Store.Driver == "redis" {
		for _, p := range append([]string{""}, prefixes...) {
			add(StoreSettings{Driver: c.Store.Driver, Prefix: p, Path: c.Store.Path})
		}
	}
	if c.Store.Driver == "embedded" && c.redisNamed {
		add(StoreSettings{Driver: "redis", Prefix: c.Store.Prefix, Path: c.Store.Path})
	}
	for _, root := range c.roots {
		dir, file := filepath.Split(root)
		beside, err := os.ReadDir(dir)
		if err != nil {
			continue // it is made by the first sync
		}
		add(StoreSettings{Driver: "embedded", Path: root})
		for _, d := range beside {
			if d.IsDir() {
				add(StoreSettings{Driver: "embedded", Prefix: d.Name(), Path: filepath.Join(dir, d.Name(), file)})
			}
		}
	}
	return slices.DeleteFunc(all, func(s StoreSettings) bool {
		info, err := os.Stat(s.Path)
		return s.Driver == "embedded" && (err != nil || !info.Mode().IsRegular())
	})
}

// PrefixLeadsTo reports whether a place that Former has named is this office's with its
// prefix alone. An office that names its file itself, or a directory that no prefix can
// be called like, needs a store.path.
func (c *Config) PrefixLeadsTo(s StoreSettings) bool {
	if s.Driver == "redis" {
		return true
	}
	return c.Office != "" && !c.sources["store.path"].layer.ofOffice() && (s.Prefix == "" || plainName.MatchString(s.Prefix) && len(s.Prefix) <= maxOfficeName)
}

// redisPlace is a server and its database.
func redisPlace(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return strings.TrimPrefix(address, "unix://")
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if loopback(host) {
		host = "localhost"
	}
	if port == "" {
		port = "6379"
	}
	db := strings.Trim(u.Path, "/")
	if db == "" {
		db = "0"
	}
	return host + ":" + port + "/" + db
}

// systems are the two systems of an office, as far as a configuration tells them apart.
func (c *Config) systems() string {
	u, err := url.Parse(c.EspoCRM.URL)
	if err != nil || u.Host == "" || c.Advoware.Kanzlei == "" {
		return ""
	}
	return strings.ToLower(u.Host) + u.Path + " " + strings.ToLower(c.Advoware.Kanzlei)
}

func (c *Config) hooksAt() string {
	if len(c.Watch.Webhooks) == 0 {
		return ""
	}
	return c.Watch.Listen
}

// ownStore sets an office's memory apart from the others': in a directory of its own
// beside the file that all would share, unless it names a file itself. In Redis the
// prefix stands before the keys.
func (l *loading) ownStore() {
	c := l.cfg
	c.roots = []string{c.Store.Path}
	_, c.redisNamed = l.sources["redis.url"]
	if c.Store.Prefix != "" && (!plainName.MatchString(c.Store.Prefix) || len(c.Store.Prefix) > maxOfficeName) {
		l.add("store.prefix", l.sources["store.prefix"], "must be small letters, digits and - between them, at most %d", maxOfficeName)
		return
	}
	from := l.sources["store.path"]
	itself := from.layer.ofOffice() || c.Office == "" && from.layer != fromDefault
	if c.Store.Prefix == "" || c.Store.Path == "" || itself {
		return
	}
	l.inForce("store.path", filepath.Join(filepath.Dir(c.Store.Path), c.Store.Prefix, filepath.Base(c.Store.Path)), &c.Store.Path)
}

// ownFiles gives an office files of its own where the top level names one for all.
func (l *loading) ownFiles() {
	c := l.cfg
	if c.Office == "" {
		return
	}
	for _, f := range []struct {
		key string
		to  *string
	}{{"metrics.textfile", &c.Metrics.Textfile}, {"watch.socket", &c.Watch.Socket}} {
		if *f.to == "" || l.sources[f.key].layer.ofOffice() {
			continue
		}
		ext := filepath.Ext(*f.to)
		l.inForce(f.key, strings.TrimSuffix(*f.to, ext)+"-"+c.Office+ext, f.to)
	}
}

// inForce replaces a value that nothing has said for this office.
func (l *loading) inForce(key, value string, to *string) {
	*to = value
	for i := range l.cfg.values {
		if l.cfg.values[i].Key == key {
			l.cfg.values[i].Text = value
		}
	}
}
