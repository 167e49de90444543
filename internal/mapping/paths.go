package mapping

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"advosync/internal/mapping/strictyaml"
	"advosync/internal/record"
)

// idMark stands in a path for the id of the record.
const idMark = "{id}"

// paths are where one record is read, written, removed and made. "": at the entity's
// path, with the id behind it.
type paths struct{ read, update, remove, create string }

var (
	pathTemplate  = regexp.MustCompile(`^([A-Za-z0-9._~-]+|\{id\})(/([A-Za-z0-9._~-]+|\{id\}))*$`)
	queryTemplate = regexp.MustCompile(`^[A-Za-z0-9._~-]+=([A-Za-z0-9._~:,-]|\{id\})*(&[A-Za-z0-9._~-]+=([A-Za-z0-9._~:,-]|\{id\})*)*$`)
)

// readPaths reads advoware.read, update, delete and create.
func (p *parsing) readPaths(n strictyaml.Node, m *Mapping) {
	for _, way := range []struct {
		name string
		to   *string
	}{{"read", &m.paths.read}, {"update", &m.paths.update}, {"delete", &m.paths.remove}, {"create", &m.paths.create}} {
		text, at := p.text(n, way.name)
		path, query, asks := strings.Cut(text, "?")
		switch {
		case text == "":
		case !pathTemplate.MatchString(path) || asks && !queryTemplate.MatchString(query) || slices.Contains(strings.Split(path, "/"), ".."):
			p.add(at, "must be a path relative to Advoware's API base, such as api/v1/advonet/Termine/{id} or api/v1/advonet/TermineActiveSync?frnr={id}")
		case way.name != "create" && !strings.Contains(text, idMark):
			p.add(at, "must hold {id}, where the id of the record stands")
		case way.name == "create" && strings.Contains(text, idMark):
			p.add(at, "cannot hold {id}: a new record has none yet")
		}
		*way.to = text
	}
}

// ReadPath is where one record is read: with {id} where its id stands, else it follows.
func (m *Mapping) ReadPath() string { return or(m.paths.read, m.advoPath) }

// UpdatePath is where one record is written, as ReadPath.
func (m *Mapping) UpdatePath() string { return or(m.paths.update, m.advoPath) }

// DeletePath is where one record is removed, as ReadPath.
func (m *Mapping) DeletePath() string { return or(m.paths.remove, m.advoPath) }

// CreatePath is where records are made.
func (m *Mapping) CreatePath() string { return or(m.paths.create, m.advoPath) }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// dayMark is a day in a list's parameters: {today}, {today-30d}, {today+1y}.
var dayMark = regexp.MustCompile(`\{today(?:([+-][0-9]{1,4})([dwmy]))?\}`)

// checkParam refuses braces that are no day.
func (p *parsing) checkParam(at strictyaml.Node, value string) {
	if strings.ContainsAny(dayMark.ReplaceAllString(value, ""), "{}") {
		p.add(at, "knows {today}, {today-30d} and {today+1y} in braces: d days, w weeks, m months, y years")
	}
}

// ParamsAt are the fixed parameters at a moment, with days as YYYY-MM-DD of the
// mapping's zone.
func (l *List) ParamsAt(now time.Time) map[string]string {
	today, out := now.In(l.zone), maps.Clone(l.Params)
	for name, value := range out {
		out[name] = dayMark.ReplaceAllStringFunc(value, func(mark string) string {
			parts := dayMark.FindStringSubmatch(mark)
			n, _ := strconv.Atoi(parts[1]) // none: today
			return shifted(today, n, parts[2]).Format(time.DateOnly)
		})
	}
	return out
}

// shifted is a day so much later. A day that the month lacks is the month's last.
func shifted(day time.Time, n int, unit string) time.Time {
	switch unit {
	case "d":
		return day.AddDate(0, 0, n)
	case "w":
		return day.AddDate(0, 0, 7*n)
	case "m", "y":
		if unit == "y" {
			n *= 12
		}
		first := time.Date(day.Year(), day.Month()+time.Month(n), 1, 12, 0, 0, 0, time.UTC)
		return first.AddDate(0, 0, min(day.Day(), first.AddDate(0, 1, -1).Day())-1)
	default:
		return day
	}
}

// readOmit reads the names that are left out of every PUT.
func (p *parsing) readOmit(n strictyaml.Node, m *Mapping) {
	list, ok := n.Get("omit")
	if !ok || list.Kind == strictyaml.Null {
		return
	}
	if list.Kind != strictyaml.List {
		p.add(list, "must be a list of names in Advoware's objects, such as [uhrzeitBisTicks]")
	}
	for _, item := range list.Items {
		switch name := strings.TrimSpace(item.Value); {
		case item.Kind != strictyaml.Scalar || !advoName.MatchString(name):
			p.add(item, "is no name of an Advoware field")
		case name == m.advoID || name == m.advoRow:
			p.add(item, "%s says which record is written, and cannot be left out", name)
		case slices.Contains(m.omit, name):
			p.add(item, "%s stands here twice", name)
		default:
			m.omit = append(m.omit, name)
			p.omitAt = append(p.omitAt, item)
		}
	}
}

// lintOmit refuses a name that is left out and written.
func (p *parsing) lintOmit(m *Mapping) {
	for i, name := range m.omit {
		for _, l := range m.lines {
			if l.writes(record.Advoware) && overlap(l.Advo, name) {
				p.add(p.omitAt[i], "%s is written by a field below; it cannot be left out", l.Advo)
			}
		}
		for _, c := range p.clears {
			if c.side == string(record.Advoware) && overlap(c.name, name) {
				p.add(p.omitAt[i], "%s is cleared by a field below; it cannot be left out", c.name)
			}
		}
	}
}

// Omits are the names that are left out of every PUT to Advoware, in file order.
func (m *Mapping) Omits() []string { return slices.Clone(m.omit) }

// Sent is what a PUT sends of a whole object: all of it but what `omit` names.
func (m *Mapping) Sent(o record.Object) record.Object {
	for _, name := range m.omit {
		o = o.Drop(name)
	}
	return o
}
