package config

// Setting describes one configuration key, for the schema that editors read and
// for the commented file that init writes.
type Setting struct {
	Key     string // dotted
	Kind    string // one of the Kind constants
	Default string // as it would be written; lists with commas
	Enum    []string
	// Least and Most bound numbers; of durations nothing is said here.
	Least, Most float64
}

// The kinds of setting. A secret has a sibling KEY_file, the path of a file that
// holds it.
const (
	KindText     = "text"
	KindSecret   = "secret"
	KindBool     = "bool"
	KindInt      = "int"
	KindFloat    = "float"
	KindDuration = "duration"
	KindEnum     = "enum"
	KindList     = "list"
	KindURL      = "url"
	KindPath     = "path"
	// KindTimetable are numbers by time of the day: {"20:00-06:00": 20}.
	KindTimetable = "timetable"
)

// Describe is every setting, in the order of the documentation.
func Describe() []Setting {
	names := map[kind]string{aText: KindText, aSecret: KindSecret, aBool: KindBool, anInt: KindInt, aFloat: KindFloat,
		aDuration: KindDuration, anEnum: KindEnum, aList: KindList, aURL: KindURL, aPath: KindPath, aTimetable: KindTimetable}
	var out []Setting
	for _, s := range settings(new(Config)) {
		out = append(out, Setting{Key: s.key, Kind: names[s.kind], Default: s.def, Enum: s.enum, Least: s.least, Most: s.most})
	}
	return out
}
