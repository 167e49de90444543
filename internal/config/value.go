package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/viper"

	"advosync/internal/files"
	"advosync/internal/mapping/strictyaml"
)

// apply finds the value in force of one setting, checks it and puts it into the
// configuration.
func (l *loading) apply(v *viper.Viper, s *setting) {
	from, set := v.Get(s.key).(raw)
	if s.kind == aSecret {
		l.secret(v, s, from, set)
		return
	}
	if !set {
		from = raw{node: textNode(s.def)}
	}
	if text, ok := l.put(s, from); ok {
		if s.hidden && text != "" {
			text = mask
			if from.layer.inFile() {
				l.checkMode(l.cfg.File, s.key, l.opened)
			}
		}
		l.note(s.key, from, text)
	}
}

// put parses a value into its place; the text is how it reads in a listing.
func (l *loading) put(s *setting, from raw) (string, bool) {
	n := from.node
	if s.kind == aList {
		items, ok := l.list(s, from)
		*s.to.(*[]string) = items
		return strings.Join(items, ", "), ok
	}
	if s.kind == aTimetable {
		return l.timetable(s, from)
	}
	if n.Kind != strictyaml.Scalar {
		l.add(s.key, from, "must be %s", s.wants())
		return "", false
	}
	text := strings.TrimSpace(n.Value)
	switch s.kind {
	case aBool:
		return l.boolean(s, from, text)
	case anInt, aFloat, aDuration:
		if !s.number(from, text) {
			l.add(s.key, from, "must be %s", s.wants())
			return "", false
		}
	case anEnum:
		if !slices.Contains(s.enum, text) {
			l.add(s.key, from, "%q is none of %s", text, strings.Join(s.enum, ", ")).Suggestion = strictyaml.Nearest(text, s.enum)
			return "", false
		}
		*s.to.(*string) = text
	case aURL:
		text = l.url(s.key, from, text)
		*s.to.(*string) = text
	case aPath:
		text = l.path(from, text)
		*s.to.(*string) = text
	default:
		*s.to.(*string) = text
	}
	return text, true
}

// number puts a number or a duration into its place; false: it is none, or out of
// bounds.
func (s *setting) number(from raw, text string) bool {
	switch to := s.to.(type) {
	case *int:
		i, err := strconv.Atoi(text)
		if err != nil || !plain(from, strictyaml.Int) || float64(i) < s.least || float64(i) > s.most {
			return false
		}
		*to = i
	case *float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !plain(from, strictyaml.Int, strictyaml.Float) || !(f >= s.least && f <= s.most) {
			return false
		}
		*to = f
	case *time.Duration:
		d, err := parseDuration(text)
		if err != nil || d < seconds(s.least) || d > seconds(s.most) {
			return false
		}
		*to = d
	}
	return true
}

// wants says what a setting holds.
func (s *setting) wants() string {
	switch s.kind {
	case aBool:
		return "true or false"
	case anInt:
		if s.most > 1e9 {
			return fmt.Sprintf("a whole number from %v", s.least)
		}
		return fmt.Sprintf("a whole number from %v to %v", s.least, s.most)
	case aFloat:
		return fmt.Sprintf("a number from %v to %v", s.least, s.most)
	case aDuration:
		return fmt.Sprintf("a duration with unit, such as 30s, 15m, 24h or 90d, from %s to %s", short(seconds(s.least)), short(seconds(s.most)))
	case aList:
		return "a list"
	case aTimetable:
		return `numbers by time of the day, such as {"20:00-06:00": 20}, from 0.2 to 1000`
	default:
		return "a text"
	}
}

// plain: in a file, numbers and booleans stand without quotes.
func plain(from raw, forms ...strictyaml.Form) bool {
	if !from.layer.inFile() {
		return true
	}
	for _, f := range forms {
		if from.node.Form == f {
			return true
		}
	}
	return false
}

func (l *loading) boolean(s *setting, from raw, text string) (string, bool) {
	b, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil || !plain(from, strictyaml.Bool) {
		l.add(s.key, from, "must be true or false")
		return "", false
	}
	*s.to.(*bool) = b
	return strconv.FormatBool(b), true
}

// list is a YAML list, or texts with commas between them.
func (l *loading) list(s *setting, from raw) ([]string, bool) {
	n := from.node
	if n.Kind == strictyaml.Scalar {
		var items []string
		for item := range strings.SplitSeq(n.Value, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		if from.layer.inFile() && n.Form == strictyaml.Text && len(items) > 0 {
			shown := strings.Join(items, ", ")
			if s.hidden {
				shown = "…, …"
			}
			l.add(s.key, from, "must be a list: [%s]", shown)
			return nil, false
		}
		return items, true
	}
	if n.Kind != strictyaml.List {
		l.add(s.key, from, "must be a list")
		return nil, false
	}
	items, ok := make([]string, 0, len(n.Items)), true
	for _, item := range n.Items {
		if item.Kind != strictyaml.Scalar || strings.TrimSpace(item.Value) == "" {
			l.add(s.key, raw{node: item, layer: from.layer, name: from.name}, "must be a text")
			ok = false
			continue
		}
		items = append(items, strings.TrimSpace(item.Value))
	}
	return items, ok
}

// path is relative to the file it stands in, else to the working directory.
func (l *loading) path(from raw, text string) string {
	if text == "" {
		return ""
	}
	dir := l.opts.Dir
	if from.layer.inFile() {
		dir = filepath.Dir(l.cfg.File)
	}
	return l.against(dir, text)
}

// secret takes a secret from its key or from the file that the sibling names;
// the higher source wins, both in one source contradict each other.
func (l *loading) secret(v *viper.Viper, s *setting, from raw, set bool) {
	sibling, inFile := v.Get(s.key + fileSuffix).(raw)
	set = set && (from.node.Kind != strictyaml.Scalar || strings.TrimSpace(from.node.Value) != "")
	inFile = inFile && (sibling.node.Kind != strictyaml.Scalar || strings.TrimSpace(sibling.node.Value) != "")
	switch {
	case set && inFile && from.layer == sibling.layer:
		l.add(s.key+fileSuffix, sibling, "%s is set as well; only one of the two may be", s.key)
		return
	case inFile && (!set || sibling.layer > from.layer):
		l.secretFile(s, sibling)
		return
	case !set:
		*s.to.(*Secret) = NewSecret(s.def)
		l.note(s.key, raw{}, shown(s, s.def))
		return
	}
	if from.node.Kind != strictyaml.Scalar {
		l.add(s.key, from, "must be a text")
		return
	}
	l.keep(s, from, from.node.Value)
	if from.layer.inFile() {
		l.checkMode(l.cfg.File, s.key, l.opened)
	}
}

// maxSecret bounds a secret's file, in bytes.
const maxSecret = 64 << 10

func (l *loading) secretFile(s *setting, from raw) {
	key := s.key + fileSuffix
	if from.node.Kind != strictyaml.Scalar {
		l.add(key, from, "must be the path of a file")
		return
	}
	path := l.path(from, strings.TrimSpace(from.node.Value))
	content, opened, err := files.Read(path, maxSecret)
	if err != nil {
		l.add(key, from, "%s cannot be read: %v", path, errors.Unwrap(err))
		return
	}
	if !l.trust(key, from, path, opened) {
		return
	}
	text := strings.TrimRight(string(content), "\r\n")
	if strings.TrimSpace(text) == "" {
		l.add(key, from, "%s is empty", path)
		return
	}
	if strings.ContainsAny(text, "\r\n\x00") {
		l.add(key, from, "%s holds more than one line", path)
		return
	}
	l.keep(s, from, text)
	l.checkMode(path, key, opened)
}

func (l *loading) keep(s *setting, from raw, text string) {
	*s.to.(*Secret) = NewSecret(text)
	l.note(s.key, from, shown(s, text))
}

// checkMode warns once per file that others can read a secret.
func (l *loading) checkMode(path, key string, info fs.FileInfo) {
	if key == "redis.url" && !hasPassword(l.cfg.Redis.URL.Reveal()) {
		return
	}
	if info.Mode().Perm()&0o077 == 0 {
		return
	}
	warning := fmt.Sprintf("%s holds a secret and can be read by others (mode %04o): %s", path, info.Mode().Perm(), files.OnlyOurs(path, info))
	for _, w := range l.cfg.Warnings {
		if w == warning {
			return
		}
	}
	l.warn("%s", warning)
}

// parseDuration is time.ParseDuration with days: "90d", "1d12h".
func parseDuration(s string) (time.Duration, error) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, errors.New("days are a whole number")
	}
	d := time.Duration(n) * 24 * time.Hour
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 {
		return 0, errors.New("no duration after the days")
	}
	return d + more, nil
}

// short is the form in which one writes a duration.
func short(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
