//go:build machine

package contain

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// pamServices are texts of Debian's packages for services that ask PAM whether a user may have a session. su and login
// have theirs from the host.
var pamServices = map[string]string{
	"sshd": "@include common-auth\naccount required pam_nologin.so\n@include common-account\n@include common-session\n",
	"cron": "@include common-auth\nsession required pam_loginuid.so\nsession required pam_env.so\n@include common-account\n@include common-session-noninteractive\n",
	"atd":  "@include common-auth\nsession required pam_loginuid.so\n@include common-account\n@include common-session-noninteractive\n",
}

// entrances are the ways in which other processes of the host make a session of a user, by what they do. USER is the
// user. Those that could run something touch the file /run/entered-USER.
var entrances = map[string]string{
	"su":            `su -s /bin/sh -c 'touch "$HOME/entered"' USER`,
	"su with login": `su -s /bin/sh -l -c 'touch "$HOME/entered"' USER`,
	"login":         `printf 'touch "$HOME/entered"; exit\n' | setsid script -qefc 'login -p -f USER' /dev/null`,
	"machinectl":    `script -qefc "machinectl -q shell USER@.host /bin/sh -c 'touch \"\$HOME/entered\"'" /dev/null`,
	"sshd":          `systemd-run -q --wait -p User=USER -p PAMName=sshd sh -c 'touch "$HOME/entered"'`,
	"cron":          `systemd-run -q --wait -p User=USER -p PAMName=cron sh -c 'touch "$HOME/entered"'`,
	"at":            `systemd-run -q --wait -p User=USER -p PAMName=atd sh -c 'touch "$HOME/entered"'`,
	"user manager":  `systemctl start "user@$(id -u USER).service" && ` + awaitManager,
	"linger":        `loginctl enable-linger USER && sleep 0.5 && ` + awaitManager,
}

// awaitManager waits until a user's systemd has run the user's unit, or has failed to start.
const awaitManager = `for i in $(seq 150); do
	[ ! -e ~USER/lured-user-manager ] || { mv ~USER/lured-user-manager ~USER/entered; break; }
	! systemctl is-failed -q "user@$(id -u USER).service" || break
	sleep 0.1
done`

// Whatever lies in an agent's home, nothing on the host makes a session of its user: the account has expired. The same
// is done for a user of the host with the same home, for whom all of it works.
func TestEGRE30Login(t *testing.T) {
	t.Parallel()
	f := share(t)
	for name, text := range pamServices {
		f.WriteFile("/etc/pam.d/"+name, text, 0o644)
	}
	f.send("lure", "n1", "u1")
	for _, key := range []string{"n1", "u1"} {
		f.told(key, "lure")
		f.expired("demo-" + key)
		f.enter("demo-"+key, false)
	}
	if strays := f.strays(); strays != "" {
		t.Errorf("outside of their units:\n%s", strays)
	}
	f.Sh(`useradd -m -s /bin/bash plain
		for f in .config .profile .bashrc .bash_profile; do cp -r /home/demo-n1/$f /home/plain; done
		sed -i s/demo-n1/plain/g /home/plain/.config/systemd/user/lure.service /home/plain/.profile /home/plain/.bash*
		chown -R plain: /home/plain`)
	f.enter("plain", true)
}

// expired wants the account to be closed, in the files that PAM reads.
func (f *fleet) expired(user string) {
	f.t.Helper()
	shadow := strings.Split(f.Sh("getent shadow "+user), ":")
	passwd := strings.Split(f.Sh("getent passwd "+user), ":")
	if shadow[7] != "1" || !strings.HasPrefix(shadow[1], "!") || passwd[6] != "/usr/sbin/nologin" {
		f.t.Errorf("%s: %q, %q", user, shadow, passwd)
	}
}

// enter tries all entrances and wants each to work, or none.
func (f *fleet) enter(user string, want bool) {
	f.t.Helper()
	for name, script := range entrances {
		f.MustRun("sh", "-c", "rm -f ~"+user+"/entered ~"+user+"/lured-*; "+quit(user))
		out, _ := f.Try("timeout", "20", "sh", "-c", strings.ReplaceAll(script, "USER", user))
		_, exit := f.Try("test", "-e", "/home/"+user+"/entered")
		if got := exit == 0; got != want {
			f.t.Errorf("%s by %s: entered is %t, want %t: %s", user, name, got, want, out)
		}
	}
	time.Sleep(200 * time.Millisecond) // for whatever was started last
	lured := f.MustRun("sh", "-c", "cd ~"+user+" && ls -d lured-* 2>/dev/null || :")
	if !want && lured != "" {
		f.t.Errorf("%s: has run %s", user, lured)
	}
	f.MustRun("sh", "-c", quit(user))
}

// quit is a script that ends a user's systemd and what logind and systemd know of it.
func quit(user string) string {
	unit := fmt.Sprintf("user@$(id -u %s).service", user)
	return fmt.Sprintf("{ loginctl disable-linger %s; loginctl terminate-user %s; systemctl stop %s; systemctl reset-failed %s; } 2>/dev/null; :",
		user, user, unit, unit)
}
