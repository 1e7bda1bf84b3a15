package drift

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fleet/schemas/manifest"
)

// expired is what shadow(5)'s expiry field of every user of ours holds: the second day of 1970.
const expired = "1"

// accounts is what a host says of its users, by name.
type accounts struct {
	passwd map[string][]string // fields of passwd(5)
	shadow map[string][]string // fields of shadow(5)
	groups map[string][]string // names of the groups that list the user as a member
}

// readAccounts reads the local files, below root, "" on the real host.
func readAccounts(root string) (accounts, error) {
	a := accounts{groups: map[string][]string{}}
	var err error
	if a.passwd, err = readTable(root + "/etc/passwd"); err != nil {
		return a, err
	}
	if a.shadow, err = readTable(root + "/etc/shadow"); err != nil {
		return a, err
	}
	groups, err := readTable(root + "/etc/group")
	for name, fields := range groups {
		if len(fields) < 4 {
			continue
		}
		for _, member := range strings.Split(fields[3], ",") {
			a.groups[member] = append(a.groups[member], name)
		}
	}
	return a, err
}

// readTable reads a file of lines of fields parted by colons, keyed by the first. The first line of a key counts.
func readTable(path string) (map[string][]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string][]string{}
	s := bufio.NewScanner(f)
	for s.Scan() {
		fields := strings.Split(s.Text(), ":")
		if _, seen := out[fields[0]]; !seen {
			out[fields[0]] = fields
		}
	}
	return out, s.Err()
}

// users compares the OS users with the generation's: an agent's user has its number and home, cannot log in by any way,
// and is in no group but its own.
func (l *list) users(root string, m *manifest.Manifest) {
	a, err := readAccounts(root)
	if err != nil {
		l.add(User, "/etc", "", "cannot be compared: %v", err)
		return
	}
	for _, u := range m.Users {
		l.user(a, u)
	}
}

func (l *list) user(a accounts, u manifest.User) {
	p := a.passwd[u.Name]
	if len(p) < 7 {
		l.add(User, u.Name, "switch again: sudo fleet switch --force", "is missing from /etc/passwd")
		return
	}
	uid := strconv.Itoa(u.UID)
	if p[2] != uid || p[3] != uid {
		l.add(User, u.Name, "give it back its numbers: a file of another user is not this agent's", "has uid %s and gid %s instead of %s", p[2], p[3], uid)
	}
	if p[5] != u.Home {
		l.add(User, u.Name, "usermod --home "+u.Home+" "+u.Name, "has the home %s instead of %s", p[5], u.Home)
	}
	if base := filepath.Base(p[6]); base != "nologin" && base != "false" {
		l.add(User, u.Name, "usermod --shell /usr/sbin/nologin "+u.Name, "has the shell %q", p[6])
	}
	l.shadow(a.shadow[u.Name], u.Name)
	groups := slices.Sorted(slices.Values(a.groups[u.Name]))
	for _, g := range groups {
		if g != u.Name {
			l.add(User, u.Name, "gpasswd --delete "+u.Name+" "+g, "is a member of the group %s", g)
		}
	}
}

func (l *list) shadow(s []string, name string) {
	if len(s) < 8 {
		l.add(User, name, "usermod --lock --expiredate 1970-01-02 "+name, "has no line in /etc/shadow")
		return
	}
	if !strings.HasPrefix(s[1], "!") && !strings.HasPrefix(s[1], "*") {
		l.add(User, name, "usermod --lock "+name, "has a password")
	}
	if s[7] != expired {
		l.add(User, name, "usermod --expiredate 1970-01-02 "+name, "has an account that has not expired")
	}
}
