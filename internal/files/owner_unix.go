//go:build !windows

package files

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// nonblock keeps the opening of a pipe, should one stand there after all, from
// waiting for its other end.
const nonblock = syscall.O_NONBLOCK

// owned: as ssh does, what belongs to root is trusted as one's own.
func owned(path string, info fs.FileInfo) *Risk {
	stat, ok := info.Sys().(*syscall.Stat_t)
	me := os.Geteuid()
	if !ok || stat.Uid == 0 || int(stat.Uid) == me {
		return nil
	}
	owner, trusted, mend := userName(int(stat.Uid)), "root", fmt.Sprintf("chown %d %s", me, path)
	if me != 0 {
		trusted = userName(me) + " or root"
	} else { // most likely called as root by mistake: what is the service's stays the service's
		mend = fmt.Sprintf("run this as that user (sudo -u %s), or %s", strings.Replace(owner, "uid ", "#", 1), mend)
	}
	return &Risk{What: fmt.Sprintf("%s belongs to %s, not to %s", path, owner, trusted), Mend: mend}
}

// OnlyOurs is the command after which a file that we may read is ours alone.
func OnlyOurs(path string, info fs.FileInfo) string {
	mend := "chmod 600 " + path
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() { // read by the group's right: without it we could not
		mend = fmt.Sprintf("chown %s %s; %s", strings.TrimPrefix(userName(os.Geteuid()), "uid "), path, mend)
	}
	return mend
}

// unwritable: as ssh does, a group is somebody else, also where it has one
// member: its members are not known here.
func unwritable(path string, info fs.FileInfo) *Risk {
	if info.Mode().Perm()&0o022 == 0 {
		return nil
	}
	return &Risk{
		What: fmt.Sprintf("%s can be written by others (mode %04o)", path, info.Mode().Perm()),
		Mend: "chmod go-w " + path,
	}
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}
