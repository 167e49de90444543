package result

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// ofOffice are the commands that are about one office where several are configured.
var ofOffice = regexp.MustCompile(`\badvosync (status|check|diff|history|report|sync|cron-run|link|watch|poke|resolve|undo|reset|unlock|hold|release|doctor|backup|store copy|init espocrm-extension|init mapping)\b`)

// CommandOf is a text in which every command names its office; "": as it is.
func CommandOf(text, office string) string {
	if office == "" {
		return text
	}
	var out strings.Builder
	from := 0
	for _, at := range ofOffice.FindAllStringIndex(text, -1) {
		out.WriteString(text[from:at[1]])
		if from = at[1]; !strings.HasPrefix(text[from:], " --office ") {
			out.WriteString(" --office " + office)
		}
	}
	return out.String() + text[from:]
}

// commandFields are the fields of results that may hold a command to type.
var commandFields = []string{"Next", "Hint", "Undo", "Why", "Message", "Text"}

// OfOffice is a result in which whatever has a place for the office's name has it, and
// every command names it. What it is made of is left as it is; "": the result itself.
func OfOffice[T any](doc T, office string) T {
	if office == "" {
		return doc
	}
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	out.Set(reflect.ValueOf(doc))
	nameIn(out, office)
	return out.Interface().(T)
}

// nameIn works on a value that may be written, and copies what others hold as well.
func nameIn(v reflect.Value, office string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && v.Type().Elem().Kind() == reflect.Struct {
			copied := reflect.New(v.Type().Elem())
			copied.Elem().Set(v.Elem())
			nameIn(copied.Elem(), office)
			v.Set(copied)
		}
	case reflect.Slice:
		if of := v.Type().Elem().Kind(); v.IsNil() || of != reflect.Struct && of != reflect.Pointer {
			return
		}
		copied := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(copied, v)
		for i := range v.Len() {
			nameIn(copied.Index(i), office)
		}
		v.Set(copied)
	case reflect.Struct:
		nameInFields(v, office)
	}
}

func nameInFields(v reflect.Value, office string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch {
		case !f.IsExported():
		case f.Name == "Office" && f.Type.Kind() == reflect.String:
			v.Field(i).SetString(office)
		case f.Type.Kind() == reflect.String && slices.Contains(commandFields, f.Name):
			v.Field(i).SetString(CommandOf(v.Field(i).String(), office))
		default:
			nameIn(v.Field(i), office)
		}
	}
}
