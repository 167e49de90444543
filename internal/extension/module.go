package extension

import (
	"embed"
	"io/fs"
	"strings"
)

// moduleSources are the module's own files. They use EspoCRM's classes and are under
// EspoCRM's licence, the AGPL-3.0-or-later, as their heads say.
//
//go:embed module
var moduleSources embed.FS

// moduleFiles are the module's files, and what it is told in metadata: for whom and
// for which types it was made.
func moduleFiles(root string, o Options) []File {
	var files []File
	err := fs.WalkDir(moduleSources, "module", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := moduleSources.ReadFile(path)
		files = append(files, File{root + strings.TrimPrefix(path, "module/"), text})
		return err
	})
	if err != nil {
		panic("extension: " + err.Error()) // the files are part of the program
	}
	app := root + "Resources/metadata/app/"
	return append(files, File{app + "advosync.json", jsonText(settings(o))}, File{app + "api.json", jsonText(around(o))})
}

// settings is what the module reads of itself.
func settings(o Options) object {
	var fields []string
	for _, f := range syncFields() {
		fields = append(fields, f.name)
	}
	types := object{}
	for _, m := range o.Mappings {
		types[m.EspoType()] = m.EspoNames()
	}
	s := object{"version": o.Version, "form": ModuleForm, "syncFields": fields, "types": types}
	if o.User.ID != "" {
		s["userId"] = o.User.ID
	} else {
		s["userName"] = o.User.UserName
	}
	return s
}

// around puts the module around EspoCRM's own PUT of the served types. It stands in
// the module's metadata and goes with it: a class that is named and not there would
// fail every save. EspoCRM appends to these lists what several packages name.
func around(o Options) object {
	class := []string{`Espo\Modules\` + moduleName + `\Api\AtomicUpdate`}
	calls := object{}
	for _, m := range o.Mappings {
		calls[m.EspoType()+"_put_update"] = class
		calls[m.EspoType()+"_patch_update"] = class
	}
	return object{"controllerActionMiddlewareClassNameListMap": calls}
}
