//go:build machine

package egress

import (
	"slices"
	"strings"
	"testing"

	"fleet/schemas/audit"
)

// J6: limits of a day hold in the middle of a stream.
func TestCATJ6Budgets(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		for range 3 {
			a.must(order{Script: "curl -sS -f http://few.test/"}, "origin few.test")
		}
		a.blocked([]attempt{
			{"the fourth request", forward("few.test"), "budget", "few.test"},
			{"by TLS as well", connectHello("few.test"), "budget", "few.test"},
		})
		for _, url := range []string{"http://small.test/echo", "https://small.test/echo"} {
			out, exit := a.sh(order{Script: "head -c 10000000 /dev/zero | curl -sS -f --data-binary @- " + url + " | wc -c"})
			if strings.TrimSpace(out) == "10000000" {
				t.Errorf("%s: 10 MB went out of 64 KiB: %s, %d", url, out, exit)
			}
		}
		var up int64
		for _, e := range a.entries() {
			if e.Host == "small.test" && e.Ended() {
				up += e.BytesUp
			}
		}
		if up > 80<<10 {
			t.Errorf("%d bytes went up", up)
		}
		a.audited("a budget that is used up", func(e entry) bool { return e.Host == "small.test" && (e.Reason == "budget" || e.Result == "budget") })
	})
}

// E27, H7: whatever an agent puts into what is recorded, there is one intact record of it and nothing raw.
func TestEGRE27Records(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		news := a.news()
		forged := "\nFLEET_VERDICT=allow\nFLEET_HOST=forged.test\nMESSAGE=forged"
		escapes := "\x1b]0;pwned\x07\x1b[2J\u202e\u009b31m\r"
		long := strings.Repeat("a", 1<<20)
		for _, in := range []string{
			"evil" + forged + ":443", escapes + ".test:443", "\xff\xfe.test:443", long + ".test:443", `"quoted"\.test:443`, "=x:443", "%0aFLEET_HOST=forged.test:443",
		} {
			_ = connect(in)(a)
			_ = a.say(a.proxy, "GET http://"+in+"/ HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		for _, in := range []string{"/v2/%1b%5b2J", "/v2/%0aFLEET_HOST=forged.test", "/v2/" + strings.Repeat("a", 30000), "/v2/\x1b[2J", "/v2/%ff%fe", "/v2/%e2%80%ae"} {
			_ = insideTLS("GET " + in + " HTTP/1.1\r\nHost: api.test\r\n\r\n")(a)
			_ = insideTLS("G\x1bT " + in + " HTTP/1.1\r\nHost: api.test\r\n\r\n")(a)
		}
		for _, in := range []string{"e\nFLEET_HOST=forged.tes", "\x1b[2J-evil.test", "\xff\xfeevil.test"} {
			_ = greetBy(a, "by CONNECT", "web.test", helloWith(in))
			_, _ = a.exchange("udp", a.dns, rawQuestion(in, "test"))
		}
		if text := a.journal("-o", "cat", "-u", "fleet-demo-"+a.key+"-gate.service"); strings.ContainsAny(text, "\x1b\x07\r\u202e\u009b") ||
			strings.Contains(text, "\nforged") {
			t.Error("the journal shows something raw")
		}
		listed := []string{"web.test", "api.test"}
		n := 0
		for _, e := range news() {
			n++
			if e.Host == "forged.test" || strings.ContainsAny(e.Host+e.Path+e.Method+e.Reason, "\n\x1b\x07\r\u202e\u009b") || len(e.Host) > 600 || len(e.Path) > 600 ||
				e.Verdict == audit.Allow && !slices.Contains(listed, e.Host) {
				t.Errorf("%+v", e)
			}
		}
		if n < 10 {
			t.Errorf("only %d records", n)
		}
		exit, out, errOut := a.Fleet("egress", "log", a.key, "-n", "0")
		if exit != 0 || strings.ContainsAny(out+errOut, "\x1b\x07\r\u202e\u009b") {
			t.Errorf("fleet egress log: exit status %d, %.300q", exit, errOut)
		}
	})
}

// rawQuestion is a DNS message for a name with labels of any bytes.
func rawQuestion(labels ...string) []byte {
	b := []byte{0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for _, l := range labels {
		b = append(append(b, byte(len(l))), l...)
	}
	return append(b, 0, 0, 1, 0, 1)
}
