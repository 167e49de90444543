package sqlite

import "golang.org/x/sys/windows"

// roomAt is how many bytes of the volume that holds dir we may still use.
func roomAt(dir string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var ours uint64
	err = windows.GetDiskFreeSpaceEx(name, &ours, nil, nil)
	return ours, err
}
