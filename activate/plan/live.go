package plan

import "strings"

// generatorDir is where units of ours are loaded from; systemd's other generator folders are not used.
const generatorDir = "/run/systemd/generator/"

// up reports whether the unit runs.
func (l Live) up() bool { return l.ActiveState == "active" || l.ActiveState == "reloading" }

// moving reports whether the unit is on its way to another state.
func (l Live) moving() bool {
	return l.ActiveState == "activating" || l.ActiveState == "deactivating" || l.ActiveState == "reloading" || l.Job != ""
}

func (l Live) failed() bool { return l.ActiveState == "failed" }

func (l Live) down() bool { return l.ActiveState == "inactive" || l.ActiveState == "" }

func (l Live) masked() bool { return l.LoadState == "masked" }

// leaving reports whether somebody is stopping the unit for good.
func (l Live) leaving() bool { return l.Job == "stop" }

// override returns the administrator's file that the unit is loaded from instead of ours.
func (l Live) override() string {
	if l.masked() || l.Fragment == "" || strings.HasPrefix(l.Fragment, generatorDir) {
		return ""
	}
	return l.Fragment
}
