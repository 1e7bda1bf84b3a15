//go:build machine

package contain

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// meetingFolders are where everybody can write.
var meetingFolders = []string{"/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock", "/run/shm", "/run/user"}

// leave leaves something in every place where two could meet, open to everybody.
func leave(who string) []attempt {
	unix.Umask(0)
	var out []attempt
	for _, dir := range []string{"/tmp", "/var/tmp", "/dev/shm"} {
		out = append(out, attempt{"leave a file in " + dir, "root", func() error {
			return os.WriteFile(filepath.Join(dir, "left-"+who), nil, 0o666)
		}})
	}
	key := uintptr(0x4600 + actors[who])
	return append(out,
		attempt{"leave shared memory", "root", systemV(unix.SYS_SHMGET, key, 4096, unix.IPC_CREAT|0o666)},
		attempt{"leave a semaphore", "root", systemV(unix.SYS_SEMGET, key, 1, unix.IPC_CREAT|0o666)},
		attempt{"leave a queue", "root", systemV(unix.SYS_MSGGET, key, unix.IPC_CREAT|0o666, 0)},
		attempt{"leave a POSIX queue", "root", queue(who, unix.O_CREAT|unix.O_RDWR)})
}

// find looks for what the others have left.
func find(who string) []attempt {
	var out []attempt
	for other, number := range actors {
		if other == who {
			continue
		}
		key, free := uintptr(0x4600+number), ""
		if other == "host" {
			free = "nobody"
		}
		for _, dir := range meetingFolders {
			out = append(out, attempt{"find the file of " + other + " in " + dir, freeIn(dir, free), func() error {
				return opened(filepath.Join(dir, "left-"+other), os.O_RDONLY)
			}})
		}
		out = append(out,
			attempt{"find the shared memory of " + other, free, systemV(unix.SYS_SHMGET, key, 0, 0)},
			attempt{"find the semaphore of " + other, free, systemV(unix.SYS_SEMGET, key, 0, 0)},
			attempt{"find the queue of " + other, free, systemV(unix.SYS_MSGGET, key, 0, 0)},
			attempt{"find the POSIX queue of " + other, free, queue(other, unix.O_RDONLY)})
	}
	return out
}

func freeIn(dir, free string) string {
	switch dir {
	case "/tmp", "/var/tmp", "/dev/shm":
		return free
	}
	return ""
}

func systemV(number uintptr, args ...uintptr) func() error {
	return func() error {
		args := append(args, 0, 0, 0)
		if _, _, errno := unix.Syscall(number, args[0], args[1], args[2]); errno != 0 {
			return errno
		}
		return nil
	}
}

func queue(who string, flags int) func() error {
	return func() error {
		name, err := unix.BytePtrFromString("left-" + who)
		if err != nil {
			return err
		}
		fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), uintptr(flags), 0o666, 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return unix.Close(int(fd))
	}
}

// same compares the device and the inode of the places where two could meet with those that the host has written down.
func fingerprint([]string) {
	var out []string
	for _, path := range append([]string{"/", "/proc/self/ns/net", "/proc/self/ns/ipc", "/proc/self/ns/mnt", "/proc/self/ns/user", "/proc/self/ns/uts"}, meetingFolders...) {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EACCES) {
				must(err)
			}
			continue
		}
		out = append(out, fmt.Sprintf("%s %d:%d", path, st.Dev, st.Ino))
	}
	if home := os.Getenv("FLEET_AGENT"); home != "" {
		report(filepath.Join(os.Getenv("HOME"), "seen", "fingerprint"), out)
		return
	}
	for _, line := range out {
		fmt.Println(line)
	}
}
