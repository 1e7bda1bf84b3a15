//go:build machine

package units

import (
	"strings"
	"testing"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
)

// An agent whose unit does not stop in time is killed, and cannot keep a switch from its end by that.
func TestUnwillingAgent(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	const agent = "[Unit]\nX-Fleet-Agent=idle\n"
	slow := strings.Replace(deaf, "infinity\n", "1s\n", 1) // systemd kills it before the switch would
	slow = strings.Replace(slow, "ExecStop=", "#", 1)
	h.Switch(sealSome(t, h, map[string]string{"goes": agent + deaf, "stays": agent + deaf, "slow": slow}))
	m := switchTo(t, h, sealSome(t, h, map[string]string{"stays": agent + deaf + "Nice=3\n"}))
	for unit, want := range map[string][2]string{
		"goes": {"stop", "gone"}, "stays": {"restart", "restarted"}, "slow": {"stop", "gone"},
	} {
		t.Run("ACT-A30 stop hangs: "+unit, func(t *testing.T) {
			h := h.On(t)
			name := prefix + "-" + unit + ".service"
			m.want(t, name, want[0], want[1])
			if killed := strings.Contains(m.out, name+" does not stop: killed"); killed != (unit != "slow") {
				t.Errorf("killed: %t\n%s", killed, m.out)
			}
			if want[1] == "restarted" {
				if got := niceness(h, name); got != "3" {
					t.Errorf("it runs with nice %s", got)
				}
			} else if s := h.Show(name, "ActiveState", "LoadState"); s["ActiveState"] != "inactive" || s["LoadState"] != "not-found" {
				t.Errorf("it leaves %v behind", s)
			}
		})
	}
}
