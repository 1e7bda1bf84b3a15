//go:build machine

package units

import (
	"testing"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
)

// Every case of testdata, in one switch. What no case names is not touched.
func TestChanges(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	cases := loadCases(t)
	h.MustRun("mkdir", reloaded)
	h.Switch(sealCases(t, h, cases, func(c *unitCase) map[string]string { return c.old }))
	next := sealCases(t, h, cases, func(c *unitCase) map[string]string { return c.new })
	named := []string{prefix + "-anchor.service"}
	for _, c := range cases {
		if c.before != "" {
			h.Sh(c.before)
		}
		named = append(named, c.units()...)
	}
	m := switchTo(t, h, next)
	for _, c := range cases {
		t.Run("ACT-"+c.name, func(t *testing.T) {
			t.Log(c.title)
			c.judge(t, h.On(t), m)
		})
	}
	m.only(t, named...)
	if m.effect(prefix+"-anchor.service") != "untouched" {
		t.Error("the anchor was touched")
	}
}
