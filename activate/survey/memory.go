package survey

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fleet/schemas/status"
)

// memory reads what a control group uses and may use, nil where the kernel does not count it. See cgroup-v2's
// memory.current and memory.max, which says "max" for no limit.
func memory(root, group string) *status.Memory {
	if group == "" {
		return nil
	}
	dir := filepath.Join(root+"/sys/fs/cgroup", group)
	used, ok := readNumber(filepath.Join(dir, "memory.current"))
	if !ok {
		return nil
	}
	limit, _ := readNumber(filepath.Join(dir, "memory.max"))
	return &status.Memory{Used: used, Limit: limit}
}

func readNumber(path string) (uint64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}
