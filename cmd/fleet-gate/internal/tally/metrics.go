package tally

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Gauges are what a gate knows besides.
type Gauges struct {
	Project, Agent         string
	Open, Waited, NotTaken int64 // connections: open, that had to wait for others to end, that could not be accepted
	Repeated               int64 // denials that one record tells of with others
	Reloads, ReloadsFailed int64
	Cut, Bypassed          bool
	Started                time.Time
}

// page writes the text format of Prometheus, version 0.0.4.
type page struct {
	w      *bufio.Writer
	labels string // of every series
}

// ContentType is that of Metrics.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Metrics writes all counters.
func (t *Tally) Metrics(w io.Writer, g Gauges) error {
	p := page{bufio.NewWriter(w), fmt.Sprintf(`project="%s",agent="%s"`, escape(g.Project), escape(g.Agent))}
	t.mu.Lock()
	decisions, rules, answers := maps.Clone(t.decisions), maps.Clone(t.rules), maps.Clone(t.answers)
	secrets, misplaced := maps.Clone(t.secrets), t.counts.Total.Misplaced
	dials, dialTime := t.dials, t.dialTime
	t.mu.Unlock()

	p.head("decisions_total", "counter", "Decisions by verdict and reason, those on the gate's own names left out.")
	for _, d := range sorted(decisions, func(a, b decision) int {
		return cmp.Or(cmp.Compare(a.verdict, b.verdict), cmp.Compare(a.reason, b.reason))
	}) {
		p.value("decisions_total", decisions[d], "verdict", d.verdict, "reason", d.reason)
	}
	p.labelled("allowed_total", "Decisions that allowed, by rule; at most 100 rules by name.", "rule", rules)
	p.labelled("secrets_total", "Secrets that were put into requests.", "secret", secrets)
	p.one("misplaced_total", "counter", "Requests with a placeholder where no secret is put in, kept over restarts.", misplaced)
	p.labelled("dns_answers_total", "Answers of the name service by code.", "code", answers)
	p.one("self_total", "counter", "Questions for the gate's own names.", t.self.Load())
	p.one("bytes_up_total", "counter", "Bytes from the agent, of what has ended.", t.up.Load())
	p.one("bytes_down_total", "counter", "Bytes to the agent, of what has ended.", t.down.Load())
	p.one("connections_open", "gauge", "Connections of the agent.", g.Open)
	p.one("connections_waited_total", "counter", "Connections that had to wait, since as many as may be were open.", g.Waited)
	p.one("accept_errors_total", "counter", "Failed attempts to take a connection, mostly for lack of descriptors.", g.NotTaken)
	p.one("dial_errors_total", "counter", "Hosts that could not be reached.", t.dialErrors.Load())
	p.histogram("dial_seconds", "Time to connect to a host, successful or not.", dials[:], dialTime)
	p.one("audit_refused_total", "counter", "Audit records that the journal did not take; what they allowed was refused.", t.unrecorded.Load())
	p.one("audit_repeated_total", "counter", "Denials without a record of their own, counted in that of others.", g.Repeated)
	p.one("reloads_total", "counter", "Policies read again.", g.Reloads)
	p.one("reload_errors_total", "counter", "Policies that could not be read; the one before stayed in force.", g.ReloadsFailed)
	p.one("cut", "gauge", "1 while the operator has cut the agent off.", truth(g.Cut))
	p.one("bypassed", "gauge", "1 while a bypass runs.", truth(g.Bypassed))
	p.one("start_time_seconds", "gauge", "When the gate was started, seconds since 1970.", g.Started.Unix())
	return p.w.Flush()
}

func sorted[K comparable, V any](m map[K]V, compare func(a, b K) int) []K {
	return slices.SortedFunc(maps.Keys(m), compare)
}

func (p page) head(name, kind, help string) {
	fmt.Fprintf(p.w, "# HELP fleet_gate_%s %s\n# TYPE fleet_gate_%s %s\n", name, help, name, kind)
}

// value writes one series; labels are names and values in turn.
func (p page) value(name string, v int64, labels ...string) {
	p.w.WriteString("fleet_gate_" + name + "{" + p.labels)
	for i := 0; i < len(labels); i += 2 {
		fmt.Fprintf(p.w, `,%s="%s"`, labels[i], escape(labels[i+1]))
	}
	fmt.Fprintf(p.w, "} %d\n", v)
}

func (p page) one(name, kind, help string, v int64) {
	p.head(name, kind, help)
	p.value(name, v)
}

func (p page) labelled(name, help, label string, m map[string]int64) {
	p.head(name, "counter", help)
	for _, key := range sorted(m, cmp.Compare[string]) {
		p.value(name, m[key], label, key)
	}
}

func (p page) histogram(name, help string, buckets []int64, sum time.Duration) {
	p.head(name, "histogram", help)
	var n int64
	for i, v := range buckets {
		n += v
		end := "+Inf"
		if i < len(bounds) {
			end = strconv.FormatFloat(bounds[i], 'g', -1, 64)
		}
		p.value(name+"_bucket", n, "le", end)
	}
	fmt.Fprintf(p.w, "fleet_gate_%s_sum{%s} %g\n", name, p.labels, sum.Seconds())
	p.value(name+"_count", n)
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// escape writes a label's value as the format wants it.
func escape(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) }
