package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"advosync/internal/mapping"
)

// FreshSecret is a credential that init was told and puts into a file of its own.
type FreshSecret struct {
	Key  string // of the setting
	Text string
}

// Fresh is what a fresh installation begins with: the commented configuration,
// the mapping, and the schemas that editors check them with. Only the schemas
// are ever overwritten.
type Fresh struct {
	Dir     string
	Values  FreshValues
	Secrets []FreshSecret
}

// ExistsError names a file that is there already. Nothing was written.
type ExistsError struct {
	Path string
	// What it should be to be replaced; "": it never is.
	What string
}

func (e *ExistsError) Error() string {
	if e.What != "" {
		return e.Path + " exists already and is no " + e.What + "; it is not overwritten"
	}
	return e.Path + " exists already and is never overwritten"
}

type file struct {
	name string
	text []byte
	// replaced files are ours alone: a newer version brings its own.
	replaced bool
}

// Write makes the files and returns their paths, in the order written. It looks
// first whether one of them is there, and where one cannot be written it takes the others
// away again, so that nothing is half done.
func (n Fresh) Write() ([]string, error) {
	if err := n.Check(); err != nil {
		return nil, err
	}
	var written []string
	for _, f := range n.files() {
		path := filepath.Join(n.Dir, filepath.FromSlash(f.name))
		if err := put(path, f); err != nil {
			for _, path := range written { // they would be in the way of the next attempt
				_ = os.Remove(path)
			}
			return nil, err
		}
		written = append(written, path)
	}
	return written, nil
}

// Check looks whether a file is in the way. The error is *ExistsError, or says
// why that could not be seen.
func (n Fresh) Check() error {
	for _, f := range n.files() {
		if err := f.free(filepath.Join(n.Dir, filepath.FromSlash(f.name))); err != nil {
			return err
		}
	}
	return nil
}

// free: nothing is in the way at path but an older one of a file that may be
// replaced: one that looks like it, and is no link to something else.
func (f file) free(path string) error {
	if dir, err := os.Lstat(filepath.Dir(path)); err == nil && strings.Contains(f.name, "/") && !dir.IsDir() {
		return &ExistsError{Path: filepath.Dir(path), What: "directory"}
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look for %s: %w", path, errors.Unwrap(err))
	case !f.replaced:
		return &ExistsError{Path: path}
	case !info.Mode().IsRegular():
		return &ExistsError{Path: path, What: "plain file"}
	}
	var head struct {
		Schema string `json:"$schema"`
	}
	raw, err := os.ReadFile(path)
	if err == nil && len(raw) > 0 && (json.Unmarshal(raw, &head) != nil || head.Schema == "") {
		return &ExistsError{Path: path, What: "JSON Schema"}
	}
	return err
}

func (n Fresh) files() []file {
	values := FreshValues{}
	for k, v := range n.Values {
		values[k] = v
	}
	var secrets []file
	for _, s := range n.Secrets {
		name := "secrets/" + SecretName(s.Key)
		values[s.Key+"_file"] = name
		secrets = append(secrets, file{name: name, text: []byte(s.Text + "\n")})
	}
	files := []file{
		{name: FileName, text: FreshFile(values)},
		{name: MappingName, text: FreshMapping()},
	}
	return append(append(files, secrets...), schemas()...)
}

func schemas() []file {
	return []file{
		{name: SchemaName, text: SettingsSchema().JSON(), replaced: true},
		{name: MappingSchemaName, text: MappingSchema().JSON(), replaced: true},
	}
}

// WriteSchemas writes the schemas anew, as after an update of the program.
func WriteSchemas(dir string) ([]string, error) {
	var written []string
	for _, f := range schemas() {
		path := filepath.Join(dir, filepath.FromSlash(f.name))
		if err := f.free(path); err != nil {
			return written, err
		}
		if err := put(path, f); err != nil {
			return written, err
		}
		written = append(written, path)
	}
	return written, nil
}

// FreshMapping is the built-in mapping with the line that editors read.
func FreshMapping() []byte {
	return append([]byte("# yaml-language-server: $schema=../"+MappingSchemaName+"\n"), mapping.BuiltinYAML()...)
}

// put writes a file that nobody else may read. The directory of a new one is
// made with the same care. No link is followed: a file is always made anew.
func put(path string, f file) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make %s: %w", dir, errors.Unwrap(err))
	}
	if f.replaced {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("replace %s: %w", path, errors.Unwrap(err))
		}
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &ExistsError{Path: path}
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Unwrap(err))
	}
	_, err = out.Write(f.text)
	if err == nil {
		err = out.Sync()
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil { // a part of it, as on a full disk, may read as something else
		_ = os.Remove(path)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
