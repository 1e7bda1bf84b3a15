package lock

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"fleet/schemas/fleet"
	"fleet/schemas/report"
)

// Assign gives a UID of the range to every user of the project, and retires those that are not in users any more; one
// that comes back has its old number again. A new number is the first free one from the hash of the user's name
// onward, so that two repositories for one host seldom meet. Users whose number is in avoid get another one, and no
// user gets one of these again. changed says whether the lock differs now; on an error it is as before.
func (l *Lock) Assign(project string, users []string, in fleet.UIDs, avoid []int) (changed bool, err error) {
	before := l.Format()
	a := assigner{lock: l.clone(), in: in, project: project}
	for _, uid := range avoid {
		a.avoid(uid)
	}
	a.retire(users)
	a.used = a.lock.used()
	for _, name := range slices.Sorted(slices.Values(users)) {
		a.give(name)
	}
	if err := a.report.Err(); err != nil {
		return false, err
	}
	*l = *a.lock
	return string(before) != string(l.Format()), nil
}

type assigner struct {
	lock    *Lock
	in      fleet.UIDs
	project string
	used    map[int]bool
	report  report.Report
}

func (l *Lock) clone() *Lock {
	out := &Lock{Version: l.Version, Avoid: slices.Clone(l.Avoid), Projects: map[string]Project{}}
	for name, p := range l.Projects {
		out.Projects[name] = Project{UIDs: maps.Clone(p.UIDs), Retired: maps.Clone(p.Retired), Left: slices.Clone(p.Left)}
	}
	return out.normal()
}

// used returns every number that is not free.
func (l *Lock) used() map[int]bool {
	out := map[int]bool{}
	for _, uid := range l.Avoid {
		out[uid] = true
	}
	for _, p := range l.Projects {
		for _, uid := range p.UIDs {
			out[uid] = true
		}
		for _, uid := range p.Retired {
			out[uid] = true
		}
		for _, uid := range p.Left {
			out[uid] = true
		}
	}
	return out
}

// avoid takes a number out of use, and out of the hands of the project's user that has it.
func (a *assigner) avoid(uid int) {
	if !slices.Contains(a.lock.Avoid, uid) {
		a.lock.Avoid = append(a.lock.Avoid, uid)
		slices.Sort(a.lock.Avoid)
	}
	p := a.lock.Projects[a.project]
	for _, users := range []map[string]int{p.UIDs, p.Retired} {
		for name, has := range users {
			if has == uid {
				delete(users, name)
				p.Left = append(p.Left, uid)
			}
		}
	}
	slices.Sort(p.Left)
	if p.UIDs != nil {
		a.lock.Projects[a.project] = p
	}
}

// retire moves users that are not wanted any more aside, and those that came back to their old place.
func (a *assigner) retire(users []string) {
	p := a.lock.Projects[a.project]
	if p.UIDs == nil {
		p.UIDs = map[string]int{}
	}
	if p.Retired == nil {
		p.Retired = map[string]int{}
	}
	wanted := map[string]bool{}
	for _, name := range users {
		wanted[name] = true
	}
	for name, uid := range p.UIDs {
		if !wanted[name] {
			delete(p.UIDs, name)
			p.Retired[name] = uid
		}
	}
	for _, name := range users {
		if uid, was := p.Retired[name]; was {
			delete(p.Retired, name)
			p.UIDs[name] = uid
		}
	}
	a.lock.Projects[a.project] = p
}

// give sees that a user has a number inside the range.
func (a *assigner) give(name string) {
	uids := a.lock.Projects[a.project].UIDs
	uid, has := uids[name]
	if !has {
		uid, has = a.free(name)
		if has {
			uids[name], a.used[uid] = uid, true
			return
		}
		a.fault(fmt.Sprintf("no number from %d to %d is free for user %s", a.in.From, a.in.To, name),
			"widen uids in the spec; numbers are never used twice")
		return
	}
	if uid < a.in.From || uid > a.in.To {
		a.fault(fmt.Sprintf("user %s has the number %d, which lies outside uids %d to %d of the spec", name, uid,
			a.in.From, a.in.To),
			fmt.Sprintf("let uids contain it, or give the user another number: fleet build --avoid-uid %d", uid))
	}
}

func (a *assigner) fault(message, hint string) {
	a.report.Add(report.Entry{Where: FileName, Message: message, Hint: hint})
}

// free returns the first free number from the place of the name onward.
func (a *assigner) free(name string) (int, bool) {
	size := a.in.To - a.in.From + 1
	if size < 1 {
		return 0, false
	}
	sum := sha256.Sum256([]byte(name))
	start := int(binary.BigEndian.Uint64(sum[:8]) % uint64(size))
	for i := range size {
		if uid := a.in.From + (start+i)%size; !a.used[uid] {
			return uid, true
		}
	}
	return 0, false
}
