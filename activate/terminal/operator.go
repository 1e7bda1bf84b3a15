package terminal

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// Operator is the person in front of the terminal.
type Operator struct {
	UID, GID int
	Groups   []int
	Home     string
	Term     string   // value of TERM
	Locale   []string // NAME=VALUE of LANG, LC_ALL, LC_CTYPE
}

// ThisOperator finds who called: the user behind sudo, else the user of this process. The view then runs with that
// user's rights, so that a fault in tmux would give an agent no more than those.
func ThisOperator(getenv func(string) string) (Operator, error) {
	o := Operator{UID: os.Getuid(), GID: os.Getgid(), Home: "/", Term: getenv("TERM")}
	if !safeTerm.MatchString(o.Term) {
		o.Term = "xterm"
	}
	for _, name := range []string{"LANG", "LC_ALL", "LC_CTYPE"} {
		if v := getenv(name); v != "" {
			o.Locale = append(o.Locale, name+"="+v)
		}
	}
	id := strconv.Itoa(o.UID)
	if sudo := getenv("SUDO_UID"); o.UID == 0 && sudo != "" {
		id = sudo
	}
	u, err := user.LookupId(id)
	if err != nil {
		return o, fmt.Errorf("find the user who called: %w", err)
	}
	return o, o.fill(u)
}

func (o *Operator) fill(u *user.User) (err error) {
	o.Home = u.HomeDir
	if o.UID, err = strconv.Atoi(u.Uid); err != nil {
		return fmt.Errorf("user %s: %w", u.Username, err)
	}
	if o.GID, err = strconv.Atoi(u.Gid); err != nil {
		return fmt.Errorf("user %s: %w", u.Username, err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("groups of %s: %w", u.Username, err)
	}
	for _, id := range ids {
		n, err := strconv.Atoi(id)
		if err != nil {
			return fmt.Errorf("groups of %s: %w", u.Username, err)
		}
		o.Groups = append(o.Groups, n)
	}
	return nil
}

// environment is all that the view gets: nothing of the caller's but terminal and locale.
func (o Operator) environment() []string {
	env := []string{"PATH=/usr/bin:/bin", "HOME=" + o.Home, "TERM=" + o.Term, "SHELL=/bin/sh"}
	return append(env, o.Locale...)
}

// Credential changes the user only where this process may: a person who is not root already is who they are.
func (o Operator) Credential() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	c := &syscall.Credential{Uid: uint32(o.UID), Gid: uint32(o.GID)}
	for _, g := range o.Groups {
		c.Groups = append(c.Groups, uint32(g))
	}
	return c
}
