package lint

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"fleet/activate/system"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// groups reports every user of the generation whose own group exists with another number, or whose number is another
// group's.
func groups(root string, m *manifest.Manifest) report.Report {
	var r report.Report
	byName, byGID := map[string]string{}, map[string]string{}
	for _, f := range fields(root + "/etc/group") {
		if len(f) > 2 {
			byName[f[0]], byGID[f[2]] = f[2], f[0]
		}
	}
	for _, u := range m.Users {
		want := strconv.Itoa(u.UID)
		if gid, ok := byName[u.Name]; ok && gid != want {
			r.ErrorHint("users."+u.Name,
				fmt.Sprintf("must have group %s with gid %s and it has gid %s on this host", u.Name, want, gid),
				"remove that group, or set its number in .fleet.lock.json")
		}
		if name, ok := byGID[want]; ok && name != u.Name {
			r.ErrorHint("users."+u.Name, fmt.Sprintf("needs gid %s, which group %s has on this host", want, name),
				"run `fleet build --avoid-uid "+want+"`")
		}
	}
	return r
}

// nameService asks the host's name service for the users that it knows besides /etc/passwd, such as a directory's: a
// number that a person of the directory has is taken as well.
func nameService(ctx context.Context, q Question) (report.Report, error) {
	var r report.Report
	local := map[string]bool{}
	for _, f := range fields(q.Layout.Root + "/etc/passwd") {
		local[f[0]] = true
	}
	argv := []string{"getent", "passwd"}
	want := map[string]manifest.User{}
	for _, u := range q.Manifest.Users {
		argv = append(argv, u.Name, strconv.Itoa(u.UID))
		want[u.Name], want[strconv.Itoa(u.UID)] = u, u
	}
	if q.Layout.Root != "" || len(want) == 0 {
		return r, nil
	}
	out, _ := system.Output(ctx, argv...) // exit status 2: one of them is free, which is what is hoped for
	for _, line := range strings.Split(out, "\n") {
		f := strings.Split(line, ":")
		if len(f) < 3 || local[f[0]] {
			continue
		}
		for _, key := range []string{f[0], f[2]} {
			if u, ok := want[key]; ok && (f[0] != u.Name || f[2] != strconv.Itoa(u.UID)) {
				r.ErrorHint("users."+u.Name,
					fmt.Sprintf("needs uid %d, and the name service has user %s with uid %s", u.UID, f[0], f[2]),
					"run `fleet build --avoid-uid "+f[2]+"`")
			}
		}
	}
	return r, ctx.Err()
}

// fields returns the lines of a file of passwd(5)'s form, each with at least one field; none if it cannot be read.
func fields(path string) [][]string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var out [][]string
	for _, line := range strings.Split(string(b), "\n") {
		if line != "" {
			out = append(out, strings.Split(line, ":"))
		}
	}
	return out
}
