package plan

import (
	"regexp"
	"slices"

	"fleet/activate/unitfile"
)

// containment names the keys that decide what a service can reach: a change of one takes effect at once, since it may
// narrow and the agent must not go on with what it no longer may. Names are those of systemd.exec(5), systemd.unit(5)
// and systemd.resource-control(5).
var containment = set(
	"User", "Group", "SupplementaryGroups", "DynamicUser", "RootDirectory", "RootImage", "RootHash", "BindPaths",
	"BindReadOnlyPaths", "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths",
	"TemporaryFileSystem", "MountAPIVFS", "MountImages", "ExtensionImages", "ExtensionDirectories", "ProtectHome",
	"ProtectSystem", "PrivateTmp", "PrivateDevices", "PrivateNetwork", "PrivateIPC", "PrivateMounts",
	"PrivateUsers", "PrivatePIDs", "ProtectProc", "ProcSubset", "ProtectHostname", "ProtectClock",
	"ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups",
	"NetworkNamespacePath", "IPCNamespacePath", "JoinsNamespaceOf", "MountFlags", "RestrictNamespaces",
	"RestrictAddressFamilies", "RestrictFileSystems", "RestrictNetworkInterfaces", "RestrictRealtime",
	"RestrictSUIDSGID", "LockPersonality", "MemoryDenyWriteExecute", "RemoveIPC", "SystemCallFilter",
	"SystemCallArchitectures", "SystemCallErrorNumber", "SystemCallLog", "CapabilityBoundingSet",
	"AmbientCapabilities", "NoNewPrivileges", "SecureBits", "KeyringMode", "UMask", "SELinuxContext",
	"AppArmorProfile", "SmackProcessLabel", "DevicePolicy", "DeviceAllow", "IPAddressAllow", "IPAddressDeny",
	"IPIngressFilterPath", "IPEgressFilterPath", "BPFProgram", "SocketBindAllow", "SocketBindDeny", "Delegate",
	"EnvironmentFile", "PassEnvironment", "LoadCredential", "LoadCredentialEncrypted", "ImportCredential",
	"SetCredential", "SetCredentialEncrypted", "NotifyAccess", "Slice",
)

// grants names those that give something with each further value.
var grants = set(
	"BindPaths", "BindReadOnlyPaths", "ReadWritePaths", "SupplementaryGroups", "DeviceAllow", "IPAddressAllow",
	"LoadCredential", "LoadCredentialEncrypted", "ImportCredential", "SetCredential", "SetCredentialEncrypted",
	"EnvironmentFile",
)

func set(keys ...string) map[string]bool {
	out := map[string]bool{}
	for _, k := range keys {
		out[k] = true
	}
	return out
}

var storeHash = regexp.MustCompile(`/var/lib/fleet/store/[0-9a-f]{32}-`)

// narrows returns the first key by which a change may take something away from the service, "" where none does. New
// content of a file that was bound before is none, nor is a grant in addition to all those before.
func narrows(changes []unitfile.Change) string {
	for _, c := range changes {
		if !containment[c.Key] {
			continue
		}
		old, new := byName(c.Old), byName(c.New)
		if slices.Equal(old, new) || grants[c.Key] && subset(old, new) {
			continue
		}
		return c.Key
	}
	return ""
}

func byName(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, storeHash.ReplaceAllString(v, "store:"))
	}
	return out
}

func subset(small, large []string) bool {
	for _, v := range small {
		if !slices.Contains(large, v) {
			return false
		}
	}
	return true
}
