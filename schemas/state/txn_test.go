package state_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/schematest"
	"fleet/schemas/state"
)

func txn() *state.Txn {
	return &state.Txn{
		Version: 1, Project: "demo", Nonce: strings.Repeat("0f", 16), Action: state.ActionSwitch, Phase: "P6",
		From: 3, To: 4, Boot: 3, ID: id("b"), Started: time.Unix(1e9, 0).UTC(), BootID: "x", Unit: "fleet-demo-switch.service", Timer: "fleet-demo-deadman", Limit: 30,
		Revert: state.Revert{
			Firewall: &state.Firewall{Script: "/var/lib/fleet/store/0f-firewall", File: "/etc/fleet/demo/generations/3/nftables/demo.nft"},
			Stop:     []string{"fleet-demo-new.service"},
			Units: []state.Restore{
				{Unit: "fleet-demo.target"},
				{Unit: `fleet-demo-a\x2db.service`, Digest: strings.Repeat("0", 32)},
				{Unit: "fleet-demo-watchdog.timer", Always: true},
				{Unit: "fleet-demo-a-net.service", Invocation: strings.Repeat("a", 32)},
			},
		},
	}
}

func TestTxnLines(t *testing.T) {
	b, err := txn().Lines()
	must(t, err)
	want := `fleet-revert 1
project demo
nonce 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
from 3
to 4
boot 3
unit fleet-demo-switch.service
timer fleet-demo-deadman
limit 30
firewall /var/lib/fleet/store/0f-firewall /etc/fleet/demo/generations/3/nftables/demo.nft
stop fleet-demo-new.service
start fleet-demo.target
run fleet-demo-a\x2db.service 00000000000000000000000000000000
restart fleet-demo-watchdog.timer
keep fleet-demo-a-net.service aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
end
`
	if d := cmp.Diff(want, string(b)); d != "" {
		t.Error(d)
	}
}

func TestTxnRoundTrip(t *testing.T) {
	b, err := state.EncodeTxn(txn())
	must(t, err)
	got, err := state.ParseTxn(b)
	must(t, err)
	if d := cmp.Diff(txn(), got); d != "" {
		t.Error(d)
	}
	schematest.Accepts(t, "txn.schema.json", b)
}

// What a shell of root's would read must be refused before it is written.
func TestTxnRefuses(t *testing.T) {
	for want, edit := range map[string]func(*state.Txn){
		`"a b.service" is not a unit name`: func(x *state.Txn) { x.Revert.Stop = []string{"a b.service"} },
		`is not a unit to restore`:         func(x *state.Txn) { x.Revert.Units[0].Unit = "x.service\nstop ssh.service" },
		`with digest "$(id)"`:              func(x *state.Txn) { x.Revert.Units[0].Digest = "$(id)" },
		`and invocation "$(id)"`:           func(x *state.Txn) { x.Revert.Units[0].Invocation = "$(id)" },
		`"-f.service" is not a unit name`:  func(x *state.Txn) { x.Revert.Stop = []string{"-f.service"} },
		`must be plain absolute paths`:     func(x *state.Txn) { x.Revert.Firewall.File = "/etc/../x" },
		`project "a/b"`:                    func(x *state.Txn) { x.Project = "a/b" },
		`nonce "../x"`:                     func(x *state.Txn) { x.Nonce = "../x" },
		`phase "P99"`:                      func(x *state.Txn) { x.Phase = "P99" },
		`must not be negative`:             func(x *state.Txn) { x.From = -1 },
		`limit -1 must be`:                 func(x *state.Txn) { x.Limit = -1 },
		`timer "x y"`:                      func(x *state.Txn) { x.Timer = "x y" },
	} {
		x := txn()
		edit(x)
		if _, err := x.Lines(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
		if _, err := state.EncodeTxn(x); err == nil {
			t.Errorf("%s: written", want)
		}
	}
}

func FuzzParseTxn(f *testing.F) {
	good, err := state.EncodeTxn(txn())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1,"project":"a","nonce":"0000000000000000","phase":"P0"}`))
	line := regexp.MustCompile(`^[a-z-]+( [A-Za-z0-9:_.\\@/+-]+){0,2}$`)
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := state.ParseTxn(b)
		if err != nil {
			return
		}
		lines, err := x.Lines()
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Split(strings.TrimSuffix(string(lines), "\n"), "\n")
		orders := 7 + len(x.Revert.Stop) + len(x.Revert.Units) // head and end
		for _, extra := range []bool{x.Unit != "", x.Timer != "", x.Limit > 0, x.Revert.Firewall != nil} {
			if extra {
				orders++
			}
		}
		if len(all) != orders {
			t.Fatalf("a value added a line: %q", all)
		}
		for _, l := range all {
			if !line.MatchString(l) {
				t.Fatalf("line %q", l)
			}
		}
	})
}
