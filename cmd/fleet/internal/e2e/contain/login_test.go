//go:build machine

package contain

import (
	"os"
	"path/filepath"
)

// lure plants in its home what a login, a mail or a user's systemd would run; each of them leaves a mark.
func lure([]string) {
	home := os.Getenv("HOME")
	run := func(name string) string { return "touch " + home + "/lured-" + name }
	for path, text := range map[string]string{
		".ssh/authorized_keys":              `command="` + run("ssh") + `" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7aLm7Yk3v2b8v5m1b1q0aQ4mU3u7v0kq7XW3hS6c9e x` + "\n",
		".config/systemd/user/lure.service": "[Service]\nExecStart=/bin/sh -c '" + run("user-manager") + "'\n",
		".forward":                          `"|` + run("forward") + `"` + "\n",
		".profile":                          run("profile") + "\n",
		".bashrc":                           run("bashrc") + "\n",
		".bash_profile":                     run("bash_profile") + "\n",
		".pam_environment":                  "LD_PRELOAD=" + home + "/lure.so\n",
		".tmux.conf":                        "run-shell '" + run("tmux") + "'\n",
		".crontab":                          "* * * * * " + run("cron") + "\n",
	} {
		path = filepath.Join(home, path)
		must(os.MkdirAll(filepath.Dir(path), 0o700))
		must(os.WriteFile(path, []byte(text), 0o600))
	}
	wants := filepath.Join(home, ".config/systemd/user/default.target.wants")
	must(os.MkdirAll(wants, 0o700))
	if err := os.Symlink("../lure.service", filepath.Join(wants, "lure.service")); !os.IsExist(err) {
		must(err)
	}
	report(filepath.Join(home, "seen", "lure"), "planted")
}
