//go:build machine

package egressctl

import (
	"strings"
	"testing"

	"fleet/schemas/audit"
)

// What agents ask for is shown by agent, whatever others write into the journal.
func TestLog(t *testing.T) {
	t.Parallel()
	h := boot(t, `{ egress+: { allow: ['web.test'] } }`)
	if out := h.must("a", "curl -sS -m 10 https://web.test/x"); !strings.Contains(out, "origin web.test GET /x") {
		t.Errorf("a listed host: %s", out)
	}
	h.refused("a", "curl -sS -m 10 https://other.test/")
	h.refused("b", "curl -sS -m 10 --proxy $PROXY http://other.test/$(printf '\\033')[2J")
	h.Eventually("records of a", soon, func() error {
		return has(h.records("a"), func(e audit.Entry) bool {
			return e.Verdict == audit.Allow && e.Ended() && e.Host == "web.test" && e.BytesDown > 0 && e.Agent == "a"
		})
	})
	if err := has(h.records("a", "--denied"), func(e audit.Entry) bool { return e.Host == "other.test" && e.Verdict == audit.Deny }); err != nil {
		t.Error(err)
	}
	if err := has(h.records("a", "--denied"), func(e audit.Entry) bool { return e.Verdict != audit.Deny }); err == nil {
		t.Error("--denied shows what is none")
	}
	if err := has(h.records("a"), func(e audit.Entry) bool { return e.Agent != "a" }); err == nil {
		t.Error("the log of a has records of b")
	}

	// Somebody else who can write to the journal is not heard, and a gate that speaks of another agent only of itself.
	forge := `printf 'MESSAGE=x\nMESSAGE_ID=` + audit.MessageID + `\nFLEET_EVENT=decision\nFLEET_PROJECT=demo\nFLEET_AGENT=a\nFLEET_KIND=tls\nFLEET_HOST=forged.test\nFLEET_VERDICT=allow\n' | logger --journald`
	h.Sh(`systemd-run -q --wait -p LogNamespace=fleet-demo sh -c "` + strings.ReplaceAll(forge, `\n`, `\\n`) + `"`)
	h.Sh(`systemd-run -q --wait -p LogNamespace=fleet-demo -p User=demo-b-gate sh -c "` + strings.ReplaceAll(strings.ReplaceAll(forge, "forged", "asb"), `\n`, `\\n`) + `"`)
	h.Eventually("the record of b's gate", soon, func() error {
		return has(h.records("b"), func(e audit.Entry) bool { return e.Host == "asb.test" && e.Agent == "b" })
	})
	for _, e := range h.records("a") {
		if strings.HasPrefix(e.Host, "forged") || strings.HasPrefix(e.Host, "asb") {
			t.Errorf("forged: %+v", e)
		}
	}
	out := h.fleet(0, "egress", "log", "-n", "0")
	if !strings.Contains(out, "end       tcp") || strings.ContainsAny(out, "\x1b") || strings.Contains(out, "forged") {
		t.Errorf("log:\n%s", out)
	}
	h.fleet(2, "egress", "log", "nosuch")
	h.fleet(0, "egress", "test", "web.test") // of the live generation, since there is no build
	h.fleet(4, "egress", "test", "other.test", "--live")

	// Watch goes on until it is interrupted, which is no failure.
	out = h.Sh(`(e=0; timeout --preserve-status --signal=INT 4 fleet egress watch a >/tmp/watched || e=$?; echo "exit $e" >>/tmp/watched) & sleep 1
		nsenter -t $(systemctl show -P MainPID fleet-demo-a.service) -n -m -- setpriv --reuid=demo-a --regid=demo-a --clear-groups curl -sS -m 2 https://watched.test/ || :
		wait; cat /tmp/watched`)
	if !strings.Contains(out, "watched.test") || !strings.Contains(out, "exit 0") {
		t.Errorf("watch:\n%s", out)
	}
}
