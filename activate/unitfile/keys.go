package unitfile

import "strings"

// cleared names the lists that an empty assignment makes as if never assigned (systemd.exec(5), systemd.service(5),
// systemd.resource-control(5)). CapabilityBoundingSet= is not one of them: empty, it takes all capabilities away.
var cleared = set(`
	Environment EnvironmentFile PassEnvironment UnsetEnvironment
	ExecCondition ExecStart ExecStartPre ExecStartPost ExecReload ExecStop ExecStopPost ExecStopPre
	BindPaths BindReadOnlyPaths ReadWritePaths ReadOnlyPaths InaccessiblePaths ExecPaths NoExecPaths
	TemporaryFileSystem MountImages ExtensionImages ExtensionDirectories
	SystemCallFilter SystemCallArchitectures SystemCallLog RestrictAddressFamilies RestrictNetworkInterfaces
	DeviceAllow IPAddressAllow IPAddressDeny SocketBindAllow SocketBindDeny
	LoadCredential LoadCredentialEncrypted SetCredential SetCredentialEncrypted ImportCredential
	RuntimeDirectory StateDirectory CacheDirectory LogsDirectory ConfigurationDirectory
	SupplementaryGroups Documentation LogExtraFields
	ListenStream ListenDatagram ListenSequentialPacket ListenFIFO ListenSpecial ListenNetlink ListenMessageQueue
	Symlinks
`)

// worded names keys whose value systemd splits at blanks, so that their number and kind do not matter.
var worded = set(`
	Environment PassEnvironment UnsetEnvironment
	ExecCondition ExecStart ExecStartPre ExecStartPost ExecReload ExecStop ExecStopPost ExecStopPre
	BindPaths BindReadOnlyPaths ReadWritePaths ReadOnlyPaths InaccessiblePaths ExecPaths NoExecPaths
	TemporaryFileSystem SystemCallFilter SystemCallArchitectures RestrictAddressFamilies
	IPAddressAllow IPAddressDeny SupplementaryGroups CapabilityBoundingSet AmbientCapabilities
	RuntimeDirectory StateDirectory CacheDirectory LogsDirectory ConfigurationDirectory
	After Before Wants Requires Requisite BindsTo PartOf Upholds Conflicts OnFailure OnSuccess JoinsNamespaceOf
	PropagatesStopTo StopPropagatedFrom PropagatesReloadTo ReloadPropagatedFrom WantedBy RequiredBy Sockets
`)

// silent names keys that tell a reader something and change nothing.
var silent = set("Description Documentation")

// ReloadTrigger is the key whose change alone asks for a reload.
const ReloadTrigger = "X-Fleet-ReloadTrigger"

// counts reports whether a change of the key is a change of the unit. Of fleet's own keys only the reload trigger is
// one; others speak to the activator alone.
func counts(section, key string) bool {
	if section == "Unit" && silent[key] {
		return false
	}
	return key == ReloadTrigger || !strings.HasPrefix(key, "X-Fleet-")
}

func set(words string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(words) {
		out[w] = true
	}
	return out
}
