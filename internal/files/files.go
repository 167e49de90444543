// Package files opens what the program acts upon and says whose hands are on it.
// Rights are judged on the opened file, so that what was judged is what is used.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNotRegular is a directory, pipe, socket or device where a file is expected.
var ErrNotRegular = errors.New("not a regular file")

// Read reads a regular file of at most limit bytes and gives its state as opened.
// A pipe or device is refused before it is opened: nobody can keep the program
// waiting with one. The error is a *fs.PathError that may wrap ErrNotRegular.
func Read(path string, limit int64) ([]byte, fs.FileInfo, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, nil, err
	} else if !info.Mode().IsRegular() {
		return nil, nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() { // exchanged since it was looked at
		return nil, nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("larger than %d KiB", limit>>10)}
	}
	if err != nil {
		return nil, nil, err
	}
	return b, info, nil
}

// Replaceable fails where path is something that a file of ours must not take the place
// of: a device or a pipe, or a file that does not begin with mark, as every earlier one
// does. A mistyped name must not cost a configuration. An empty file may be replaced, and
// of one that is not there writing says what is wrong.
func Replaceable(path, mark string) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode().IsRegular() && info.Size() == 0 {
		return nil
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "replace", Path: path, Err: ErrNotRegular}
	}
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, len(mark))
	if _, err := io.ReadFull(f, head); err != nil || string(head) != mark {
		return &fs.PathError{Op: "replace", Path: path, Err: errors.New("it is something else already")}
	}
	return nil
}

// Risk is a way in which somebody else than root and the caller can put
// something into a file.
type Risk struct {
	What string // "belongs to …", with the path that it is about
	Mend string // the command that ends it
}

// Error says what is wrong and how to mend it.
func (r *Risk) Error() string { return r.What + ": " + r.Mend }

// maxLinks bounds how many links are followed from one to the next.
const maxLinks = 40

// Foreign judges the file at path, of which opened is the state as it was
// opened: it and every link on the way to it must belong to the caller or root,
// nobody else may write it, and in its directory, and in that of a link in its
// place, nobody else may put another there. Directories above those are not looked
// at: who writes one can put another in its place, but none of ours, and no link of
// ours. nil: nobody can, or it cannot be told on this operating system.
func Foreign(path string, opened fs.FileInfo) *Risk {
	now, err := os.Stat(path)
	if err != nil || !os.SameFile(now, opened) {
		return &Risk{What: path + " is being exchanged", Mend: "look who does that"}
	}
	if r := foreignLink(path); r != nil {
		return r
	}
	for range maxLinks {
		if r := ForeignDir(filepath.Dir(path)); r != nil {
			return r
		}
		entry, err := os.Lstat(path)
		if err != nil || entry.Mode()&fs.ModeSymlink == 0 {
			break
		}
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	if r := owned(path, opened); r != nil {
		return r
	}
	return unwritable(path, opened)
}

// foreignLink is a link on the way to path that belongs to somebody else, who can
// turn it to another file of ours at any time.
func foreignLink(path string) *Risk {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	const sep = string(filepath.Separator)
	root := filepath.VolumeName(path) + sep
	at, names := root, strings.Split(path[len(root):], sep)
	for links := 0; len(names) > 0; {
		name := names[0]
		names = names[1:]
		if name == ".." {
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, name)
		entry, err := os.Lstat(next)
		if err != nil || entry.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if r := owned(next, entry); r != nil {
			return r
		}
		target, err := os.Readlink(next)
		if links++; err != nil || links > maxLinks {
			return nil // whoever opens it says that
		}
		if filepath.IsAbs(target) {
			at = root
			target = target[len(filepath.VolumeName(target)):]
		}
		names = append(strings.Split(target, sep), names...)
	}
	return nil
}

// ForeignPlace judges the place of a file that is to be written, whether it is
// there or not: no link of somebody else's is on the way to its directory, and none
// at all in its own place, it belongs to the caller or root, and nobody else can
// make or exchange a file in its directory, not even in one with the sticky bit. So
// what was judged by name is what will be opened by name.
func ForeignPlace(path string) *Risk {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil {
		return nil // whoever opens it says that
	}
	if r := foreignLink(dir); r != nil {
		return r
	}
	if r := owned(dir, info); r != nil {
		return r
	}
	if r := unwritable(dir, info); r != nil {
		if info.Mode()&fs.ModeSticky != 0 {
			r.Mend = "use a directory of its own"
		}
		return r
	}
	entry, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	if entry.Mode()&fs.ModeSymlink != 0 {
		target, _ := os.Readlink(path)
		return &Risk{What: path + " is a link to " + target, Mend: "name the file itself, or move it here"}
	}
	return owned(path, entry)
}

// ForeignDir judges a directory: it must belong to the caller or root, and
// nobody else may put another file in the place of one of theirs. In a directory
// with the sticky bit, such as /tmp, nobody can. One that is not there is nobody's.
func ForeignDir(dir string) *Risk {
	info, err := os.Stat(dir)
	if err != nil {
		return nil
	}
	if r := owned(dir, info); r != nil {
		return r
	}
	if info.Mode()&fs.ModeSticky != 0 {
		return nil
	}
	return unwritable(dir, info)
}
