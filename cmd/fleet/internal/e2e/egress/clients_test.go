//go:build machine

package egress

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/schemas/audit"
)

// sshPort is where git.test has its real sshd.
const sshPort = 2222

// clients is what a machine needs so that agents have programs that Debian does not.
func clients(t testing.TB) machine.Options {
	t.Helper()
	return machine.Options{Binds: []machine.Bind{e2e.Installed(t, "claude-code").Bind()}}
}

// serveSSH makes a repository, and has a real sshd in the network namespace of the origins serve it to the agents' keys.
func (l *lab) serveSSH() {
	l.t.Helper()
	l.Sh(`ln -s /usr/local/lib/claude-code-*/claude /usr/local/bin/claude
		for key in n1 n2 u1 u2; do ssh-keygen -q -t ed25519 -N '' -f /root/key-$key; done
		useradd --create-home --shell /usr/bin/git-shell git; usermod -p '*' git
		mkdir -p /run/sshd ` + repositories + ` /home/git/.ssh
		cat /root/key-*.pub >/home/git/.ssh/authorized_keys
		git init -q --bare -b main ` + repositories + `/thing.git
		git -C ` + repositories + `/thing.git config http.receivepack true
		cd /root && git init -q -b main seed && cd seed && echo hello >README
		git add README && git -c user.name=seed -c user.email=seed@localhost commit -qm seed && git push -q ` + repositories + `/thing.git main
		chown -R git:git /home/git ` + repositories + `
		git config --system --add safe.directory '*'
		for key in n1 n2 u1 u2; do
			mkdir -p /home/demo-$key/.ssh
			mv /root/key-$key /home/demo-$key/.ssh/id_ed25519
			chown -R demo-$key:demo-$key /home/demo-$key/.ssh; chmod 700 /home/demo-$key/.ssh
		done
		ssh-keygen -q -t ed25519 -N '' -f /root/hostkey
		systemd-run -q --unit=git-sshd nsenter --net=` + origins.Namespace + ` /usr/sbin/sshd -D -e -p ` + fmt.Sprint(sshPort) + ` -h /root/hostkey -o UsePAM=no -o PidFile=none
		until nsenter --net=` + origins.Namespace + ` bash -c '</dev/tcp/127.0.0.1/` + fmt.Sprint(sshPort) + `' 2>/dev/null; do sleep 0.2; done`)
}

// client is a real program with what it prints where it has got through.
type client struct{ name, script, want, host string }

const sshCommand = `GIT_SSH_COMMAND="ssh -F none -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=$HOME/known" `

// realClients ask allowed hosts by HTTP and HTTPS, each with nothing set.
var realClients = []client{
	{"curl", "curl -sS https://web.test/curl", "origin web.test GET /curl", "web.test"},
	{"curl-http1", "curl -sS --http1.1 https://web.test/curl1", "origin web.test GET /curl1", "web.test"},
	{"curl-h2", "curl -sS --http2 -o /dev/null -w '%{http_version} %{http_code}' https://web.test/h2", "2 200", "web.test"},
	{"curl-plain", "curl -sS http://web.test/plain", "origin web.test GET /plain", "web.test"},
	{"curl-upload", "head -c 300000 /dev/zero | curl -sS --data-binary @- https://web.test/echo | wc -c", "300000", "web.test"},
	{"curl-inspected", "curl -sS --fail https://api.test/v1/x", "origin api.test GET /v1/x", "api.test"},
	{"curl-inspected-h2", "curl -sS -o /dev/null -w '%{http_version} %{http_code}' https://api.test/v1/x", "2 200", "api.test"},
	{"wget", "wget -q -O - https://web.test/wget", "origin web.test GET /wget", "web.test"},
	{"git", "rm -rf g && git clone -q https://git.test/thing.git g && cat g/README", "hello", "git.test"},
	{
		"git-push", "rm -rf p && git clone -q https://git.test/thing.git p && cd p && git checkout -q -b by-$FLEET_AGENT-$$ && echo $$ >f && git add f && " +
			"git -c user.name=a -c user.email=a@localhost commit -qm f && git push -q origin HEAD && echo pushed", "pushed", "git.test",
	},
	{"node-fetch", `node -e "fetch('https://web.test/node').then(r => r.text()).then(console.log)"`, "origin web.test GET /node", "web.test"},
	{"node-inspected", `node -e "fetch('https://api.test/v1/n').then(r => r.text()).then(console.log)"`, "origin api.test GET /v1/n", "api.test"},
	{
		"npm", "rm -rf n && mkdir n && cd n && npm --registry https://registry.test/ install --no-audit --no-fund --silent thing && node -p \"require('thing')\"",
		"a thing", "registry.test",
	},
	{
		"pip", "rm -rf t && /usr/bin/python3 -m pip install -q --disable-pip-version-check --no-cache-dir --index-url https://registry.test/simple/ " +
			"--target t thing && PYTHONPATH=t /usr/bin/python3 -c 'import thing; print(thing.what)'", "a thing", "registry.test",
	},
	{"python", `/usr/bin/python3 -c "import urllib.request as r; print(r.urlopen('https://web.test/py').read().decode())"`, "origin web.test GET /py", "web.test"},
	{
		"claude", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 ANTHROPIC_API_KEY=fleet-test-0123456789-abcdefghijklmnop claude --print -- 'Say something.'",
		"The stand-in has done its part.", "api.anthropic.com",
	},
	{"go", program + " get https://web.test/go", "origin web.test GET /go", "web.test"},
	{"go-inspected", program + " get https://api.test/v1/go", "origin api.test GET /v1/go", "api.test"},
}

// E1: clients work without any proxy setting, and what they do is recorded.
func TestEGRE1Clients(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) { a.work(t, true) })
}

// E2: the same through the variables HTTPS_PROXY and HTTP_PROXY, as the unit has them.
func TestEGRE2Proxied(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		a.work(t, false)
		// That the variables are used is seen in the record's kind.
		a.audited("a tunnel that was asked for", func(e entry) bool { return e.Kind == "connect" && e.Host == "web.test" && e.Verdict == "allow" })
	})
}

func (a *agent) work(t *testing.T, plain bool) {
	for _, c := range realClients {
		t.Run(c.name, func(t *testing.T) {
			a := a.on(t)
			a.net.Forget()
			began := time.Now().Add(-time.Second)
			a.must(order{Script: "cd; " + c.script, Plain: plain, Time: time.Minute}, c.want)
			if s := a.net.Seen(); len(s.Requested(c.host)) == 0 && c.host != "git.test" {
				t.Errorf("the origin saw no request for %s: %+v", c.host, s.Requests)
			}
			if !strings.Contains(fmt.Sprint(a.records(began)), c.host) {
				t.Errorf("there is no record of %s", c.host)
			}
		})
	}
}

// H9: each request has a record of its decision and one of its end, with its bytes.
func TestCATH9Complete(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		a.must(order{Script: "curl -sS -o /dev/null 'http://web.test/h9/[1-150]' && curl -sS -o /dev/null 'https://any.api.test/h9/[151-300]'", Time: time.Minute}, "")
		decided, ended := map[string]int{}, map[string]int{}
		for _, e := range a.entries() {
			if !strings.HasPrefix(e.Path, "/h9/") {
				continue
			}
			if e.Event == audit.Decision {
				decided[e.Path]++
			}
			if e.Ended() && e.BytesDown > 0 {
				ended[e.Path]++
			}
		}
		for i := 1; i <= 300; i++ {
			if path := fmt.Sprint("/h9/", i); decided[path] != 1 || ended[path] != 1 {
				t.Errorf("%s has %d decisions and %d ends", path, decided[path], ended[path])
			}
		}
	})
}

// E3: SSH and a protocol of any bytes work on the listed port, and no other port of the host does.
func TestEGRE3OtherProtocols(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		for _, plain := range []bool{true, false} {
			a.must(order{Script: "cd; rm -rf s; " + sshCommand + "git clone -q ssh://git@git.test:2222/srv/git/thing.git s && cat s/README", Plain: plain}, "hello")
		}
		a.must(order{Script: "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=$HOME/known -p 2222 git@git.test id 2>&1 || true"}, "unrecognized command")
		a.audited("git by SSH", allowed("git.test", sshPort))
		c, err := a.dial("tcp", "ssh.test:22")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		// I4: the server speaks first, and nobody waits for the client.
		began := time.Now()
		if line, err := readLine(c); err != nil || string(line)+"\n" != origins.BannerText || time.Since(began) > 4*time.Second {
			t.Errorf("the banner: %q, %v after %v", line, err, time.Since(began))
		}
		a.blocked([]attempt{
			{"another port of a raw host", dial("ssh.test:443"), "port-not-listed", ""},
			{"CONNECT to another port of a raw host", connect("ssh.test:443"), "port-not-listed", ""},
			{"the raw port of a web host", dial("web.test:22"), "port-not-listed", ""},
			{"CONNECT to the raw port of a web host", connect("web.test:22"), "port-not-listed", ""},
			{"the usual port of a host with another one", dial("alt.test:443"), "port-not-listed", ""},
			{"CONNECT to the usual port of a host with another one", connect("alt.test:443"), "port-not-listed", ""},
			{"a port beside the listed one", dial("echo.test:8"), "port-not-listed", ""},
			{"PostgreSQL of a web host", connect("web.test:5432"), "port-not-listed", ""},
		})
	})
}

// dial is an attempt to connect by TLS, which fails where no TLS comes back: the gate takes all connections.
func dial(address string) func(*agent) error {
	return func(a *agent) error {
		c, err := a.dial("tcp", address)
		if err != nil {
			return err
		}
		defer c.Close()
		return greet(c, 0, clientHello(strings.Split(address, ":")[0]))
	}
}

func connect(target string) func(*agent) error {
	return func(a *agent) error {
		c, err := a.connect(target)
		if err == nil {
			c.Close()
		}
		return err
	}
}
