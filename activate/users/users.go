// Package users makes the OS users and folders of a generation. It only adds: a user that is no longer wanted keeps its
// home and its number, which is never given to another one.
package users

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"fleet/activate/system"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// expired is the value of shadow(5)'s expiry field that every user of ours has: the second day of 1970. An account that
// has expired gets no session through PAM, which closes sshd, cron, at, su and user managers; User= of a unit does not
// ask PAM. Zero would not do, since some programs read it as "never".
const expired = "1"

// Apply makes the users, groups and folders that the generation in dir names.
func Apply(ctx context.Context, fx system.Effects, dir string, m *manifest.Manifest) error {
	err := system.Run(ctx, fx, "make users and groups", "systemd-sysusers", dir+"/sysusers.d/"+m.Project+".conf")
	if err != nil {
		return err
	}
	// systemd-sysusers takes another number where the wanted one is taken, and says so nowhere.
	if r := Check("", m); r.Failed() {
		return r.Err()
	}
	for _, u := range m.Users {
		if err := expire(ctx, fx, u.Name); err != nil {
			return err
		}
	}
	folders := dir + "/tmpfiles.d/" + m.Project + ".conf"
	if err := system.Run(ctx, fx, "make folders", "systemd-tmpfiles", "--create", folders); err != nil {
		return err
	}
	if !slices.ContainsFunc(m.Files, func(f manifest.File) bool { return f.Path == ownScript }) {
		return nil // a generation from before there was one
	}
	return system.Run(ctx, fx, "give agents' folders in /run a size", "/bin/sh", dir+"/"+ownScript, folders)
}

// ownScript is the artifact that mounts a file system of a size on each agent's own folder in /run.
const ownScript = "libexec/own"

func expire(ctx context.Context, fx system.Effects, user string) error {
	have, err := Expiry("", user)
	if err != nil || have == expired {
		return err
	}
	return system.Run(ctx, fx, "expire the account of "+user, "usermod", "--expiredate", "1970-01-02", "--lock", user)
}

// Check reports every user of the generation that exists with another number, or whose number another user has.
func Check(root string, m *manifest.Manifest) report.Report {
	var r report.Report
	byName, byUID := map[string]string{}, map[string]string{}
	err := each(root+"/etc/passwd", func(f []string) {
		if len(f) > 2 {
			byName[f[0]], byUID[f[2]] = f[2], f[0]
		}
	})
	if err != nil {
		r.Errorf("/etc/passwd", "%v", err)
	}
	for _, u := range m.Users {
		want := strconv.Itoa(u.UID)
		if uid, ok := byName[u.Name]; ok && uid != want {
			r.ErrorHint("users."+u.Name, fmt.Sprintf("must have uid %s and has uid %s on this host", want, uid),
				"set that number in .fleet.lock.json, or remove the user")
		}
		if name, ok := byUID[want]; ok && name != u.Name {
			r.ErrorHint("users."+u.Name, fmt.Sprintf("needs uid %s, which %s has on this host", want, name),
				"run `fleet build --avoid-uid "+want+"`")
		}
	}
	return r
}

// Expiry returns shadow(5)'s expiry field of a user, "" where none is set.
func Expiry(root, user string) (string, error) {
	var out string
	found := false
	err := each(root+"/etc/shadow", func(f []string) {
		if len(f) > 7 && f[0] == user {
			out, found = f[7], true
		}
	})
	if err == nil && !found {
		err = fmt.Errorf("user %s has no line in /etc/shadow", user)
	}
	return out, err
}

func each(path string, do func(fields []string)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		do(strings.Split(s.Text(), ":"))
	}
	return nil
}

// Known reports whether the host has the user.
func Known(root, user string) (bool, error) {
	found := false
	err := each(root+"/etc/passwd", func(f []string) { found = found || f[0] == user })
	return found, err
}
