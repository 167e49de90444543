package draft

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"advosync/internal/record"
)

// key is a name in Advoware's records, as a mapping writes it.
type key struct {
	name  string
	words []string
}

// Bounds of what is looked at in one record.
const (
	maxDepth = 3   // objects in objects
	maxKeys  = 400 // names of all samples
	maxSorts = 6   // values by which elements of a list are told apart
)

var (
	keyName  = regexp.MustCompile(`^[\p{L}_][\p{L}\p{N}_-]*$`)
	keyValue = regexp.MustCompile(`^[\p{L}\p{N}_ -]+$`)
)

// keys are all names of single values in Advoware's samples, sorted; elements of lists
// by what tells them apart: kommunikation[kommArt=1].tlf.
func (s *Source) keys() []key {
	seen := map[string]bool{s.ID: true, s.RowID: true}
	var out []key
	add := func(name string) {
		last := plain(name[strings.LastIndexByte(name, '.')+1:])
		if seen[name] || len(out) >= maxKeys || strings.HasPrefix(last, "geaendert") || strings.HasPrefix(last, "rowid") {
			return
		}
		seen[name] = true
		out = append(out, key{name, words(name)})
	}
	for _, o := range s.Advo {
		leaves(gjson.ParseBytes(o.Bytes()), "", 0, add)
	}
	slices.SortFunc(out, func(a, b key) int { return strings.Compare(a.name, b.name) })
	return out
}

// leaves calls add with the dotted name of each single value of an object.
func leaves(r gjson.Result, prefix string, depth int, add func(string)) {
	r.ForEach(func(k, v gjson.Result) bool {
		name := prefix + k.Str
		switch {
		case !keyName.MatchString(k.Str) || depth >= maxDepth:
		case v.IsObject():
			leaves(v, name+".", depth+1, add)
		case v.IsArray():
			elements(v, name, depth, add)
		default:
			add(name)
		}
		return true
	})
}

// elements names what the elements of a list hold, by each member that sorts them.
func elements(list gjson.Result, name string, depth int, add func(string)) {
	if strings.Contains(name, "[") {
		return
	}
	for by, values := range sorts(list) {
		for _, v := range values {
			leaves(record.Pick{Key: by, Value: v}.From(list), name+"["+by+"="+v+"].", depth+1, func(leaf string) {
				if !strings.HasSuffix(leaf, "]."+by) {
					add(leaf)
				}
			})
		}
	}
}

// sorts are the members that tell the elements of a list apart by few values: a kind, or
// whether it is the standard. An id does not.
func sorts(list gjson.Result) map[string][]string {
	out := map[string][]string{}
	for _, e := range list.Array() {
		e.ForEach(func(k, v gjson.Result) bool {
			sort := strings.HasSuffix(plain(k.Str), "art") || strings.HasSuffix(plain(k.Str), "typ") || plain(k.Str) == "standard"
			if text := v.String(); sort && !v.IsObject() && !v.IsArray() && keyName.MatchString(k.Str) && keyValue.MatchString(text) &&
				!slices.Contains(out[k.Str], text) && len(out[k.Str]) < maxSorts {
				out[k.Str] = append(out[k.Str], text)
			}
			return true
		})
	}
	return out
}

// IDs finds the names of id and row id in records of Advoware, which are different ones.
// known is the record whose id is number, the zero Object where none is known so. "" is
// what no name fits.
func IDs(records []record.Object, known record.Object, number int64) (id, rowID string) {
	if known.IsZero() && len(records) > 0 {
		known, number = records[0], 0
	}
	bestID, bestRow := 0, 0
	gjson.ParseBytes(known.Bytes()).ForEach(func(k, v gjson.Result) bool {
		if !keyName.MatchString(k.Str) {
			return true
		}
		if r := rankID(k.Str, v, records, number); r > bestID {
			bestID, id = r, k.Str
		}
		if r := rankRowID(k.Str, v, records); r > bestRow {
			bestRow, rowID = r, k.Str
		}
		return true
	})
	return id, rowID
}

func rankID(name string, v gjson.Result, records []record.Object, number int64) int {
	n, err := strconv.ParseInt(v.String(), 10, 64)
	if err != nil || number != 0 && n != number || !distinct(records, name) {
		return 0
	}
	switch word := plain(name); {
	case word == "id":
		return 3
	case strings.HasSuffix(word, "id") || strings.HasSuffix(word, "nr"):
		return 2
	}
	return 1
}

func rankRowID(name string, v gjson.Result, records []record.Object) int {
	switch word := plain(name); {
	case v.Type != gjson.String:
		return 0
	case word == "rowid":
		return 3
	case strings.Contains(word, "row"):
		return 2
	case len(v.Str) >= 20 && !strings.ContainsAny(v.Str, " @.") && distinct(records, name):
		return 1
	}
	return 0
}

// distinct: no two records hold the same there.
func distinct(records []record.Object, name string) bool {
	seen := map[string]bool{}
	for _, o := range records {
		raw, there := o.Get(name)
		if !there || seen[string(raw)] {
			return false
		}
		seen[string(raw)] = true
	}
	return true
}

// at is what stands under a name, null where nothing does.
func at(o record.Object, name string) json.RawMessage {
	raw, there := o.Get(name)
	if !there {
		return json.RawMessage("null")
	}
	return raw
}
