package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"advosync/internal/advoware"
	"advosync/internal/config"
	"advosync/internal/draft"
	"advosync/internal/espocrm"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/mapping/strictyaml"
	"advosync/internal/record"
	"advosync/internal/report"
)

// draftFlags are the flags of init mapping.
type draftFlags struct {
	entity, espoType, advoPath, file string
	advowareID                       int64
}

// Samples of each system that a draft is made of.
const (
	draftSamples = 50 // records of a list
	draftPairs   = 20 // linked records that are read on both sides
)

func (a *app) initMappingCommand() *cobra.Command {
	var o draftFlags
	c := &cobra.Command{
		Use:   "mapping",
		Short: "Draft a mapping from what both systems say",
		Long: `Draft the mapping of an entity: from EspoCRM's metadata and samples of both
systems it pairs what is alike in name, type and value, and writes a mapping
file in which every line says why it is there. What is not sure is commented
out, what is left on either side is named. Values of records are compared and
not written, but for the words of a fixed choice.

Linked records tell the most; where there are none, Advoware's list is looked
at, or one record that --advoware-id names. Nothing is changed in either system,
no file is overwritten, and the draft counts only once it is among entities in
the configuration.`,
		Example: `  advosync init mapping --entity Akten
  advosync init mapping --entity Akten --espocrm-type CAkten \
    --advoware-path api/v1/advonet/Akten`,
		Args: a.noArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.entity, "entity", "", "`name` of the entity in the new mapping")
	f.StringVar(&o.espoType, "espocrm-type", "", "EspoCRM's entity `type` (default: C and the entity's name, or that name)")
	f.StringVar(&o.advoPath, "advoware-path", "", "Advoware's resource `path` (default: the entity's name beside the configured ones)")
	f.Int64Var(&o.advowareID, "advoware-id", 0, "`number` of a record to look at, where Advoware cannot list")
	f.StringVarP(&o.file, "file", "f", "", "`file` to write (default: the entity's name, in small letters, and .yaml)")
	must(c.MarkFlagFilename("file", "yaml", "yml"))
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case strings.TrimSpace(o.entity) == "":
			return usagef("which entity? Give the new mapping a name: --entity Akten")
		case c.Flags().Changed("advoware-id") && o.advowareID == 0:
			return usagef("--advoware-id must be a number")
		}
		return a.draftMapping(c.Context(), o)
	}
	return c
}

// draftMapping looks at both systems and writes the file.
func (a *app) draftMapping(ctx context.Context, o draftFlags) error {
	if o.file == "" {
		o.file = strings.ToLower(o.entity) + ".yaml"
	}
	if _, err := os.Lstat(o.file); err == nil { // before anything is asked
		return draftFault(&config.ExistsError{Path: o.file})
	}
	cfg, err := a.settings(loadOptions{File: a.flags.config})
	if err != nil {
		return configFault(err, "correct it, then: advosync doctor")
	}
	if err := cfg.Require(config.EspoCRM, config.Advoware); err != nil {
		return configFault(err, "advosync init writes a configuration in which every key is explained")
	}
	d := drafting{Source: draft.Source{Entity: o.entity, EspoType: o.espoType, AdvoPath: o.advoPath}, cfg: cfg}
	if err := d.valid(); err != nil {
		return err
	}
	if err := a.lookFor(ctx, &d, o.advowareID); err != nil {
		return err
	}
	made := draft.Write(d.Source)
	if made.Fields > 0 {
		if _, err := mapping.Parse(o.file, made.YAML); err != nil { // a draft that nobody can read helps nobody
			return fmt.Errorf("the draft is no mapping: %w", err)
		}
	}
	if err := writeNew(o.file, made.YAML); err != nil {
		return draftFault(err)
	}
	return report.WriteWritten(a.console.Out, report.Written{Files: []string{o.file}, Notes: d.notes(o.file, made)}, a.reportOptions(""))
}

// draftFault is a failure to write the draft.
func draftFault(err error) error {
	f := fault.As(initFault(err))
	f.Hint = "name another --file"
	return f
}

// drafting is what a draft is made of, and where it is asked for.
type drafting struct {
	draft.Source
	cfg    *config.Config
	espo   *espocrm.Client
	advo   *advoware.Client
	linked bool // the type has the field that links it
}

// valid refuses names that no mapping may have, before anything is asked.
func (d *drafting) valid() error {
	espoType, path := d.EspoType, d.AdvoPath
	if espoType == "" {
		espoType = "C"
	}
	if path == "" {
		path = "x"
	}
	_, err := mapping.Parse("", []byte(fmt.Sprintf("entity: %q\nespocrm: {type: %q}\nadvoware: {path: %q, id: id, row_id: rowId}\nfields: [{espocrm: a, advoware: a}]\n",
		d.Entity, espoType, path)))
	var problems strictyaml.Problems
	if !errors.As(err, &problems) {
		return err
	}
	flag := map[string]string{"entity": "--entity", "espocrm.type": "--espocrm-type", "advoware.path": "--advoware-path"}[problems[0].Key]
	return usagef("%s: %s", flag, problems[0].Text)
}

// lookFor reads what both systems show of the entity.
func (a *app) lookFor(ctx context.Context, d *drafting, number int64) (err error) {
	if d.espo, err = espoClient(d.cfg, nil, a.log); err != nil {
		return err
	}
	defer d.espo.Close()
	if d.advo, err = advoClient(d.cfg, nil, nil, a.log); err != nil { // a token of its own: nothing is kept
		return err
	}
	defer d.advo.Close()
	for _, step := range []func() error{
		func() error { return d.metadata(ctx) },
		func() error { return d.espoSamples(ctx) },
		func() error { return d.advoSamples(ctx, number) },
		func() error { return d.pair(ctx) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// metadata finds the type, and what fields it has.
func (d *drafting) metadata(ctx context.Context) error {
	types := []string{d.EspoType}
	if d.EspoType == "" {
		types = []string{"C" + d.Entity, d.Entity}
	}
	for _, t := range types {
		raw, there, err := d.espo.Metadata(ctx, "entityDefs."+t)
		if err != nil {
			return err
		}
		var defs struct {
			Fields map[string]draft.Field `json:"fields"`
			Links  map[string]struct {
				Entity string `json:"entity"`
			} `json:"links"`
		}
		if there && json.Unmarshal(raw, &defs) == nil && len(defs.Fields) > 0 {
			d.EspoType, d.Fields, d.Entities = t, defs.Fields, map[string]string{}
			for name, f := range d.Fields {
				f.Entity = defs.Links[name].Entity
				d.Fields[name] = f
			}
			for _, m := range d.cfg.Mappings {
				d.Entities[m.EspoType()] = m.Entity()
			}
			_, d.linked = defs.Fields[record.FieldAdvowareID]
			return nil
		}
	}
	message := "EspoCRM shows no entity type " + strings.Join(types, " or ")
	if near := d.nearType(ctx, types[0]); near != "" {
		message += " (did you mean " + near + "?)"
	}
	return &fault.Error{System: fault.EspoCRM, Code: fault.NotFound, Owner: fault.OwnerSystem, Op: "draft a mapping", Message: message,
		Hint: "name it: --espocrm-type, as in the address of its records; the role of the API user must grant something on it"}
}

func (d *drafting) nearType(ctx context.Context, name string) string {
	user, err := d.espo.AppUser(ctx)
	if err != nil {
		return ""
	}
	var known map[string]any
	if raw, ok := user.Get("acl.table"); !ok || json.Unmarshal(raw, &known) != nil {
		return ""
	}
	var names []string
	for t, grants := range known {
		if grants != false {
			names = append(names, t)
		}
	}
	slices.Sort(names)
	return strictyaml.Nearest(name, names)
}

// espoSamples reads records of EspoCRM, linked ones first.
func (d *drafting) espoSamples(ctx context.Context) error {
	names := []string{"id"}
	for name := range d.Fields {
		names = append(names, name)
	}
	slices.Sort(names)
	q := record.Query{Select: names, OrderBy: "id", Size: draftSamples}
	if d.linked {
		q.Where = []record.Condition{{Field: record.FieldAdvowareID, Op: record.IsNotNull}}
		var err error
		if d.Espo, err = d.espo.Find(ctx, d.EspoType, q); err != nil || len(d.Espo) > 0 {
			return err
		}
		q.Where = nil
	}
	var err error
	d.Espo, err = d.espo.Find(ctx, d.EspoType, q)
	return err
}

// listItems are keys that hold the array where a list is no array itself.
var listItems = []string{"", "items", "data", "value", "records", "result"}

// advoSamples reads records of Advoware: its first page, and those that EspoCRM's
// records are linked to, or the one that was named.
func (d *drafting) advoSamples(ctx context.Context, number int64) error {
	if d.AdvoPath == "" {
		d.AdvoPath = besideConfigured(d.cfg.Mappings, d.Entity)
	}
	for _, items := range listItems {
		page, err := d.advo.List(ctx, d.AdvoPath, map[string]string{"page": "1", "pageSize": strconv.Itoa(draftSamples)}, items)
		if f := fault.As(err); f != nil && f.Owner == fault.OwnerSystem && f.Code != fault.BadAnswer {
			return err
		}
		if err == nil && len(page) > 0 {
			d.Lists, d.Items, d.Advo = true, items, page[:min(len(page), draftSamples)]
			break
		}
	}
	known, err := d.knownRecord(ctx, number)
	switch {
	case err != nil:
		return err
	case known.IsZero() && len(d.Advo) == 0:
		return d.unfit(fault.NotFound, "Advoware shows no record under "+d.AdvoPath,
			"check --advoware-path against the office's Swagger page; where it cannot list, name a record: --advoware-id")
	}
	return d.identify(known)
}

func (d *drafting) unfit(code fault.Code, message, hint string) error {
	return &fault.Error{System: fault.Advoware, Code: code, Owner: fault.OwnerSystem, Op: "draft a mapping", Message: message, Hint: hint}
}

// numbered is a record of Advoware whose number is known.
type numbered struct {
	record.Object
	number int64
}

// knownRecord is the record that was named, else the one that EspoCRM's first sample is
// linked to; the zero one: neither is there.
func (d *drafting) knownRecord(ctx context.Context, number int64) (numbered, error) {
	if number == 0 && len(d.Espo) > 0 {
		number, _ = d.Espo[0].Int(record.FieldAdvowareID)
	}
	if number == 0 {
		return numbered{}, nil
	}
	o, err := d.advo.Get(ctx, d.AdvoPath, strconv.FormatInt(number, 10))
	if fault.Is(err, fault.NotFound) {
		return numbered{}, nil
	}
	return numbered{o, number}, err
}

// identify finds the names of id and row id, and adds the known record to the samples.
func (d *drafting) identify(known numbered) error {
	if d.ID, d.RowID = draft.IDs(d.Advo, known.Object, known.number); d.ID == "" {
		return d.unfit(fault.BadAnswer, "no key of Advoware's records under "+d.AdvoPath+" is an id", "check --advoware-path against the office's Swagger page")
	}
	listed := slices.ContainsFunc(d.Advo, func(o record.Object) bool { n, _ := o.Int(d.ID); return n == known.number })
	if !known.IsZero() && !listed {
		d.Advo = append(d.Advo, known.Object)
	}
	return nil
}

// besideConfigured is the path of an entity beside those that are configured.
func besideConfigured(ms []*mapping.Mapping, entity string) string {
	path := "api/v1/advonet/"
	if len(ms) > 0 {
		path = ms[0].AdvoPath()
		path = path[:strings.LastIndexByte(path, '/')+1]
	}
	return path + entity
}

// pair reads the linked records' other side, as far as the list has not shown it.
func (d *drafting) pair(ctx context.Context) error {
	listed := map[int64]record.Object{}
	for _, o := range d.Advo {
		if n, ok := o.Int(d.ID); ok {
			listed[n] = o
		}
	}
	for _, espo := range d.Espo {
		n, ok := espo.Int(record.FieldAdvowareID)
		if !ok || len(d.Pairs) == draftPairs {
			continue
		}
		advo, known := listed[n]
		if !known {
			var err error
			if advo, err = d.advo.Get(ctx, d.AdvoPath, strconv.FormatInt(n, 10)); fault.Is(err, fault.NotFound) {
				continue
			} else if err != nil {
				return err
			}
			d.Advo = append(d.Advo, advo)
		}
		d.Pairs = append(d.Pairs, draft.Pair{Espo: espo, Advo: advo})
	}
	return nil
}

// notes are what comes next.
func (d *drafting) notes(file string, made draft.Draft) []string {
	notes := []string{fmt.Sprintf("%s in force, %s commented out; each says why.",
		count(made.Fields, "field", "fields"), count(made.Guesses, "guess", "guesses"))}
	if !d.linked {
		notes = append(notes, d.EspoType+" has no sync fields yet: configure the mapping, then advosync init espocrm-extension --entity "+d.Entity)
	}
	notes = append(notes, "Look through it, then: advosync doctor --mapping "+shellWord(file)+", advosync check --mapping "+shellWord(file))
	for _, pattern := range d.cfg.Entities {
		dir := filepath.Dir(d.cfg.File)
		if filepath.IsAbs(pattern) {
			dir = ""
		}
		abs, err := filepath.Abs(file)
		if inForce, merr := filepath.Match(filepath.Join(dir, pattern), abs); err == nil && merr == nil && inForce {
			return append(notes, "It is in force already: "+pattern+" in entities takes it in.")
		}
	}
	return append(notes, "It counts once entities in the configuration names it.")
}

// writeNew writes a file that is not there.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &config.ExistsError{Path: path}
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
