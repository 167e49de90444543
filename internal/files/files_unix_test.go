//go:build !windows

package files_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"advosync/internal/files"
)

const limit = 64 << 10

// judge reads a file and says who else has a hand on it.
func judge(t *testing.T, path string) string {
	t.Helper()
	_, info, err := files.Read(path, limit)
	if err != nil {
		t.Fatal(err)
	}
	if risk := files.Foreign(path, info); risk != nil {
		return strings.ReplaceAll(risk.Error(), filepath.Dir(path), "DIR")
	}
	return ""
}

func TestForeign(t *testing.T) {
	tests := []struct {
		name    string
		dir     fs.FileMode
		file    fs.FileMode
		linked  bool
		want    string
		asRoot  bool // needs to give files away
		foreign string
	}{
		{name: "our own", dir: 0o755, file: 0o644},
		{name: "writable by the group, whoever is in it", dir: 0o755, file: 0o664, want: "DIR/f can be written by others (mode 0664): chmod go-w DIR/f"},
		{name: "writable by all", dir: 0o755, file: 0o666, want: "DIR/f can be written by others (mode 0666): chmod go-w DIR/f"},
		{name: "in a directory of all", dir: 0o777, file: 0o600, want: "DIR can be written by others (mode 0777): chmod go-w DIR"},
		{name: "ours in one like /tmp", dir: 0o777 | fs.ModeSticky, file: 0o600},
		{name: "through a link of ours", dir: 0o755, file: 0o644, linked: true},
		{name: "through a link to what others write", dir: 0o755, file: 0o666, linked: true, want: "DIR/f can be written by others (mode 0666): chmod go-w DIR/f"},
		{name: "somebody else's", dir: 0o755, file: 0o600, asRoot: true, foreign: "f", want: "DIR/f belongs to "},
		{name: "somebody else's, left in /tmp", dir: 0o777 | fs.ModeSticky, file: 0o600, asRoot: true, foreign: "f", want: "DIR/f belongs to "},
		{name: "in somebody else's directory", dir: 0o755, file: 0o600, asRoot: true, foreign: ".", want: "DIR belongs to "},
		{name: "somebody else's link to ours", dir: 0o777 | fs.ModeSticky, file: 0o600, linked: true, asRoot: true, foreign: "link", want: "DIR/link belongs to "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.asRoot && os.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			dir := t.TempDir()
			path := filepath.Join(dir, "f")
			check := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			check(os.WriteFile(path, nil, 0o600))
			check(os.Chmod(path, tt.file))
			asked := path
			if tt.linked {
				asked = filepath.Join(dir, "link")
				check(os.Symlink("f", asked))
			}
			check(os.Chmod(dir, tt.dir))
			if tt.foreign != "" {
				check(os.Lchown(filepath.Join(dir, tt.foreign), 65534, 65534))
			}
			got := judge(t, asked)
			if got != tt.want && (tt.foreign == "" || !strings.HasPrefix(got, tt.want)) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// Somebody else's link leads to a file of ours today, and to another one of ours
// tomorrow.
func TestForeignLinkOnTheWay(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a link away")
	}
	dir := t.TempDir()
	for _, err := range []error{os.Mkdir(filepath.Join(dir, "ours"), 0o700), os.WriteFile(filepath.Join(dir, "ours", "f"), nil, 0o600),
		os.Symlink("ours", filepath.Join(dir, "way")), os.Symlink("../"+filepath.Base(dir)+"/way/f", filepath.Join(dir, "f"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ways := []string{filepath.Join(dir, "way", "f"), filepath.Join(dir, "f")}
	for _, path := range ways {
		if got := judge(t, path); got != "" {
			t.Errorf("all ours: %s: %s", path, got)
		}
	}
	if err := os.Lchown(filepath.Join(dir, "way"), 65534, 65534); err != nil {
		t.Fatal(err)
	}
	for _, path := range ways {
		_, info, err := files.Read(path, limit)
		if err != nil {
			t.Fatal(err)
		}
		if risk := files.Foreign(path, info); risk == nil || !strings.Contains(risk.Error(), "/way belongs to ") {
			t.Errorf("%s: %v", path, risk)
		}
	}
	if risk := files.ForeignPlace(filepath.Join(dir, "way", "new")); risk == nil || !strings.Contains(risk.Error(), "/way belongs to ") {
		t.Errorf("a place: %v", risk)
	}
}

// What was opened is judged, not what took its place since.
func TestForeignExchanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, opened, err := files.Read(path, limit)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if files.Foreign(path, opened) == nil {
		t.Error("another file passes for the one that was opened")
	}
}

// A pipe without a writer would keep whoever opens it waiting for ever.
func TestReadRegularOnly(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero", t.TempDir()} {
		if _, _, err := files.Read(path, limit); !errors.Is(err, files.ErrNotRegular) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestReadAtMost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for size, ok := range map[int]bool{0: true, limit: true, limit + 1: false} {
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		b, _, err := files.Read(path, limit)
		if (err == nil) != ok || ok && len(b) != size {
			t.Errorf("%d bytes: %d, %v", size, len(b), err)
		}
	}
}

// A file that will be written must not lead elsewhere, and nobody else may make
// one in its directory.
func TestForeignPlace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	check := func(what, want string) {
		t.Helper()
		got := ""
		if risk := files.ForeignPlace(path); risk != nil {
			got = strings.ReplaceAll(risk.Error(), dir, "DIR")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	mode := func(m fs.FileMode) {
		t.Helper()
		if err := os.Chmod(dir, m); err != nil {
			t.Fatal(err)
		}
	}
	check("not there yet", "")
	mode(0o777)
	check("anybody can make it", "DIR can be written by others (mode 0777): chmod go-w DIR")
	mode(0o777 | fs.ModeSticky)
	check("anybody can make it, as in /tmp", "DIR can be written by others (mode 0777): use a directory of its own")
	mode(0o700)
	if err := os.Symlink("elsewhere", path); err != nil {
		t.Fatal(err)
	}
	check("a link, though to nothing", "DIR/f is a link to elsewhere: name the file itself, or move it here")
}

// A configuration that root owns and the service's group may read: chmod alone would
// take it away from the service.
func TestOnlyOurs(t *testing.T) {
	ours := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(ours, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{ours: "chmod 600 ", "/": "chown "} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if path == "/" && os.Geteuid() == 0 {
			want = "chmod 600 " // it is ours
		}
		if got := files.OnlyOurs(path, info); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "chmod 600 "+path) {
			t.Errorf("%s: %q, want %q…", path, got, want)
		}
	}
	if os.Geteuid() != 0 {
		return // "/" was somebody else's
	}
	if err := os.Chown(ours, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(ours)
	if got := files.OnlyOurs(ours, info); err != nil || got != "chown root "+ours+"; chmod 600 "+ours {
		t.Errorf("%q, %v", got, err)
	}
}
