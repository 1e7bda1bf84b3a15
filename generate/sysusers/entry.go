// Package sysusers makes what a generation needs of users, groups and folders on a host, in the formats of sysusers.d(5)
// and tmpfiles.d(5). Both only add: nothing of theirs removes a user or cleans a folder. sysusers.d cannot let an account
// expire; the activator does that.
package sysusers

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	nameRe = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,30}$`)
	// pathRe leaves out what either format gives a meaning: white space, quotes, backslashes and the % of specifiers.
	pathRe = regexp.MustCompile(`^(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+$`)
)

// Group is a group. ID 0 lets the host choose the number, as for a group of people.
type Group struct {
	Name string
	ID   int
}

// User is a service's account with a group of the same name and number, a home and no shell.
type User struct {
	Name  string
	ID    int
	Gecos string
	Home  string
}

// Folder is a folder that must be there with this mode and these owners.
type Folder struct {
	Path        string
	Mode        uint32
	User, Group string // "root" where empty
}

// File is a small file of root's that everybody may read.
type File struct{ Path, Text string }

// Users returns the text of a sysusers.d file.
func Users(head string, groups []Group, users []User) (string, error) {
	w := &writer{}
	w.comment(head)
	for _, g := range groups {
		w.check(checkName(g.Name))
		if g.ID == 0 {
			w.printf("g %s -\n", g.Name)
			continue
		}
		w.check(checkID(g.ID))
		w.printf("g %s %d\n", g.Name, g.ID)
	}
	for _, u := range users {
		w.check(checkName(u.Name), checkID(u.ID), checkPath(u.Home), checkGecos(u.Gecos))
		w.printf("g %s %d\n", u.Name, u.ID)
		w.printf("u %s %d:%d %s %s /usr/sbin/nologin\n", u.Name, u.ID, u.ID, quote(u.Gecos), u.Home)
	}
	return w.done()
}

// Folders returns the text of a tmpfiles.d file.
func Folders(head string, folders []Folder, files ...File) (string, error) {
	w := &writer{}
	w.comment(head)
	for _, f := range folders {
		user, group := f.User, f.Group
		if user == "" {
			user = "root"
		}
		if group == "" {
			group = "root"
		}
		w.check(checkPath(f.Path), checkName(user), checkName(group))
		if f.Mode&^0o777 != 0 || f.Mode&0o002 != 0 {
			w.check(fmt.Errorf("folder %s: mode %#o must have no special bit and not be writable for all", f.Path, f.Mode))
		}
		w.printf("d %s %04o %s %s -\n", f.Path, f.Mode, user, group)
	}
	for _, f := range files {
		w.check(checkFile(f))
		w.printf("f+ %s 0644 root root - %s\n", f.Path, strings.ReplaceAll(f.Text, "\n", `\n`))
	}
	return w.done()
}

type writer struct {
	b    strings.Builder
	errs []error
}

func (w *writer) check(errs ...error) { w.errs = append(w.errs, errs...) }

func (w *writer) printf(format string, args ...any) { fmt.Fprintf(&w.b, format, args...) }

func (w *writer) comment(s string) {
	w.check(checkText(s))
	w.printf("# %s\n", s)
}

func (w *writer) done() (string, error) { return w.b.String(), errors.Join(w.errs...) }

// quote writes a string as one word in which nothing is a specifier. Quotes and backslashes are refused before.
func quote(s string) string { return `"` + strings.ReplaceAll(s, "%", "%%") + `"` }

func checkName(s string) error {
	if !nameRe.MatchString(s) {
		return fmt.Errorf("name %q must match %s", s, nameRe)
	}
	return nil
}

// checkID refuses root's number, and nobody's in 16 and 32 bits.
func checkID(n int) error {
	if n < 1 || n >= 1<<32-1 || n == 65534 || n == 65535 {
		return fmt.Errorf("number %d must be a user's", n)
	}
	return nil
}

var (
	// filePathRe allows the @ of a journal's configuration besides.
	filePathRe = regexp.MustCompile(`^(/[A-Za-z0-9_][A-Za-z0-9_.@-]*)+$`)
	// fileTextRe has no sign that tmpfiles.d(5) would read as something else.
	fileTextRe = regexp.MustCompile(`^[A-Za-z0-9=\[\]\n]*$`)
)

func checkFile(f File) error {
	if !filePathRe.MatchString(f.Path) || !fileTextRe.MatchString(f.Text) {
		return fmt.Errorf("file %q with %q must match %s and %s", f.Path, f.Text, filePathRe, fileTextRe)
	}
	return nil
}

func checkPath(s string) error {
	if !pathRe.MatchString(s) {
		return fmt.Errorf("path %q must match %s", s, pathRe)
	}
	return nil
}

// checkGecos refuses what passwd(5) cannot hold: a colon ends the field, a comma a part of it.
func checkGecos(s string) error {
	if s == "" || strings.ContainsAny(s, `:,"'\&`) {
		return fmt.Errorf(`description %q must not be empty or have : , " ' \ or &`, s)
	}
	return checkText(s)
}

func checkText(s string) error {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return fmt.Errorf("text %q must not have control or format characters", s)
	}
	return nil
}
