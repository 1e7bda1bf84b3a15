// Package lock keeps .fleet.lock.json, which stands beside a spec and is committed with it: the UID of every OS user of
// every project, so that a number, once given, always means the same user. Nothing here reads or writes files.
package lock

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"fleet/schemas/report"
	"fleet/schemas/strict"
)

// FileName is the lock's name beside the spec.
const FileName = ".fleet.lock.json"

// Version is the version of the format.
const Version = 1

// MaxLock bounds the file: a hundred thousand users with names of full length.
const MaxLock = 8 << 20

// Lock is the content of the file.
type Lock struct {
	Version  int                `json:"version"`
	Avoid    []int              `json:"avoid,omitempty"` // numbers that a host has given to somebody else; sorted
	Projects map[string]Project `json:"projects"`
}

// Project holds the users of one project by name.
type Project struct {
	UIDs    map[string]int `json:"uids"`
	Retired map[string]int `json:"retired,omitempty"` // users that are gone; their files may still lie somewhere
	Left    []int          `json:"left,omitempty"`    // numbers that users had before Avoid moved them; sorted
}

// New returns an empty lock.
func New() *Lock { return &Lock{Version: Version, Projects: map[string]Project{}} }

// Users returns name and UID of a project's users. The caller may change the result.
func (l *Lock) Users(project string) map[string]int {
	out := map[string]int{}
	maps.Copy(out, l.Projects[project].UIDs)
	return out
}

// Parse reads a lock. A lock of a newer version, one that was merged wrongly and one that is no lock, an empty file
// among them, are a *report.Err. nil, which stands for no file, is a new lock.
func Parse(b []byte) (*Lock, error) {
	if b == nil {
		return New(), nil
	}
	if len(b) > MaxLock {
		return nil, refuse(fmt.Sprintf("must have at most %d MiB", MaxLock>>20), "")
	}
	if _, err := strict.Decode(b); err != nil {
		return nil, refuse(err.Error(), repair)
	}
	version, err := strict.Version(b)
	if err != nil || version < 1 {
		return nil, refuse("is not a lock of fleet: it has no version", repair)
	}
	if version > Version {
		return nil, refuse(fmt.Sprintf("has version %d, this fleet reads up to version %d", version, Version),
			"use the newer fleet that wrote it")
	}
	l := New()
	if err := strict.Into(b, l); err != nil {
		return nil, refuse("is not a lock of fleet: "+err.Error(), repair)
	}
	return l.normal(), l.check()
}

// repair is the remedy for a lock that cannot be read.
const repair = "take it back from version control; without it users would get new numbers and lose their files"

// normal returns l with every map made and every list sorted.
func (l *Lock) normal() *Lock {
	if l.Projects == nil {
		l.Projects = map[string]Project{}
	}
	slices.Sort(l.Avoid)
	for name, p := range l.Projects {
		if p.UIDs == nil {
			p.UIDs = map[string]int{}
		}
		slices.Sort(p.Left)
		l.Projects[name] = p
	}
	return l
}

// Format returns the file's text: sorted, one user on each line.
func (l *Lock) Format() []byte {
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("a lock of plain maps must encode: %v", err))
	}
	return append(b, '\n')
}

var (
	userName    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	projectName = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)
)

// Bounds of a UID: below are the system's and people's, above what 32 bits hold.
const (
	leastUID = 1000
	mostUID  = 1<<31 - 1
)

// check proves that names are names, that numbers are in bounds and that no number has two users.
func (l *Lock) check() error {
	var r report.Report
	owner := map[int]string{}
	for _, project := range slices.Sorted(maps.Keys(l.Projects)) {
		if !projectName.MatchString(project) {
			r.Errorf("projects", "%q is not a project name", project)
		}
		p := l.Projects[project]
		for _, kind := range []struct {
			key   string
			users map[string]int
		}{{"uids", p.UIDs}, {"retired", p.Retired}} {
			for _, name := range slices.Sorted(maps.Keys(kind.users)) {
				checkUser(&r, owner, "projects."+project+"."+kind.key, name, kind.users[name])
			}
		}
		for name := range p.Retired {
			if _, alive := p.UIDs[name]; alive {
				r.ErrorHint("projects."+project, fmt.Sprintf("%q stands in uids and in retired", name),
					"take it out of retired if its numbers are the same")
			}
		}
	}
	var out report.Report
	r.Sort()
	out.Merge(FileName, r)
	return out.Err()
}

func checkUser(r *report.Report, owner map[int]string, path, name string, uid int) {
	switch other, taken := owner[uid]; {
	case !userName.MatchString(name):
		r.Errorf(path, "%q is not a user name", name)
	case uid < leastUID || uid > mostUID:
		r.Errorf(path, "%q must have a number from %d to %d, has %d", name, leastUID, mostUID, uid)
	case taken:
		r.ErrorHint(path, fmt.Sprintf("%q and %q have the same number %d", other, name, uid),
			"take out the line of the one that no host has yet, and build again")
	}
	owner[uid] = name
}

func refuse(message, hint string) error {
	var r report.Report
	r.Add(report.Entry{Where: FileName, Message: message, Hint: hint})
	return r.Err()
}
