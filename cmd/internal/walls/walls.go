// Package walls proves from inside that the sandbox of a daemon's unit is really there: systemd leaves parts of one out
// with a warning where the kernel or a container does not allow them.
package walls

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Check returns every wall that is missing. host is the list of the host's namespaces that libexec/namespaces wrote,
// proc is /proc.
func Check(host, proc string) error {
	listed, err := read(host, ":")
	if err != nil {
		return err
	}
	return errors.Join(process(proc), namespaces(listed, proc), system(proc))
}

// Prove refuses to go on where a wall of this process's unit is missing. host is as Check has it; "" is a process that has
// no such unit.
func Prove(host string) error {
	if host == "" {
		return nil
	}
	if err := Check(host, "/proc"); err != nil {
		return fmt.Errorf("the sandbox of this unit is not whole: %w", err)
	}
	return nil
}

// read returns the words behind each key of a file whose lines have the form KEY SEPARATOR WORDS.
func read(path, separator string) (map[string]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range bytes.Lines(b) {
		key, value, _ := strings.Cut(string(line), separator)
		out[key] = strings.Join(strings.Fields(value), " ")
	}
	return out, nil
}

// process: an ordinary user without a capability, with no way to gain one, whose system calls are filtered. See
// proc_pid_status(5).
func process(proc string) error {
	have, err := read(filepath.Join(proc, "self/status"), ":")
	if err != nil {
		return err
	}
	var errs []error
	if strings.HasPrefix(have["Uid"], "0 ") {
		errs = append(errs, errors.New("must not be root"))
	}
	for _, want := range [][2]string{
		{"CapInh", noCaps},
		{"CapPrm", noCaps},
		{"CapEff", noCaps},
		{"CapBnd", noCaps},
		{"CapAmb", noCaps},
		{"NoNewPrivs", "1"},
		{"Seccomp", "2"},
	} {
		if key, value := want[0], want[1]; have[key] != value {
			errs = append(errs, fmt.Errorf("%s must be %s, is %q", key, value, have[key]))
		}
	}
	return errors.Join(errs...)
}

const noCaps = "0000000000000000"

// namespaces: of these none is the host's.
func namespaces(host map[string]string, proc string) error {
	var errs []error
	for _, kind := range []string{"ipc", "mnt", "uts", "user"} {
		own, err := os.Readlink(filepath.Join(proc, "self/ns", kind))
		_, number, _ := strings.Cut(own, ":")
		if err != nil || host[kind] == "" || number == host[kind] {
			errs = append(errs, errors.Join(fmt.Errorf("the %s namespace must not be the host's", kind), err))
		}
	}
	return errors.Join(errs...)
}

// system: nothing of the host's file system can be written to but what is mounted for it. See proc_pid_mountinfo(5).
func system(proc string) error {
	f, err := os.Open(filepath.Join(proc, "self/mountinfo"))
	if err != nil {
		return err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		w := strings.Fields(lines.Text())
		if len(w) > 5 && w[4] == "/" && strings.HasPrefix(w[5]+",", "ro,") {
			return nil
		}
	}
	return errors.New("/ must be read-only")
}
