package cmd

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"advosync/internal/fault"
	"advosync/internal/sandbox"
)

// The files of a sandbox besides its configuration and its mapping.
const (
	sandboxMark  = ".advosync-sandbox"  // by which a directory is known as a sandbox's
	sandboxState = "sandbox-state.json" // both systems, as they were left; of several offices in a directory for each
)

// sandboxMemory are the files of the store that a sandbox's configuration names.
var sandboxMemory = []string{"state.db", "state.db-wal", "state.db-shm", "state.db-journal"}

// sandboxDir is the directory of a sandbox. Everything is done through root, so
// that no link leads out of it.
type sandboxDir struct {
	path string
	root *os.Root
	lock *os.File // the directory, open and locked for this process
	temp bool     // made for this run, and removed after it
	mark sandboxMarks
	log  func(format string, args ...any)
	busy sync.Mutex // held while the world is written
}

// sandboxMarks is what the mark remembers.
type sandboxMarks struct {
	Sandbox           bool
	EspoCRM, Advoware int               // ports
	Offices           []sandboxPorts    `json:",omitempty"` // where there are several, instead
	Files             map[string]string // name → hash of what the sandbox wrote
	Entity            string            `json:",omitempty"` // mapping file that is played, "": Beteiligte
}

// sandboxPorts are where both systems of an office listen.
type sandboxPorts struct{ EspoCRM, Advoware int }

// openSandboxDir takes a directory that is empty, is not there yet, or has been
// marked by an earlier sandbox; no other: it may hold a real installation.
func openSandboxDir(dir string, log func(string, ...any)) (*sandboxDir, error) {
	d := &sandboxDir{log: log, mark: sandboxMarks{Sandbox: true, Files: map[string]string{}}}
	var err error
	if d.temp = dir == ""; d.temp {
		d.path, err = os.MkdirTemp("", "advosync-sandbox-")
	} else if d.path, err = filepath.Abs(dir); err == nil {
		err = os.MkdirAll(d.path, 0o700)
	}
	if err != nil {
		return nil, sandboxFault(err, "name another directory: --dir")
	}
	if d.root, err = os.OpenRoot(d.path); err != nil {
		return nil, sandboxFault(err, "name another directory: --dir")
	}
	if err := d.admit(); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// take locks the directory: two sandboxes would write over each other.
func (d *sandboxDir) take() (err error) {
	if d.lock, err = d.root.Open("."); err != nil {
		return sandboxFault(err, "")
	}
	free, err := lockDir(d.lock)
	if err != nil {
		return sandboxFault(fmt.Errorf("lock %s: %w", d.path, err), "name another directory: --dir")
	}
	if !free {
		return &fault.Error{System: fault.Local, Code: "exists", Owner: fault.OwnerSystem, Message: "another sandbox is running in " + d.path,
			Hint: "use it, end it with Ctrl-C in its terminal, or name another directory: --dir"}
	}
	return nil
}

func (d *sandboxDir) admit() error {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return sandboxFault(err, "name another directory: --dir")
	}
	if len(entries) == 0 {
		return d.take()
	}
	var mark sandboxMarks
	raw, err := d.read(sandboxMark)
	if err != nil || json.Unmarshal(raw, &mark) != nil || !mark.Sandbox {
		return &fault.Error{System: fault.Local, Code: "exists", Owner: fault.OwnerSystem,
			Message: d.path + " is not empty, and no sandbox has made it; nothing in it was touched",
			Hint:    "name an empty directory or a new one: --dir; without it the sandbox makes one for itself"}
	}
	if mark.Files != nil {
		d.mark = mark
	}
	return d.take()
}

// read reads a file that is a file: a link may lead to a real installation's.
func (d *sandboxDir) read(name string) ([]byte, error) {
	info, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no plain file", filepath.Join(d.path, name))
	}
	return d.root.ReadFile(name)
}

// write puts a file into place at once; a link in its place is replaced, not
// followed.
func (d *sandboxDir) write(name string, text []byte) error {
	fresh := name + ".new"
	if err := d.root.RemoveAll(fresh); err != nil {
		return err
	}
	if err := d.root.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	return d.root.Rename(fresh, name)
}

// prepared are the configuration and the mapping of a started world.
type prepared struct{ name, text string }

// settle writes what a second terminal needs. A file that somebody has edited
// stays as it is; a configuration that names other systems than the stage's ends it.
func (d *sandboxDir) settle(st *sandboxStage, fresh bool, played played) error {
	files := []prepared{{"advosync.yaml", st.config(d.path)}, {played.file(), played.text(st.worlds[0])}}
	if played.beside != nil {
		files = append(files, prepared{"entities/" + besideName, st.worlds[0].Mapping()})
	}
	var missing []prepared
	for _, f := range files {
		mine, err := d.mine(f.name)
		if err != nil {
			return sandboxFault(err, "move it away, or name another directory: --dir")
		}
		if mine {
			missing = append(missing, f)
		}
	}
	if err := d.leadsTo(st); err != nil {
		return err
	}
	if fresh {
		if err := d.forget(st); err != nil {
			return err
		}
	}
	d.mark.Entity = played.name
	d.mark.EspoCRM, d.mark.Advoware, d.mark.Offices = st.ports()
	for _, f := range missing {
		d.mark.Files[f.name] = hashOf([]byte(f.text))
	}
	marks, err := json.Marshal(d.mark)
	if err != nil {
		return err
	}
	// The mark first: what follows is known as the sandbox's, whatever happens.
	if err := d.write(sandboxMark, append(marks, '\n')); err != nil {
		return sandboxFault(err, "")
	}
	for _, name := range append([]string{"entities"}, st.names...) {
		if err := d.root.MkdirAll(name, 0o700); err != nil {
			return sandboxFault(err, "")
		}
	}
	for _, f := range missing {
		if err := d.write(f.name, []byte(f.text)); err != nil {
			return sandboxFault(err, "")
		}
	}
	return nil
}

// mine: the file is not there, or is as the sandbox has written it.
func (d *sandboxDir) mine(name string) (bool, error) {
	raw, err := d.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return err == nil && hashOf(raw) == d.mark.Files[name], err
}

// leadsTo: a configuration that stays as it is must lead to the simulators, or
// whoever uses it would sync with something else.
func (d *sandboxDir) leadsTo(st *sandboxStage) error {
	mine, err := d.mine("advosync.yaml")
	if mine || err != nil {
		return err
	}
	raw, err := d.read("advosync.yaml")
	other := func(w *sandbox.World) bool {
		return !bytes.Contains(raw, []byte(w.EspoURL)) || !bytes.Contains(raw, []byte(w.AdvoURL))
	}
	if err == nil && !slices.ContainsFunc(st.worlds, other) {
		return nil
	}
	return &fault.Error{System: fault.Local, Code: "exists", Owner: fault.OwnerSystem, Err: err,
		Message: filepath.Join(d.path, "advosync.yaml") + " is not as the sandbox wrote it, and leads to other systems; nothing was touched",
		Hint:    "move it away, or name another directory: --dir"}
}

// forget removes what an earlier start has remembered, and nothing else.
func (d *sandboxDir) forget(st *sandboxStage) error {
	for i := range st.worlds {
		for _, name := range append([]string{sandboxState}, sandboxMemory...) {
			name = st.file(i, name)
			_, err := d.read(name)
			if err == nil {
				err = d.root.Remove(name)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return sandboxFault(err, "move it away, or name another directory: --dir")
			}
		}
	}
	return nil
}

// restore puts a world back to where the last start left it, in a file. False: there was
// none.
func (d *sandboxDir) restore(w *sandbox.World, file string) (bool, error) {
	raw, err := d.read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = w.Restore(raw)
	}
	if err != nil {
		return false, sandboxFault(fmt.Errorf("%s: %w", filepath.Join(d.path, file), err), "--fresh begins anew")
	}
	return true, nil
}

// keep writes a world as it is now. That it cannot ends nothing: it is said.
func (d *sandboxDir) keep(w *sandbox.World, file string) {
	d.busy.Lock()
	defer d.busy.Unlock()
	raw, err := w.Keep()
	if err == nil {
		err = d.write(file, raw)
	}
	if err != nil {
		d.log("the sandbox could not be kept for another start: %v", err)
	}
}

// close removes a temporary directory; every other stays.
func (d *sandboxDir) close() {
	_ = d.root.Close()
	if d.lock != nil {
		_ = d.lock.Close()
	}
	if d.temp {
		_ = os.RemoveAll(d.path)
	}
}

// portOf is the port that a simulator's address ends with.
func portOf(url string) int {
	n, _ := strconv.Atoi(url[strings.LastIndexByte(url, ':')+1:]) // the simulators made the address
	return n
}

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// sandboxFault is a failure to make a sandbox, with the path and the system's
// reason.
func sandboxFault(err error, hint string) error {
	message := err.Error()
	var at *fs.PathError
	if errors.As(err, &at) {
		message = strings.TrimPrefix(message, at.Op+" ")
	}
	return &fault.Error{System: fault.Local, Code: "sandbox", Owner: fault.OwnerSystem, Op: "start the sandbox", Message: message, Hint: hint, Err: err}
}
