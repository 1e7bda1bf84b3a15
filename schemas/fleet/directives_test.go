package fleet

import "testing"

func TestDirectiveValue(t *testing.T) {
	tests := []struct {
		section, key, value string
		want                Class
		known               bool
	}{
		{"Unit", "After", "network.target", Neutral, true},
		{"Unit", "ConditionPathExists", "/srv/ready", Tightens, true},
		{"Unit", "ConditionPathExists", "", Loosens, true},
		{"Unit", "ConditionFoo", "x", Loosens, false},
		{"Unit", "AssertMemory", "1G", Tightens, true},
		{"Unit", "JoinsNamespaceOf", "dbus.service", Loosens, false},
		{"Unit", "Nice", "5", Loosens, false},
		{"Service", "Nice", "5", Neutral, true},
		{"Service", "ProtectClock", "yes", Tightens, true},
		{"Service", "ProtectClock", "no", Loosens, true},
		{"Service", "ProtectClock", "", Loosens, true},
		{"Service", "RestrictNamespaces", "~user", Loosens, true},
		{"Service", "MemoryDenyWriteExecute", "on", Tightens, true},
		{"Service", "SystemCallFilter", "~@resources", Tightens, true},
		{"Service", "SystemCallFilter", "@mount", Loosens, true},
		{"Service", "SystemCallFilter", "", Loosens, true},
		{"Service", "SystemCallFilter", "~", Loosens, true},
		{"Service", "IPAddressDeny", "10.0.0.0/8", Tightens, true},
		{"Service", "IPAddressDeny", "", Loosens, true},
		{"Service", "IPAddressAllow", "10.0.0.1", Loosens, true},
		{"Service", "ProcSubset", "pid", Tightens, true},
		{"Service", "ProcSubset", "all", Loosens, true},
		{"Service", "BindPaths", "/run/docker.sock", Loosens, true},
		{"Service", "ExecStart", "/bin/sh", Loosens, false},
		{"Service", "ExecStartPost", "+/bin/sh", Loosens, false},
		{"Service", "User", "root", Loosens, false},
		{"Service", "RootDirectory", "/", Loosens, false},
		{"Service", "MemoryMax", "1G", Loosens, false},
		{"Install", "WantedBy", "multi-user.target", Loosens, false},
	}
	for _, tt := range tests {
		got, known := DirectiveValue(tt.section, tt.key, tt.value)
		if got != tt.want || known != tt.known {
			t.Errorf("%s %s=%s: %v, %v; want %v, %v", tt.section, tt.key, tt.value, got, known, tt.want, tt.known)
		}
		if worst, _ := Directive(tt.section, tt.key); worst < got {
			t.Errorf("%s %s: Directive says %v, which is better than %v", tt.section, tt.key, worst, got)
		}
	}
}
