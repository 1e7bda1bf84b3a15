package survey

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"fleet/activate/agents"
	"fleet/activate/drift"
	"fleet/activate/plaintext"
	"fleet/activate/profile"
	"fleet/activate/systemd"
	"fleet/schemas/manifest"
	"fleet/schemas/session"
	"fleet/schemas/status"
)

// facts are what the state of an agent is told from.
type facts struct {
	enabled bool
	marked  bool // a person stopped it by this tool
	told    bool // the flag is up at which its runner ends
	manual  bool // runs an older unit, which a person must restart
	unit    systemd.Unit
	now     session.Now // as the agent says
	future  bool        // its heartbeat lies in the future
	problem string      // as the agent says, one word
	halted  string      // why the watchdog stopped it
	alerted bool        // the watchdog told of it, and has not told that it is over
}

// verdict is what follows from the facts.
type verdict struct {
	state   string
	reason  string
	healthy bool
}

// judge tells an agent's state. What the agent says of itself decides only between working and pausing.
func judge(f facts) verdict {
	u := f.unit
	switch {
	case !f.enabled:
		return verdict{status.Disabled, "", true}
	case f.marked && u.Running():
		return verdict{status.Waiting, "is being stopped", true}
	case f.marked && f.halted != "":
		return verdict{status.Stopped, "by the watchdog: " + f.halted, false}
	case f.marked:
		return verdict{status.Stopped, "", true}
	case u.LoadState == "masked":
		return verdict{status.Stopped, "its unit is masked", true}
	case u.ActiveState == "active":
		return active(f)
	case u.ActiveState == "activating" && u.SubState == "auto-restart":
		return verdict{status.Failed, ended(u) + "; systemd starts it again", false}
	case u.ActiveState == "activating":
		return verdict{status.Waiting, "starts", true}
	case u.ActiveState == "deactivating":
		return verdict{status.Waiting, "is being stopped", true}
	case u.ActiveState == "failed":
		return verdict{status.Failed, ended(u), false}
	case u.LoadState != "loaded":
		return verdict{status.Failed, "its unit is " + u.LoadState, false}
	case u.Ran:
		return verdict{status.Stopped, "by systemctl stop, until it is started or the host boots", true}
	}
	return verdict{status.Failed, "was not started; sudo fleet start does", false}
}

// active tells the state of an agent whose runner runs.
func active(f facts) verdict {
	v := verdict{state: status.Working, healthy: true}
	switch f.now.State {
	case session.Pausing:
		v.state = status.Pausing
	case session.Waiting:
		v.state, v.reason = status.Waiting, "for the end of one of its jobs"
	case "":
		v.state, v.reason = status.Waiting, "its runner begins"
	}
	switch {
	case f.told:
		v.state, v.reason = status.Waiting, told(f.now)
	case f.manual:
		v.reason = "runs its old unit until a person restarts it: sudo fleet restart"
	}
	limit, limited := strings.CutPrefix(f.problem, limitPrefix)
	switch {
	case limited:
		v.reason = "the account's usage limit lasts until " + clock(limit)
	case f.problem != "":
		v.reason, v.healthy = problems[f.problem], false
	case f.future:
		v.reason, v.healthy = "its heartbeat lies in the future, which counts as none", false
	case f.alerted:
		v.reason, v.healthy = "the watchdog raised an alert: journalctl -p err tells why", false
	}
	return v
}

func told(now session.Now) string {
	if now.State == session.Working {
		return fmt.Sprintf("restarts when session %d has ended", now.N)
	}
	return "restarts in a moment"
}

// ended says how a unit's last process ended.
func ended(u systemd.Unit) string {
	if u.ExecMainStatus != 0 {
		return fmt.Sprintf("%s, status %d", u.Result, u.ExecMainStatus)
	}
	return u.Result
}

// clock writes seconds since 1970 for people.
func clock(epoch string) string {
	n, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return "a time that is not known"
	}
	return time.Unix(n, 0).Format("2006-01-02 15:04")
}

// problems are what a runner can complain of, by the word that it says it with.
var problems = map[string]string{
	"disk":      "cannot write its records: the disk is full, or limits.disk is reached",
	"failing":   "its sessions fail again and again; see sudo fleet logs",
	"harness":   "its harness is not installed; sudo fleet doctor tells how",
	"hook":      "one of its hooks failed; see sudo fleet logs",
	"workspace": "its workspace cannot be used; see sudo fleet logs",
}

// limitPrefix begins the word for a usage limit; the rest is when it ends, in seconds since 1970.
const limitPrefix = "limit-"

var problemWord = regexp.MustCompile(`^([a-z]{1,16}|limit-[0-9]{1,11})$`)

// problem reads the word that the runner keeps as the target of a link that leads nowhere. The link is read, never
// followed.
func problem(own string) string {
	word, err := os.Readlink(filepath.Join(own, "problem"))
	known := strings.HasPrefix(word, limitPrefix) || problems[word] != ""
	if err != nil || !problemWord.MatchString(word) || !known {
		return ""
	}
	return word
}

// haltPrefix begins the mark of an agent that the watchdog stopped; the rest of the line is why.
const haltPrefix = "watchdog: "

// halted returns why the watchdog stopped an agent, "" where a person did. The mark is root's.
func halted(mark string) string {
	b, err := os.ReadFile(mark)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	why, ok := strings.CutPrefix(line, haltPrefix)
	if !ok {
		return ""
	}
	return plaintext.Short(why, 200)
}

// takeAgent returns the status of one agent.
func takeAgent(ctx context.Context, c agents.Control, a manifest.Agent, running map[string]profile.Instance) (status.Agent, error) {
	out := status.Agent{Key: a.Key, Name: a.Name, User: a.User, Unit: a.Unit}
	f := facts{enabled: a.Enabled, marked: c.IsStopped(a.Key)}
	if a.Enabled {
		var err error
		if f.unit, err = c.Systemd.Unit(ctx, a.Unit); err != nil {
			return out, err
		}
		signs := c.Signs(a.Key)
		f.now, f.problem = signs.Now, problem(c.AgentOwn(a.Key))
		f.future = signs.Beat.After(time.Now().Add(time.Minute)) // a minute: clocks are set
		f.told, f.alerted = exists(c.EndFlag(a.Key)), exists(alertFile(c, a.Key))
		if f.marked {
			f.halted = halted(c.Stopped(a.Key))
		}
		f.manual = drift.ManualRestart(c.Profile, c.Number, unitOf(c.Manifest, a.Unit), f.unit, running)
		out.LastBeat, out.Memory = signs.Beat, memory(c.Root, f.unit.ControlGroup)
	}
	v := judge(f)
	out.State, out.Reason, out.Healthy = v.state, v.reason, v.healthy
	sessions(c, &out, f)
	return out, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func unitOf(m *manifest.Manifest, name string) manifest.Unit {
	for _, u := range m.Units {
		if u.Name == name {
			return u
		}
	}
	return manifest.Unit{}
}

// sessions adds the session in progress, or the last one, and when the next one begins.
func sessions(c agents.Control, out *status.Agent, f facts) {
	up := f.unit.ActiveState == "active"
	if up && f.now.State == session.Working {
		out.Session = &status.Session{N: f.now.N, Kind: session.KindSession, Start: f.now.At.UTC()}
		return
	}
	if up && f.now.State == session.Pausing {
		out.Next = f.now.At.UTC()
	}
	records, err := c.Sessions(out.Key, 1)
	if err == nil && len(records) == 1 {
		out.Session = &agents.Summaries(records)[0]
	}
}
