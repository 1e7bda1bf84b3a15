package fleet

import (
	"slices"
	"strings"
)

// Class says what an extra systemd directive does to an agent's containment.
type Class int

// The classes. A directive that only loosens, or that does so with the value it has, needs systemd.unsafe.
const (
	Neutral  Class = iota // no effect on containment
	Tightens              // takes something away
	Loosens               // gives something that the sandbox withholds
)

// String returns "neutral", "tightens" or "loosens".
func (c Class) String() string { return [...]string{"neutral", "tightens", "loosens"}[c] }

// neutral directives: order, dependencies and shares of the host. What a key of the spec sets (limits, env, hooks) is
// not among them, so that there is one way to say it.
var neutral = map[string][]string{
	"Unit": {
		"After", "Before", "Conflicts", "Documentation", "OnFailure", "OnSuccess", "Requires", "RequiresMountsFor", "Wants",
	},
	"Service": {
		"AllowedCPUs", "AllowedMemoryNodes", "CPUAffinity", "CPUSchedulingPolicy", "CPUSchedulingPriority",
		"CPUSchedulingResetOnFork", "CoredumpFilter", "IODeviceLatencyTargetSec", "IODeviceWeight", "IOReadBandwidthMax",
		"IOReadIOPSMax", "IOSchedulingClass", "IOSchedulingPriority", "IOWriteBandwidthMax", "IOWriteIOPSMax", "LimitAS",
		"LimitCPU", "LimitDATA", "LimitFSIZE", "LimitLOCKS", "LimitMEMLOCK", "LimitMSGQUEUE", "LimitNPROC", "LimitRSS",
		"LimitSIGPENDING", "LimitSTACK", "LogExtraFields", "LogLevelMax", "LogNamespace", "LogRateLimitBurst",
		"LogRateLimitIntervalSec", "MemoryLow", "MemoryMin", "NUMAMask", "NUMAPolicy", "Nice", "OOMScoreAdjust",
		"RestartSec", "RuntimeMaxSec", "StartupCPUWeight", "StartupIOWeight", "SystemCallLog", "TimeoutStopSec",
		"TimerSlackNSec",
	},
}

// loosening directives: whatever their value, they give the agent more than the sandbox does.
var loosening = map[string][]string{
	"Service": {
		"AmbientCapabilities", "BindPaths", "BindReadOnlyPaths", "CapabilityBoundingSet", "Delegate", "DeviceAllow",
		"DevicePolicy", "EnvironmentFile", "IPAddressAllow", "KeyringMode", "LimitCORE", "LimitNICE", "LimitRTPRIO",
		"LimitRTTIME", "LoadCredential", "LoadCredentialEncrypted", "MemorySwapMax", "PassEnvironment", "ProtectHome",
		"ProtectSystem", "ReadWritePaths", "SecureBits", "SetCredential", "SetCredentialEncrypted", "SocketBindAllow",
		"SupplementaryGroups", "SystemCallErrorNumber", "TemporaryFileSystem", "UMask",
	},
}

// switches tighten where they are on and loosen where they are off.
var switches = []string{
	"LockPersonality", "MemoryDenyWriteExecute", "NoNewPrivileges", "PrivateDevices", "PrivateIPC", "PrivateNetwork",
	"PrivateUsers", "ProtectClock", "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs",
	"ProtectKernelModules", "ProtectKernelTunables", "RemoveIPC", "RestrictNamespaces", "RestrictRealtime",
	"RestrictSUIDSGID",
}

// denials tighten where the list that they extend is one of things forbidden, and reset it where the value is empty.
var denials = []string{"IPAddressDeny", "RestrictNetworkInterfaces", "SocketBindDeny"}

// filters are allow lists of the sandbox; only a value that begins with ~ takes something from them.
var filters = []string{"RestrictAddressFamilies", "RestrictFileSystems", "SystemCallFilter"}

// Directive reports the class that a directive can have at worst, and whether it is known at all. Section is "Unit" or
// "Service". Directives that are not known are refused: systemd has hundreds, and each release adds some.
func Directive(section, key string) (Class, bool) {
	switch {
	case slices.Contains(neutral[section], key):
		return Neutral, true
	case condition(section, key):
		return Loosens, true // an empty value forgets the conditions before it, our own among them
	case section != "Service":
		return Loosens, false
	}
	known := slices.Contains(loosening["Service"], key) || slices.Contains(switches, key) ||
		slices.Contains(denials, key) || slices.Contains(filters, key) || exact[key] != ""
	return Loosens, known
}

// exact directives tighten with this one value.
var exact = map[string]string{"ProcSubset": "pid", "ProtectProc": "invisible", "SystemCallArchitectures": "native"}

// conditions can only keep the unit from starting. Each has a form that begins with Assert.
var conditions = []string{
	"ACPower", "Architecture", "CPUs", "DirectoryNotEmpty", "FileNotEmpty", "Host", "KernelVersion", "Memory",
	"PathExists", "PathExistsGlob", "PathIsDirectory", "PathIsMountPoint", "Virtualization",
}

func condition(section, key string) bool {
	name, is := strings.CutPrefix(key, "Condition")
	if !is {
		name, is = strings.CutPrefix(key, "Assert")
	}
	return is && section == "Unit" && slices.Contains(conditions, name)
}

// DirectiveValue is Directive for one value.
func DirectiveValue(section, key, value string) (Class, bool) {
	class, known := Directive(section, key)
	if !known || class != Loosens {
		return class, known
	}
	value = strings.TrimSpace(value)
	if condition(section, key) && value != "" || section == "Service" && tightens(key, value) {
		return Tightens, true
	}
	return Loosens, true
}

func tightens(key, value string) bool {
	switch {
	case slices.Contains(switches, key):
		return slices.Contains([]string{"yes", "true", "on", "1", "y", "t"}, strings.ToLower(value))
	case slices.Contains(denials, key):
		return value != ""
	case slices.Contains(filters, key):
		return strings.HasPrefix(value, "~") && strings.TrimPrefix(value, "~") != ""
	}
	return value != "" && exact[key] == value
}
