//go:build !windows

package tree

import (
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// fakeRoot is a machine on which a package's scripts run: the real programs, but
// those that would change this one.
type fakeRoot struct {
	t   *testing.T
	dir string
}

func newFakeRoot(t *testing.T, etc os.FileMode) *fakeRoot {
	t.Helper()
	r := &fakeRoot{t: t, dir: t.TempDir()}
	for _, name := range []string{"systemd-sysusers", "systemctl", "useradd", "chgrp"} {
		r.write("bin/"+name, "#!/bin/sh\necho \"$(basename \"$0\") $*\" >>"+r.path("called")+"\n", 0o755)
	}
	r.write("etc/advosync/advosync.yaml", "", 0o600)
	r.write("var/lib/advosync/state.db", "", 0o600)
	if err := os.Chmod(r.path("etc/advosync"), etc); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *fakeRoot) path(name string) string { return filepath.Join(r.dir, filepath.FromSlash(name)) }

func (r *fakeRoot) write(name, text string, mode os.FileMode) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(r.path(name)), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(r.path(name), []byte(text), mode); err != nil {
		r.t.Fatal(err)
	}
}

func (r *fakeRoot) run(script string, args ...string) string {
	r.t.Helper()
	c := exec.Command("sh", append([]string{filepath.Join("packaging", script)}, args...)...)
	c.Env = append(os.Environ(), "DPKG_ROOT="+r.dir, "PATH="+r.path("bin")+":"+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s %v: %v\n%s", script, args, err, out)
	}
	return string(out)
}

func (r *fakeRoot) has(name string) bool {
	_, err := os.Stat(r.path(name))
	return err == nil
}

// An upgrade gives nobody more than the administrator has left (audit, 29).
func TestInstallingKeepsTighterRights(t *testing.T) {
	for _, tt := range []struct {
		name         string
		args         []string
		before, want os.FileMode
		group        bool
	}{
		{"dpkg, the first time", []string{"configure", ""}, 0o755, 0o750, true},
		{"dpkg, an upgrade", []string{"configure", "0.0.9"}, 0o700, 0o700, false},
		{"dpkg, an upgrade of what was left open", []string{"configure", "0.0.9"}, 0o755, 0o750, false},
		{"rpm, the first time", []string{"1"}, 0o755, 0o750, true},
		{"rpm, an upgrade", []string{"2"}, 0o700, 0o700, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newFakeRoot(t, tt.before)
			r.run("postinstall.sh", tt.args...)
			info, err := os.Stat(r.path("etc/advosync"))
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != tt.want {
				t.Errorf("rights %o, want %o", info.Mode().Perm(), tt.want)
			}
			called, _ := os.ReadFile(r.path("called"))
			if strings.Contains(string(called), "chgrp advosync") != tt.group {
				t.Errorf("called:\n%s", called)
			}
		})
	}
}

// Secrets and client data go with a purge if somebody says so, and with nothing
// else (audit, 29).
func TestRemovingErasesOnlyWhenAsked(t *testing.T) {
	for _, tt := range []struct {
		name, step, answer string // answer "": there is no debconf
		stay, told         bool
	}{
		{"removed", "remove", "true", true, false},
		{"an upgrade", "upgrade", "true", true, false},
		{"rpm", "0", "", true, false},
		{"purged, nobody can be asked", "purge", "", true, true},
		{"purged, no", "purge", "false", true, true},
		{"purged, yes", "purge", "true", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newFakeRoot(t, 0o750)
			if tt.answer != "" {
				r.write("usr/share/debconf/confmodule", "db_version() { :; }\ndb_input() { [ \"$2\" = advosync/erase ]; }\ndb_go() { :; }\ndb_get() { RET="+tt.answer+"; }\ndb_purge() { :; }\n", 0o644)
			}
			said := r.run("postremove.sh", tt.step)
			if r.has("etc/advosync/advosync.yaml") != tt.stay || r.has("var/lib/advosync/state.db") != tt.stay {
				t.Error("what should stay has gone, or the other way round")
			}
			if strings.Contains(said, "secrets and client data stay") != tt.told {
				t.Errorf("said %q", said)
			}
		})
	}
}

// What was moved to another disk, and is only linked, is not taken for erased.
func TestPurgeNamesWhatALinkLeadsTo(t *testing.T) {
	r := newFakeRoot(t, 0o750)
	r.write("usr/share/debconf/confmodule", "db_version() { :; }\ndb_input() { :; }\ndb_go() { :; }\ndb_get() { RET=true; }\ndb_purge() { :; }\n", 0o644)
	for _, err := range []error{os.Rename(r.path("var/lib/advosync"), r.path("srv")), os.Symlink(r.path("srv"), r.path("var/lib/advosync"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	said := r.run("postremove.sh", "purge")
	if !strings.Contains(said, "var/lib/advosync was a link: secrets and client data stay in "+r.path("srv")) {
		t.Errorf("said %q", said)
	}
	if r.has("etc/advosync") || r.has("var/lib/advosync") || !r.has("srv/state.db") {
		t.Error("what should stay has gone, or the other way round")
	}
}

// The pages and the changelog are packed as distributions want them.
func TestCompressedDocs(t *testing.T) {
	to := filepath.Join(t.TempDir(), "packed")
	if out, err := exec.Command("sh", "packaging/compress.sh", to).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pages, err := filepath.Glob("docs/man/*.1")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	of := map[string]string{"changelog.gz": "CHANGELOG.md"}
	for _, page := range pages {
		of[filepath.Join("man", filepath.Base(page)+".gz")] = page
	}
	for packed, source := range of {
		f, err := os.Open(filepath.Join(to, packed))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(z)
		want, rerr := os.ReadFile(source)
		if err != nil || rerr != nil || string(got) != string(want) {
			t.Errorf("%s is not %s: %v %v", packed, source, err, rerr)
		}
	}
}

// What a package is besides its files (audit, 29).
func TestPackages(t *testing.T) {
	raw, err := os.ReadFile(".goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type contents []struct {
		Src, Dst, Packager string
	}
	var release struct {
		Builds []struct {
			ID    string
			Flags []string
		}
		Archives []struct{ Files []struct{ Src string } }
		Nfpms    []struct {
			IDs          []string `yaml:"ids"`
			Dependencies []string
			Overrides    struct {
				Deb struct{ Dependencies []string }
			}
			Contents contents
		}
	}
	if err := yaml.Unmarshal(raw, &release); err != nil {
		t.Fatal(err)
	}
	pkg := release.Nfpms[0]
	for _, b := range release.Builds {
		if slices.Contains(pkg.IDs, b.ID) && !slices.Contains(b.Flags, "-buildmode=pie") {
			t.Errorf("the packages' program %s is at a fixed address", b.ID)
		}
	}
	if len(pkg.IDs) != 1 || !slices.ContainsFunc(release.Builds, func(b struct {
		ID    string
		Flags []string
	}) bool {
		return b.ID == pkg.IDs[0]
	}) {
		t.Errorf("packages hold the builds %v", pkg.IDs)
	}
	for _, needs := range [][]string{pkg.Dependencies, pkg.Overrides.Deb.Dependencies} {
		if !slices.Contains(needs, "ca-certificates") {
			t.Errorf("without authorities no certificate is accepted: %v", needs)
		}
	}
	const licences = "THIRD-PARTY-LICENSES.txt"
	packed := map[string]bool{}
	for _, c := range pkg.Contents {
		if c.Src == licences {
			packed[c.Packager] = true
		}
		if strings.HasPrefix(c.Dst, "/usr/share/man/") && !strings.HasSuffix(c.Src, ".gz") {
			t.Errorf("%s is not compressed", c.Src)
		}
		if strings.TrimSuffix(c.Dst, "/") == "/etc/advosync" {
			t.Error("an entry for /etc/advosync lets rpm set its rights at each upgrade")
		}
	}
	if !packed["deb"] || !packed["rpm"] {
		t.Errorf("%s is packed for %v", licences, packed)
	}
	if !slices.ContainsFunc(release.Archives[0].Files, func(f struct{ Src string }) bool { return f.Src == licences }) {
		t.Errorf("archives lack %s", licences)
	}
}
