package extension

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"time"
)

// File is one file of the package.
type File struct {
	Path string
	Text []byte
}

// IsPackage reports whether a file is a package that this program has written,
// or nothing yet.
func IsPackage(path string) bool {
	if info, err := os.Stat(path); err == nil && info.Size() == 0 {
		return true
	}
	r, err := zip.OpenReader(path)
	if err != nil {
		return false
	}
	defer func() { _ = r.Close() }()
	raw, err := fs.ReadFile(r, "manifest.json")
	var m struct{ Author string }
	return err == nil && json.Unmarshal(raw, &m) == nil && m.Author == author
}

// jsonText writes metadata the way EspoCRM's own files look.
func jsonText(v any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "    ")
	if err := enc.Encode(v); err != nil {
		panic("extension: " + err.Error()) // only an impossible type can cause it
	}
	return out.Bytes()
}

// Zip packs the files in their order, uncompressed: the same files give the same
// bytes, whichever version of the compressor built the program.
func Zip(files []File) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.Path, Method: zip.Store, Modified: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		h.SetMode(0o644)
		part, err := w.CreateHeader(h)
		if err == nil {
			_, err = part.Write(f.Text)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
