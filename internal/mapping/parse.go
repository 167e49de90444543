package mapping

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"advosync/internal/mapping/strictyaml"
	"advosync/internal/record"
)

// Parse reads, compiles and checks one mapping file. file is only for messages.
// The error is strictyaml.Problems: all that is wrong, each with file, line,
// key and the nearest right name. A lint error is an error; lint warnings are
// in Warnings.
func Parse(file string, src []byte) (*Mapping, error) {
	root, err := strictyaml.Parse(file, src)
	if err != nil {
		return nil, err
	}
	p := &parsing{file: file}
	m := p.mapping(root)
	if len(p.problems) == 0 {
		p.lint(m)
	}
	if len(p.problems) > 0 {
		p.problems.Sort()
		return nil, p.problems
	}
	p.finish(m)
	return m, nil
}

// parsing collects problems while a tree becomes a mapping.
type parsing struct {
	file     string
	problems strictyaml.Problems
	fields   []fieldSource // parallel to Mapping.lines while it is built
	clears   []clearSource
	kindAt   []strictyaml.Node // parallel to Mapping.kinds
	matchAt  strictyaml.Node
	omitAt   []strictyaml.Node // parallel to Mapping.omit
	groups   []groupSource
	zone     *time.Location
}

// fieldSource is where a line stands in the file.
type fieldSource struct {
	node strictyaml.Node
	kind int // index of the kind, -1: common
}

type clearSource struct {
	node strictyaml.Node
	kind int
	side string
	name string
}

func (p *parsing) add(at strictyaml.Node, format string, args ...any) {
	p.problems = append(p.problems, strictyaml.Problem{
		File: p.file, Line: at.Line, Column: at.Column, Key: at.Key, Text: fmt.Sprintf(format, args...),
	})
}

func (p *parsing) suggest(at strictyaml.Node, near []string, word, format string, args ...any) {
	p.add(at, format, args...)
	p.problems[len(p.problems)-1].Suggestion = strictyaml.Nearest(word, near)
}

// keys checks that n is a map with no other than the allowed keys.
func (p *parsing) keys(n strictyaml.Node, allowed ...string) bool {
	if n.Kind != strictyaml.Map {
		p.add(n, "must be a map with the keys %s", strings.Join(allowed, ", "))
		return false
	}
	for _, pair := range n.Pairs {
		if !slices.Contains(allowed, pair.Name) {
			at := strictyaml.Node{Line: pair.Line, Column: pair.Column, Key: strictyaml.Join(n.Key, pair.Name)}
			p.suggest(at, allowed, pair.Name, "unknown key")
		}
	}
	return true
}

// text is a scalar member of n, "" when it is not there.
func (p *parsing) text(n strictyaml.Node, name string) (string, strictyaml.Node) {
	v, ok := n.Get(name)
	if !ok {
		return "", n
	}
	if v.Kind != strictyaml.Scalar {
		p.add(v, "must be a text")
		return "", v
	}
	return strings.TrimSpace(v.Value), v
}

// need is text that must be there.
func (p *parsing) need(n strictyaml.Node, name string) (string, strictyaml.Node) {
	before := len(p.problems)
	s, at := p.text(n, name)
	if s == "" && len(p.problems) == before {
		p.add(strictyaml.Node{Line: at.Line, Column: at.Column, Key: strictyaml.Join(n.Key, name)}, "is missing")
	}
	return s, at
}

// oneOf is a text member that has to be one of names, "" when it is not there.
func (p *parsing) oneOf(n strictyaml.Node, name string, names ...string) string {
	s, at := p.text(n, name)
	if s != "" && !slices.Contains(names, s) {
		p.suggest(at, names, s, "unknown %s %s; there are %s", name, strconv.Quote(s), strings.Join(names, ", "))
	}
	return s
}

func (p *parsing) number(n strictyaml.Node, name string, least, most, otherwise int) int {
	v, ok := n.Get(name)
	if !ok {
		return otherwise
	}
	i, err := strconv.Atoi(v.Value)
	if v.Kind != strictyaml.Scalar || v.Form != strictyaml.Int || err != nil || i < least || i > most {
		p.add(v, "must be a whole number from %d to %d", least, most)
		return otherwise
	}
	return i
}

// Names that systems may have. They never change.
var (
	entityName = form{regexp.MustCompile(`^[\p{L}][\p{L}\p{N}_-]*$`), 64, 0}
	espoName   = form{regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`), 100, 0}
	advoName   = form{regexp.MustCompile(`^[\p{L}_][\p{L}\p{N}_-]*(\.[\p{L}_][\p{L}\p{N}_-]*)*$`), math.MaxInt, 7}
	listName   = regexp.MustCompile(`\[[\p{L}_][\p{L}\p{N}_-]*=[\p{L}\p{N}_ -]+\]\.`)
	pathName   = regexp.MustCompile(`^[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*$`)
)

// form is what a name looks like. Its length is no part of the expression: one that
// counts is large, and every start of the program would pay for it.
type form struct {
	letters    *regexp.Regexp
	most, dots int
}

// MatchString reports whether a name is of this form.
func (f form) MatchString(s string) bool {
	return utf8.RuneCountInString(s) <= f.most && strings.Count(s, ".") <= f.dots && f.letters.MatchString(s)
}

func (p *parsing) mapping(root strictyaml.Node) *Mapping {
	m := &Mapping{espo: newPlan(), advo: newPlan()}
	if !p.keys(root, "entity", "espocrm", "advoware", "zone", "title", "match", "import", "groups", "fields", "kinds") {
		return m
	}
	var at strictyaml.Node
	if m.entity, at = p.need(root, "entity"); m.entity != "" && !entityName.MatchString(m.entity) {
		p.add(at, "must be letters, digits, _ and -, and begin with a letter")
	}
	p.espocrm(root, m)
	p.zone = p.readZone(root, officeZone)
	m.zone = p.zone
	p.advoware(root, m)
	if m.title, at = p.text(root, "title"); m.title != "" && !espoName.MatchString(m.title) {
		p.add(at, "is no name of an EspoCRM field")
	}
	p.readMatch(root, m)
	p.readImport(root, m)
	p.fieldList(root, "fields", -1, m)
	p.kindList(root, m)
	p.groupList(root, m)
	if _, ok := root.Get("fields"); len(p.fields) == 0 && len(p.problems) == 0 {
		key := "fields"
		if ok {
			key = ""
		}
		p.add(strictyaml.Node{Line: root.Line, Key: key}, "maps no field")
	}
	return m
}

// section is a map that must be there.
func (p *parsing) section(parent strictyaml.Node, name string, allowed ...string) (strictyaml.Node, bool) {
	n, ok := parent.Get(name)
	if !ok {
		p.add(strictyaml.Node{Line: parent.Line, Column: parent.Column, Key: strictyaml.Join(parent.Key, name)}, "is missing")
		return n, false
	}
	return n, p.keys(n, allowed...)
}

func (p *parsing) espocrm(root strictyaml.Node, m *Mapping) {
	n, ok := p.section(root, "espocrm", "type")
	if !ok {
		return
	}
	var at strictyaml.Node
	if m.espoType, at = p.need(n, "type"); m.espoType != "" && !espoName.MatchString(m.espoType) {
		p.add(at, "is no name of an EspoCRM entity type")
	}
}

func (p *parsing) advoware(root strictyaml.Node, m *Mapping) {
	n, ok := p.section(root, "advoware", "path", "id", "row_id", "read", "update", "delete", "create", "omit", "list")
	if !ok {
		return
	}
	var at strictyaml.Node
	m.advoPath, at = p.need(n, "path")
	p.checkPath(at, m.advoPath)
	for _, member := range []struct {
		name string
		to   *string
	}{{"id", &m.advoID}, {"row_id", &m.advoRow}} {
		if *member.to, at = p.need(n, member.name); *member.to != "" && !advoName.MatchString(*member.to) {
			p.add(at, "is no name of an Advoware field")
		}
	}
	p.readPaths(n, m)
	p.readOmit(n, m)
	if l, ok := n.Get("list"); ok && l.Kind != strictyaml.Null {
		p.list(l, m)
	}
}

func (p *parsing) checkPath(at strictyaml.Node, path string) {
	if path == "" {
		return
	}
	if !pathName.MatchString(path) || slices.Contains(strings.Split(path, "/"), "..") {
		p.add(at, "must be a path relative to Advoware's API base, without a leading or closing slash, such as api/v1/advonet/Beteiligte")
	}
}

func (p *parsing) list(n strictyaml.Node, m *Mapping) {
	if !p.keys(n, "path", "page", "size", "first", "max", "params", "items") {
		return
	}
	l := &List{Path: m.advoPath, Page: "page", Size: "pageSize", zone: p.zone}
	if path, at := p.text(n, "path"); path != "" && path != "same" {
		p.checkPath(at, path)
		l.Path = path
	}
	for _, member := range []struct {
		name string
		to   *string
	}{{"page", &l.Page}, {"size", &l.Size}} {
		if v, ok := n.Get(member.name); ok {
			if *member.to, _ = p.text(n, member.name); *member.to == "" {
				p.add(v, "must name a query parameter")
			}
		}
	}
	l.Items, _ = p.text(n, "items")
	l.First = p.number(n, "first", 0, 1, 1)
	l.Max = p.number(n, "max", 1, 100_000, 500)
	if params, ok := n.Get("params"); ok && params.Kind != strictyaml.Null {
		if params.Kind != strictyaml.Map {
			p.add(params, "must be a map of query parameters")
		}
		l.Params = map[string]string{}
		for _, pair := range params.Pairs {
			if pair.Value.Kind != strictyaml.Scalar {
				p.add(pair.Value, "must be a text or number")
			}
			if pair.Name == l.Page || pair.Name == l.Size {
				p.add(pair.Value, "is already the parameter for paging")
			}
			p.checkParam(pair.Value, pair.Value.Value)
			l.Params[pair.Name] = pair.Value.Value
		}
	}
	m.list = l
}

func (p *parsing) readMatch(root strictyaml.Node, m *Mapping) {
	n, ok := root.Get("match")
	if !ok || n.Kind == strictyaml.Null {
		return
	}
	p.matchAt = n
	if n.Kind != strictyaml.List {
		p.add(n, "must be a list of EspoCRM field names")
	}
	for _, item := range n.Items {
		if item.Kind != strictyaml.Scalar || item.Value == "" {
			p.add(item, "must be an EspoCRM field name")
			continue
		}
		if slices.Contains(m.match, item.Value) {
			p.add(item, "%s stands here twice", item.Value)
			continue
		}
		m.match = append(m.match, item.Value)
	}
}

// readImport reads whether a pass makes EspoCRM records of those that only Advoware has:
// of those that its list shows.
func (p *parsing) readImport(root strictyaml.Node, m *Mapping) {
	m.imports = p.oneOf(root, "import", "never", "always") == "always"
	if at, ok := root.Get("import"); ok && m.imports && m.list == nil {
		p.add(at, "always needs advoware.list: without a list nobody knows what is new in Advoware")
	}
}

func (p *parsing) kindList(root strictyaml.Node, m *Mapping) {
	n, ok := root.Get("kinds")
	if !ok || n.Kind == strictyaml.Null {
		return
	}
	if n.Kind != strictyaml.List {
		p.add(n, "must be a list")
		return
	}
	for i, item := range n.Items {
		p.kindAt = append(p.kindAt, item)
		m.kinds = append(m.kinds, kind{})
		if !p.keys(item, "name", "when", "fields") {
			continue
		}
		name, at := p.need(item, "name")
		switch {
		case name != "" && !entityName.MatchString(name):
			p.add(at, "must be letters, digits, _ and -, and begin with a letter")
		case name != "" && slices.Contains(m.Kinds(), name):
			p.add(at, "there are two kinds called %s", name)
		}
		m.kinds[i].name = name
		if when, ok := p.section(item, "when", "espocrm", "advoware"); ok {
			m.kinds[i].espo = p.condition(when, "espocrm")
			m.kinds[i].advo = p.condition(when, "advoware")
		}
		p.fieldList(item, "fields", i, m)
	}
}

func (p *parsing) condition(when strictyaml.Node, side string) *expression {
	source, at := p.need(when, side)
	if source == "" {
		return nil
	}
	return p.compile(at, source, true)
}

func (p *parsing) compile(at strictyaml.Node, source string, condition bool) *expression {
	e, err := compileExpression(source, condition)
	if err != nil {
		p.add(at, "the expression does not compile: %v", err)
		return nil
	}
	for _, name := range e.names {
		if !advoName.MatchString(name) {
			p.add(at, "%s is no name of a field", name)
		}
	}
	return e
}

func (p *parsing) fieldList(parent strictyaml.Node, name string, kind int, m *Mapping) {
	n, ok := parent.Get(name)
	if !ok || n.Kind == strictyaml.Null {
		return
	}
	if n.Kind != strictyaml.List {
		p.add(n, "must be a list of fields")
		return
	}
	for _, item := range n.Items {
		p.field(item, kind, m)
	}
}

var fieldKeys = []string{"espocrm", "advoware", "direction", "type", "zone", "region", "espo_format", "scale", "separator", "empty", "new", "remove", "values", "default", "link", "user", "format", "parse", "group", "policy", "from_advoware", "from_espocrm", "clear"}

func (p *parsing) field(n strictyaml.Node, kind int, m *Mapping) {
	before := len(p.problems)
	if !p.keys(n, fieldKeys...) {
		return
	}
	espo, espoAt := p.text(n, "espocrm")
	advo, advoAt := p.text(n, "advoware")
	p.espoFieldName(espoAt, espo)
	p.advoFieldName(advoAt, advo)
	p.reserved(espoAt, espo, advoAt, advo, m)
	if _, ok := n.Get("clear"); ok {
		p.clear(n, kind, espo, advo)
		return
	}
	l := line{Field: Field{Espo: espo, Advo: advo}}
	l.Type = p.fieldType(n)
	l.codec = p.codec(n, l.Type)
	l.Direction = p.direction(n)
	p.computed(n, &l)
	if v, ok := n.Get("values"); ok && len(p.problems) == before {
		l.table = p.table(v, &l)
	}
	p.tableDefault(n, &l)
	p.lens(n, &l)
	p.lintSet(n, &l)
	p.reference(n, &l, m)
	p.together(n, &l)
	p.element(n, &l)
	if len(p.problems) > before {
		return
	}
	l.contact = contactOf(espo)
	if kind >= 0 {
		l.kinds = []string{m.kinds[kind].name}
		l.Kind = m.kinds[kind].name
	}
	m.lines = append(m.lines, l)
	p.fields = append(p.fields, fieldSource{node: n, kind: kind})
}

func (p *parsing) reserved(espoAt strictyaml.Node, espo string, advoAt strictyaml.Node, advo string, m *Mapping) {
	if slices.Contains(record.SyncFields(), espo) {
		p.add(espoAt, "%s is the sync's own field and cannot be mapped", espo)
	}
	switch espo {
	case "id", "versionNumber", "deleted", "modifiedAt", "modifiedById", "modifiedByName", "createdAt", "createdById", "createdByName":
		p.add(espoAt, "%s is EspoCRM's own field and cannot be mapped", espo)
	}
	if advo != "" && (advo == m.advoID || advo == m.advoRow) {
		p.add(advoAt, "%s is Advoware's own field and cannot be mapped", advo)
	}
}

func (p *parsing) clear(n strictyaml.Node, kind int, espo, advo string) {
	side, at := p.text(n, "clear")
	name := map[string]string{"espocrm": espo, "advoware": advo}[side]
	switch {
	case side != "espocrm" && side != "advoware":
		p.suggest(at, []string{"espocrm", "advoware"}, side, "must be espocrm or advoware")
	case kind < 0:
		p.add(n, "clear belongs to a kind")
	case len(n.Pairs) != 2 || name == "":
		p.add(n, "a clear has exactly two keys: %s with the name of the field, and clear: %s", side, side)
	default:
		p.clears = append(p.clears, clearSource{node: n, kind: kind, side: side, name: name})
	}
}

func (p *parsing) fieldType(n strictyaml.Node) Type {
	if s, _ := p.text(n, "type"); s == "float" {
		return Decimal
	}
	if s := p.oneOf(n, "type", TypeNames()...); s != "" {
		return Type(s)
	}
	return String
}

// direction is "" when none is written.
func (p *parsing) direction(n strictyaml.Node) Direction {
	return Direction(p.oneOf(n, "direction", string(Both), string(ToAdvoware), string(ToEspocrm)))
}

// computed completes l: a plain line has both names, a computed one the target
// and an expression over the other side.
func (p *parsing) computed(n strictyaml.Node, l *line) {
	fromAdvo, advoAt := p.text(n, "from_advoware")
	fromEspo, espoAt := p.text(n, "from_espocrm")
	if fromAdvo == "" && fromEspo == "" {
		for _, need := range []struct{ name, value string }{{"espocrm", l.Espo}, {"advoware", l.Advo}} {
			if need.value == "" {
				p.add(strictyaml.Node{Line: n.Line, Column: n.Column, Key: strictyaml.Join(n.Key, need.name)}, "is missing")
			}
		}
		if l.Direction == "" {
			l.Direction = Both
		}
		return
	}
	if fromAdvo != "" && fromEspo != "" {
		p.add(n, "from_advoware and from_espocrm exclude each other")
		return
	}
	key, target, other, source, at, way := "from_advoware", "espocrm", "advoware", fromAdvo, advoAt, ToEspocrm
	targetName, otherName := l.Espo, l.Advo
	if fromEspo != "" {
		key, target, other, source, at, way = "from_espocrm", "advoware", "espocrm", fromEspo, espoAt, ToAdvoware
		targetName, otherName = l.Advo, l.Espo
	}
	if targetName == "" {
		p.add(strictyaml.Node{Line: n.Line, Column: n.Column, Key: strictyaml.Join(n.Key, target)}, "is missing: the field that %s fills", key)
	}
	if otherName != "" {
		p.add(n, "%s takes its value from the expression; %s does not belong beside it", key, other)
	}
	if l.Direction != "" && l.Direction != way {
		p.add(n, "%s is one way, %s; direction %s contradicts it", key, way, l.Direction)
	}
	if _, ok := n.Get("values"); ok {
		p.add(n, "a computed field has no values table; choose in the expression: x == \"a\" ? \"b\" : \"c\"")
	}
	l.Direction, l.Computed = way, true
	l.expr = p.compile(at, source, false)
}
