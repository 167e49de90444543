package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// check is one row of the table.
type check struct {
	name  string
	needs []string // names of checks that must not have failed
	run   func(context.Context) []result.Finding
}

// visit is one examination: what the checks have found out so far.
type visit struct {
	Patient
	Options
	store store.Store
	espo  EspoCRM
	advo  Advoware
	user  record.Object              // answer of App/user
	defs  map[string]typeDefs        // by EspoCRM type
	pages map[string][]record.Object // first page of Advoware's list, by entity
}

func (v *visit) close() {
	if v.store != nil {
		_ = v.store.Close() // it was only read
	}
}

// The checks that others need, by name.
const (
	nameConfig   = "configuration"
	nameStore    = "store"
	nameRedis    = "Redis"
	nameFleet    = "fleet"
	nameBudget   = "budget of calls"
	nameEspo     = "EspoCRM"
	nameVersion  = "EspoCRM version"
	nameClock    = "clock"
	nameAlerts   = "alerts"
	namePing     = "dead man's switch"
	nameNotes    = "notes in EspoCRM"
	nameModule   = "module in EspoCRM"
	nameWebhooks = "webhooks"
	nameDiscover = "Advoware address"
	nameSignIn   = "Advoware sign-in"
)

// table is every check, with what it needs, in the order of the report.
func (v *visit) table() []check {
	checks := []check{{nameConfig, nil, v.checkConfig}}
	if v.Config == nil {
		return append(checks,
			unconfigured(nameStore), unconfigured(nameEspo), unconfigured(nameDiscover), unconfigured(nameSignIn))
	}
	checks = append(checks, check{nameStore, nil, v.checkStore})
	if v.Config.Store.Driver == "redis" {
		checks = append(checks, check{nameRedis, []string{nameStore}, v.checkRedis})
	}
	if v.Config.Fleet.Driver != "" && v.Fleet != nil {
		checks = append(checks, check{nameFleet, []string{nameStore}, v.checkFleet})
	}
	if v.Config.EspoCRM.Rate.Set() || v.Config.Advoware.Rate.Set() {
		checks = append(checks, check{nameBudget, nil, v.checkBudget})
	}
	if len(v.Config.Alerts.URLs) > 0 || v.Config.Ping.URL != "" {
		checks = append(checks, check{nameAlerts, nil, v.checkAlerts}, check{namePing, nil, v.checkPing})
	}
	checks = append(checks,
		check{nameEspo, nil, v.checkEspoCRM},
		check{nameVersion, []string{nameEspo}, v.checkVersion},
		check{nameClock, []string{nameEspo}, v.checkClock},
		check{nameNotes, []string{nameEspo}, v.checkNotes},
		check{nameModule, []string{nameEspo}, v.checkModule},
		check{nameDiscover, nil, v.checkAddresses},
		check{nameSignIn, []string{nameDiscover}, v.checkSignIn},
	)
	if len(v.Config.Watch.Webhooks) > 0 {
		checks = append(checks, check{nameWebhooks, []string{nameEspo}, v.checkWebhooks})
	}
	for _, m := range v.mappings() {
		checks = append(checks, v.entityChecks(m)...)
	}
	return checks
}

// unconfigured is a check that is skipped because the configuration is not read.
func unconfigured(name string) check { return check{name: name, needs: []string{nameConfig}} }

// mappings are the entities to look at, sorted.
func (v *visit) mappings() []*mapping.Mapping {
	var out []*mapping.Mapping
	for _, m := range v.Config.Mappings {
		if v.Entity == "" || strings.EqualFold(m.Entity(), v.Entity) {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b *mapping.Mapping) int { return strings.Compare(a.Entity(), b.Entity()) })
	return out
}

// entityChecks are the checks of one entity; their names begin with its.
func (v *visit) entityChecks(m *mapping.Mapping) []check {
	of := func(what string) string { return m.Entity() + " " + what }
	on := func(fn func(context.Context, *mapping.Mapping) []result.Finding) func(context.Context) []result.Finding {
		return func(ctx context.Context) []result.Finding { return fn(ctx, m) }
	}
	rights, fields := of("rights"), of("fields")
	checks := []check{
		{rights, []string{nameEspo}, on(v.checkRights)},
		{of("type"), []string{rights}, on(v.checkType)},
		{fields, []string{of("type")}, on(v.checkSyncFields)},
		{of("unique id"), []string{of("type")}, on(v.checkUnique)},
		{of("concurrency"), []string{of("type")}, on(v.checkConcurrency)},
		{of("edit marker"), []string{of("type")}, on(v.checkMarker)},
		{of("mapping"), []string{of("type")}, on(v.checkMapped)},
	}
	if slices.ContainsFunc(m.AllFields(), func(f mapping.Field) bool { return f.Reference }) {
		checks = append(checks, check{of("references"), []string{of("type")}, on(v.checkReferences)})
	}
	return append(checks, []check{
		{of("duplicates"), []string{fields}, on(v.checkDuplicates)},
		{of("list"), []string{nameSignIn}, on(v.checkList)},
		{of("samples"), []string{fields, nameSignIn}, on(v.checkSamples)},
		{of("cron"), []string{nameStore}, on(v.checkCron)},
	}...)
}

func ok(format string, args ...any) result.Finding {
	return result.Finding{Result: result.FindingOK, Message: fmt.Sprintf(format, args...)}
}

func warn(check, message, hint string) result.Finding {
	return result.Finding{Check: check, Result: result.FindingWarn, Message: message, Hint: hint}
}

func fail(message, hint string) result.Finding {
	return result.Finding{Result: result.FindingFail, Message: message, Hint: hint}
}

func one(f result.Finding) []result.Finding { return []result.Finding{f} }

// orOK is the list of what is wrong, or the one finding that nothing is.
func orOK(wrong []result.Finding, format string, args ...any) []result.Finding {
	if len(wrong) > 0 {
		return wrong
	}
	return one(ok(format, args...))
}

// broken is a finding made of an error: the system's own words, and its hint
// unless we have a better one, or it leads here.
func broken(err error, hint string) result.Finding {
	f := fault.As(err)
	if f == nil {
		return fail(err.Error(), hint)
	}
	message := f.Message
	if message == "" {
		message = f.Error()
	}
	switch {
	case hint != "":
	case f.Hint != "" && !strings.Contains(f.Hint, "advosync doctor"):
		hint = f.Hint
	default:
		hint = defaultHint(f)
	}
	return fail(message, hint)
}

// defaultHint is what to do about a failure whose words name nothing to do.
func defaultHint(f *fault.Error) string {
	section := string(f.System)
	switch f.Code {
	case fault.Unreachable:
		return "check the address in " + section + ", then name resolution, firewall and proxy: curl -v ADDRESS, from this host and as this user"
	case fault.Timeout:
		return "the system is slow or a firewall swallows the request: curl -v ADDRESS from this host; --timeout gives it longer"
	case fault.BadAnswer:
		return "check that the address in " + section + " leads to the system itself, and that no proxy changes answers"
	}
	return "if it stays, ask whoever runs " + f.System.Title()
}

// some names a few of many.
func some(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
}
