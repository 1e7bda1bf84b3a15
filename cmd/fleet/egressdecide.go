package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fleet/cmd/fleet/internal/table"
	"fleet/schemas/access"
	"fleet/schemas/audit"
	"fleet/schemas/chat"
	"fleet/schemas/manifest"
	"fleet/schemas/policy"
	"fleet/schemas/report"
)

// decideFlags are the flags of `fleet egress test`.
type decideFlags struct {
	agents                []string
	method, path, address string
	live                  bool
}

func newEgressTestCmd(a *app) *cobra.Command {
	var f decideFlags
	cmd := &cobra.Command{
		Use:   "test HOST[:PORT]",
		Short: "Say what the policy decides, for each agent and sidecar",
		Long: `Test asks the policies of the newest build, or of the live generation where there is no build, and touches no
network. Without a port it asks for 443. With --method or --path it asks for that request, as the gate does where it
reads requests: plain HTTP, and hosts whose rules have methods or paths. Which addresses a name has is decided when the
gate looks it up; --address asks for one.

Exit status 0: allowed for all that were asked for; 4: denied for one at least.`,
		Example: `  fleet egress test api.github.com
  fleet egress test api.github.com --agent lead --method POST --path /gists`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.egressTest(args[0], f) },
	}
	cmd.Flags().StringArrayVar(&f.agents, "agent", nil, "ask for this agent or sidecar only, or the chat (may be repeated)")
	cmd.Flags().StringVar(&f.method, "method", "", "ask for a request with this method (default GET)")
	cmd.Flags().StringVar(&f.path, "path", "", "ask for a request with this path (default /)")
	cmd.Flags().StringVar(&f.address, "address", "", "ask as if HOST had this address")
	cmd.Flags().BoolVar(&f.live, "live", false, "ask the live generation, though there is a build")
	return cmd
}

// verdict is a line of `fleet egress test --json`.
type verdict struct {
	Agent   string `json:"agent"`
	Verdict string `json:"verdict"` // allow, deny or report
	Rule    string `json:"rule,omitempty"`
	Reason  string `json:"reason"`
	Help    string `json:"help"`
}

func (a *app) egressTest(target string, f decideFlags) error {
	q, err := f.request(target)
	if err != nil {
		return usage(err)
	}
	dir, m, err := a.decider(f.live)
	if err != nil {
		return err
	}
	policies, err := access.ReadPolicies(dir, m)
	if err != nil {
		return err
	}
	out := []verdict{}
	for _, key := range m.Gated() {
		if !f.wants(key) {
			continue
		}
		v, err := f.decide(key, policies[key], q)
		if err != nil {
			return err
		}
		out = append(out, v)
	}
	if err := f.all(m); err != nil {
		return err
	}
	if err := a.result(out, verdictText(out, a.width(), a.color())); err != nil {
		return err
	}
	for _, v := range out {
		if v.Verdict == audit.Deny {
			return withStatus(exitDiffers, nil)
		}
	}
	return nil
}

// wants tells who is asked. The chat reaches its backend alone, which is no answer to what agents may, unless it is named.
func (f decideFlags) wants(key string) bool {
	return len(f.agents) == 0 && key != chat.Key || slices.Contains(f.agents, key)
}

// all proves that every agent that was named is there and runs.
func (f decideFlags) all(m *manifest.Manifest) error {
	have := m.Gated()
	for _, key := range f.agents {
		if !slices.Contains(have, key) {
			return usage(fmt.Errorf("no agent %q that is enabled\n  hint: there are: %s", key, strings.Join(have, ", ")))
		}
	}
	return nil
}

// request reads what is asked for.
func (f decideFlags) request(target string) (policy.Request, error) {
	q := policy.Request{Host: target, Port: 443, Method: f.method, Path: f.path}
	if h, port, err := policy.ParseTarget(target); err == nil {
		q.Host, q.Port = h.String(), port
	} else if _, hostErr := policy.ParseHost(target); hostErr != nil {
		if strings.Contains(target, "/") {
			return q, fmt.Errorf("%s: must be HOST or HOST:PORT, not a URL\n  hint: --path asks for a path", report.Printable(target))
		}
		return q, fmt.Errorf("%s: %w", report.Printable(target), errors.Join(err))
	}
	if f.address != "" {
		at, err := netip.ParseAddr(f.address)
		if err != nil || at.Zone() != "" {
			return q, fmt.Errorf("--address must be an IP address, is %q", f.address)
		}
		q.Addr = at
	}
	return q, nil
}

// decider returns the generation that is asked: the newest build, else what is live.
func (a *app) decider(live bool) (string, *manifest.Manifest, error) {
	dir := filepath.Join(a.generations(), "latest")
	if _, err := os.Stat(dir); err == nil && !live {
		m, err := readSide(dir)
		return dir, m, err
	}
	project, err := a.hostProject()
	if err != nil && !live {
		return "", nil, withStatus(exitRefused, errors.New(
			"there is no build and no live generation to ask\n  hint: fleet build, or -C to the folder of the spec"))
	}
	if err != nil {
		return "", nil, err
	}
	h := a.host(project)
	n := h.active()
	if n == 0 {
		return "", nil, withStatus(exitRefused, fmt.Errorf("no generation of project %s is live on this host\n  hint: sudo fleet switch", project))
	}
	m, err := h.Read(n)
	if errors.Is(err, os.ErrPermission) {
		return "", nil, needRoot("egress test --live")
	}
	return h.Generation(n), m, err
}

// decide asks one policy as the gate does: the connection first, then what is in it. The first refusal counts.
func (f decideFlags) decide(key string, p *policy.Policy, q policy.Request) (verdict, error) {
	if p == nil {
		return verdict{Agent: key, Verdict: audit.Deny, Reason: policy.ReasonHost, Help: "this generation gives the agent no way out"}, nil
	}
	m, err := p.Compile()
	if err != nil {
		return verdict{}, fmt.Errorf("policy of agent %s: %w", key, err)
	}
	q.Kind = policy.KindConnect
	d := m.Decide(q)
	if d.Allow && q.Addr.IsValid() {
		if at := (policy.Request{Kind: policy.KindDial, Host: q.Host, Port: q.Port, Addr: q.Addr}); !m.Decide(at).Allow {
			return newVerdict(key, m.Decide(at), at, ""), nil
		}
	}
	if !d.Allow || f.method == "" && f.path == "" {
		return newVerdict(key, d, q, requestsOf(d)), nil
	}
	return f.decideRequest(key, m, d, q), nil
}

// requestsOf says of a connection that its requests are decided on one by one.
func requestsOf(d policy.Decision) string {
	if d.Allow && d.Inspect {
		return "; its requests are decided on one by one: ask with --method and --path"
	}
	return ""
}

func (f decideFlags) decideRequest(key string, m *policy.Matcher, d policy.Decision, q policy.Request) verdict {
	switch {
	case d.Protocol == policy.Raw || d.Protocol == policy.TLS && !d.Inspect:
		return newVerdict(key, d, q, "; the gate does not see methods and paths of this host")
	case d.Protocol == policy.HTTP:
		q.Kind = policy.KindHTTP
	default:
		q.Kind = policy.KindHTTPS
	}
	if q.Method == "" {
		q.Method = "GET"
	}
	if q.Path == "" {
		q.Path = "/"
	}
	return newVerdict(key, m.Decide(q), q, "")
}

func newVerdict(key string, d policy.Decision, q policy.Request, note string) verdict {
	v := verdict{Agent: key, Verdict: audit.Deny, Rule: d.Rule, Reason: d.Reason, Help: d.Help(q) + note + secretsOf(d, q)}
	switch {
	case d.Reported:
		v.Verdict = audit.Would
	case d.Allow:
		v.Verdict = audit.Allow
	}
	return v
}

// secretsOf names the secrets that may be put into a request, or that go to the host of a connection.
func secretsOf(d policy.Decision, q policy.Request) string {
	of, text := d.Held.Here(), "; secrets that go there: "
	if q.Kind == policy.KindHTTPS {
		of, text = d.Held.May(), "; secrets that it may have: "
	}
	var names []string
	for s := range of.Each() {
		names = append(names, s.Name)
	}
	if !d.Allow || len(names) == 0 {
		return ""
	}
	return text + strings.Join(names, ", ")
}

func verdictText(all []verdict, width int, color bool) string {
	t := &table.Table{Columns: []table.Column{{Title: "AGENT"}, {Title: "VERDICT"}, {Title: "REASON"}, {Title: "RULE"}}}
	var help []string
	who := map[string][]string{}
	for _, v := range all {
		row := table.Cells(v.Agent, v.Verdict, v.Reason, dash(v.Rule))
		if row[1].Color = table.Green; v.Verdict != audit.Allow {
			row[1].Color = map[bool]string{true: table.Red, false: table.Yellow}[v.Verdict == audit.Deny]
		}
		t.Rows = append(t.Rows, row)
		if who[v.Help] == nil {
			help = append(help, v.Help)
		}
		who[v.Help] = append(who[v.Help], v.Agent)
	}
	text := t.Render(width, color)
	for _, h := range help {
		text += strings.Join(who[h], ", ") + ": " + h + "\n"
	}
	return text
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
