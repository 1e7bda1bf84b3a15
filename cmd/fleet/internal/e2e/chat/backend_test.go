//go:build machine

package chat

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/machine"
	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/schemas/chat"
	"fleet/schemas/session"
)

// far is a service at which people are, and how they see there what the fleet does.
type far struct {
	name  string
	hosts []string

	coordination string // with facts as NAME%
	by, above    string // who says what agent NAME% says, and what is above that
	states       map[string]shown
	threads      bool // answers are in a thread of their own
}

var services = []far{
	{
		name: "github", hosts: []string{"api.github.com"}, coordination: `fleet.coordination.github('acme/board', 'GITHUB_CHAT_TOKEN')`,
		by: "fleet-bot", above: "**NAME%**\n\n",
		states: map[string]shown{
			chat.Todo:       {Text: "[TODO] Mend the door", By: "fleet-bot", Signs: []string{"agent:b", "fleet:todo", "open"}},
			chat.InProgress: {Text: "[IN PROGRESS] Mend the door", By: "fleet-bot", Signs: []string{"agent:b", "fleet:in-progress", "open"}},
			chat.Done:       {Text: "[DONE] Mend the door", By: "fleet-bot", Signs: []string{"agent:b", "fleet:done", "closed"}},
		},
	},
	{
		name: "slack", hosts: []string{"slack.com", slackSocket},
		coordination: `fleet.coordination.slack('SLACK_CHAT_TOKEN', 'SLACK_APP_TOKEN', { general: 'general%', tasks: 'tasks%' })`,
		by:           "NAME%", threads: true,
		states: map[string]shown{
			chat.Todo:       {Text: "[TODO] *Mend the door* — Bob\nIt squeaks.", By: "Ada", Signs: []string{"clipboard"}},
			chat.InProgress: {Text: "[IN PROGRESS] *Mend the door* — Bob\nIt squeaks.", By: "Ada", Signs: []string{"hammer_and_wrench"}},
			chat.Done:       {Text: "[DONE] *Mend the door* — Bob\nIt squeaks.", By: "Ada", Signs: []string{"white_check_mark"}},
		},
	},
	{
		name: "discord", hosts: []string{"discord.com", discordGateway},
		coordination: `fleet.coordination.discord('server%', 'DISCORD_CHAT_TOKEN', { general: 'general%', tasks: 'tasks%' })`,
		by:           "fleet", above: "**NAME%**\n", threads: true,
		states: map[string]shown{
			chat.Todo:       {Text: "[TODO] Mend the door", By: "fleet", Signs: []string{"📋"}},
			chat.InProgress: {Text: "[IN PROGRESS] Mend the door", By: "fleet", Signs: []string{"🚧"}},
			chat.Done:       {Text: "[DONE] Mend the door", By: "fleet", Signs: []string{"✅"}},
		},
	},
}

// talkers are obedient agents, and one that people speak with: it sees no tasks, so that it takes none.
const talkers = `{
  agents+: {
    a+: { name: 'Ada' }, b+: { name: 'Bob' },
    talk: { name: 'Atlas', harness: 'demo', prompt: 'Look around.', iteration: '12h', channels: ['general'] },
  },
}`

// team is a host whose chat is at a service.
type team struct {
	*host
	far
	net *origins.Net
}

// People are at each service. The daemon of a generation reaches it by its gate, with its token from the vault.
func TestBackends(t *testing.T) {
	t.Parallel()
	h := &host{Host: e2e.New(t, machinetest.Options{Options: machine.Options{Files: []machine.File{origins.File()}}}), t: t}
	net := origins.Start(t, h.M)
	for _, s := range services {
		net.Public(append(s.hosts, s.elsewhere())...)
	}
	h.Switch(h.Build(h.spec(origins.Spec, talkers)), "--now")
	for _, s := range services {
		t.Run(s.name, func(t *testing.T) {
			on := func(t testing.TB) *team { return &team{host: h.on(t), far: s, net: net.On(t)} }
			open := on(t).goes()
			for _, c := range []struct {
				name string
				run  func(*team)
			}{
				{"moved", func(x *team) { x.moved(open) }},
				{"posts", (*team).posts},
				{"task", (*team).task},
				{"people", (*team).people},
				{"answers", (*team).answers},
				{"token", (*team).token},
				{"reach", (*team).reach},
				{"outage", (*team).outage},
				{"rules", (*team).rules},
			} {
				t.Run(c.name, func(t *testing.T) { c.run(on(t)) })
			}
		})
	}
}

// elsewhere is a host that is there, and that nobody has asked before.
func (s *far) elsewhere() string { return s.name + ".elsewhere.test" }

// ask asks the service's stand-in.
func (x *team) ask(o order) view {
	x.t.Helper()
	o.Service = x.name
	return x.host.ask(o)
}

// fill puts the facts of the service into a text, and other words.
func fill(text string, facts map[string]string) string {
	for name, value := range facts {
		text = strings.ReplaceAll(text, name+"%", value)
	}
	return text
}

// goes switches the machine to a fleet whose people are at the service, with its tokens in the vault. It returns the number
// of a task of before.
func (x *team) goes() (open string) {
	open = strings.TrimSpace(x.do("a", `tool --get task.number task_create title="`+x.carried()+`" assignee=b`))
	facts, secrets := x.ask(order{}).Facts, ""
	for _, name := range slices.Sorted(maps.Keys(facts)) {
		if isSecret(name) {
			x.WriteFile("/dev/shm/value", facts[name], 0o600)
			x.fleet("--project", "demo", "secret", "set", name, "--from-file", "/dev/shm/value")
			x.MustRun("rm", "/dev/shm/value")
			secrets += name + ": fleet.secret.sidecar(), "
		}
	}
	x.Switch(x.Build(x.spec(origins.Spec, talkers, fill(`{
	  local fleet = import 'fleet.libsonnet',
	  coordination: `+x.coordination+` + { postsPerMinute: 6000 },
	  secrets: { `+secrets+`},
	  operators: { chatIds: ['ann%'] },
	}`, facts))), "--now")
	x.net.Forget() // the daemon of before has asked until then
	return open
}

func (x *team) carried() string { return "Carry this over to " + x.name }

// as is a text as an agent's, where people see it.
func (x *team) as(name, text string) (by, said string) {
	facts := map[string]string{"NAME": name}
	return fill(x.by, facts), fill(x.above, facts) + text
}

// sees waits until people see something for which a test is true, and wants it there once.
func (x *team) sees(what string, is func(s shown) bool) (got shown) {
	x.t.Helper()
	x.Eventually(what+" at "+x.name, patience, func() error {
		all := x.ask(order{}).Shown
		found := slices.DeleteFunc(slices.Clone(all), func(s shown) bool { return !is(s) })
		if len(found) != 1 {
			return fmt.Errorf("it is there %d times: %+v", len(found), all)
		}
		got = found[0]
		return nil
	})
	return got
}

// patience is for what polls, and waits between tries.
const patience = 3 * time.Minute

// moved: a task of before people were there is there, and can be had.
func (x *team) moved(number string) {
	is := func(s shown) bool {
		return s.Place == chat.Tasks && s.Thread == "" && strings.Contains(s.Text, x.carried())
	}
	x.sees(x.carried(), is)
	if who := strings.TrimSpace(x.do("b", `tool --get task.assignee task_claim number:=`+number)); who != "b" {
		x.t.Errorf("the task is %q's", who)
	}
	x.do("b", `tool task_done number:=`+number)
	x.sees(x.carried()+" done", func(s shown) bool { return is(s) && strings.HasPrefix(s.Text, "[DONE]") })
}

// posts: what an agent says is there, under its name.
func (x *team) posts() {
	for agent, name := range map[string]string{"a": "Ada", "b": "Bob", "u": "u"} {
		text := x.name + " hears " + agent
		x.wants(agent, x.do(agent, `tool post channel=general text="`+text+`"`), text)
		by, said := x.as(name, text)
		x.sees(said, func(s shown) bool { return s.Place == chat.General && s.Thread == "" && s.By == by && s.Text == said })
	}
}

// task: a task is there with its state.
func (x *team) task() {
	id := ""
	stands := func(state string) {
		x.t.Helper()
		want := x.states[state]
		got := x.sees(want.Text, func(s shown) bool { return s.Place == chat.Tasks && s.Thread == "" && s.Text == want.Text })
		x.Eventually("signs of "+want.Text, patience, func() error {
			got = x.sees(want.Text, func(s shown) bool { return s.Place == chat.Tasks && s.ID == got.ID })
			want.Place, want.ID = chat.Tasks, got.ID
			if d := cmp.Diff(want, got); d != "" {
				return fmt.Errorf("(-want +got)\n%s", d)
			}
			return nil
		})
		if id != "" && got.ID != id {
			x.t.Errorf("it is %s, then %s", id, got.ID)
		}
		id = got.ID
	}
	n := strings.TrimSpace(x.do("a", `tool --get task.number task_create title="Mend the door" body="It squeaks." assignee=b`))
	stands(chat.Todo)
	if who := strings.TrimSpace(x.do("b", `tool --get task.assignee task_claim number:=`+n)); who != "b" {
		x.t.Errorf("the task is %q's", who)
	}
	stands(chat.InProgress)
	x.do("b", `tool task_done number:=`+n+` note="I oiled it at `+x.name+`."`)
	stands(chat.Done)
	x.sees("the note", func(s shown) bool { return s.Thread == id && strings.Contains(s.Text, "I oiled it at "+x.name+".") })
}

// people: what an operator says is trusted, what another says is not.
func (x *team) people() {
	by := map[string]string{}
	for _, name := range []string{"ann", "eve"} {
		by[name] = "At " + x.name + " I am " + name
		x.ask(order{Do: "say", By: name, Place: chat.General, Text: by[name]})
	}
	x.Eventually("people are heard", patience, func() error {
		if got := x.texts(chat.General); !strings.Contains(got, by["ann"]) || !strings.Contains(got, by["eve"]) {
			return fmt.Errorf("there is:\n%s", got)
		}
		return nil
	})
	var out struct{ Messages []chat.Message }
	text := x.do("a", "tool read channel=general")
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		x.t.Fatalf("%v\n%s", err, text)
	}
	for name, said := range by {
		i := slices.IndexFunc(out.Messages, func(m chat.Message) bool { return m.Text == said })
		if i < 0 {
			x.t.Errorf("the agent does not read %q:\n%s", said, text)
			continue
		}
		if m := out.Messages[i]; m.From.Untrusted != (name == "eve") || m.From.Kind != chat.KindPerson || m.From.Name != name {
			x.t.Errorf("%s is read as %+v", name, m.From)
		}
	}
}

// answers: a session answers who calls an agent, in the thread; and there a second time.
func (x *team) answers() {
	before := x.sessions()
	thread := ""
	for n, text := range []string{"@talk are you there?", "@talk and what now?"} {
		id := x.ask(order{Do: "say", By: "ann", Place: chat.General, Thread: thread, Text: text}).Said
		if thread == "" && x.threads {
			thread = id
		}
		by, above := x.as("Atlas", "")
		x.Eventually("answer to "+text, patience, func() error {
			var got []string
			for _, s := range x.ask(order{}).Shown {
				if s.By == by && s.Thread == thread && strings.HasPrefix(s.Text, above) && strings.HasSuffix(s.Text, "words.\nI am done.") {
					got = append(got, s.Text)
				}
			}
			if len(got) != n+1 {
				return fmt.Errorf("answers: %q", got)
			}
			return nil
		})
	}
	all := x.sessions()[len(before):]
	if len(all) != 2 || all[0].Thread == "" || all[1].Thread == "" || x.threads && all[0].Thread != all[1].Thread {
		x.t.Errorf("sessions: %+v", all)
	}
}

// sessions are those of agent talk in which it answered.
func (x *team) sessions() []session.Record {
	out, _ := x.Try("cat", "/var/lib/fleet/demo/records/talk/"+session.RecordsFile) // there may be none yet
	return slices.DeleteFunc(session.All([]byte(out)), func(r session.Record) bool { return r.Thread == "" })
}

// token: the service sees it, the daemon has it, and nobody else.
func (x *team) token() {
	v := x.ask(order{})
	for name, value := range v.Facts {
		if !isSecret(name) {
			continue
		}
		if got := x.ReadFile("/run/credentials/" + service + "/" + name); got != value {
			x.t.Errorf("the daemon's %s is %q", name, got)
		}
		x.WriteFile("/dev/shm/tokens", value+"\n", 0o600)
		if found := x.Holding("/dev/shm/tokens"); found != "" {
			x.t.Errorf("%s is found:\n%s", name, found)
		}
		x.MustRun("rm", "/dev/shm/tokens")
		for _, agent := range []string{"a", "u"} {
			out := x.do(agent, `
				for f in /run/credentials/*/`+name+` "${CREDENTIALS_DIRECTORY:-/run/credentials}"/`+name+` /var/lib/fleet/demo/secrets/`+name+`; do
					head -c 9 "$f" && echo REACHED "$f"
				done
				{ env; cat /proc/[0-9]*/environ | tr '\0' '\n'; } | grep `+name+` && echo REACHED
				grep -rlF `+name+` /etc/fleet /run/fleet /var/lib/fleet 2>/dev/null
				exit 0`)
			if strings.Contains(out, "REACHED") || strings.Contains(out, value[:9]) {
				x.t.Errorf("agent %s has %s:\n%s", agent, name, out)
			}
		}
		sent := slices.DeleteFunc(slices.Clone(v.Sent), func(s string) bool { return !strings.HasPrefix(s, name+" ") })
		if d := cmp.Diff([]string{name + " " + x.far.hosts[0]}, sent); d != "" {
			x.t.Errorf("%s is sent to (-want +got):\n%s", name, d)
		}
	}
}

// reach: the daemon reaches the service, and nothing else.
func (x *team) reach() {
	curl := func(args string) (string, int) {
		return x.Try("sh", "-uc", `
			pid=$(systemctl show -P MainPID `+service+`)
			exec nsenter -t "$pid" -n -m -- setpriv --reuid=demo-chat --regid=demo-chat --clear-groups -- env -i \
				PATH=/usr/bin:/bin $(tr '\0' '\n' <"/proc/$pid/environ" | grep -i '^https*_proxy=') \
				curl -sS -m 10 -o /dev/null `+args)
	}
	for _, name := range x.far.hosts {
		if out, exit := curl("https://" + name + reachedPath); exit != 0 {
			x.t.Errorf("%s is not reached: %s", name, out)
		}
	}
	others := []string{x.elsewhere(), peopleHost, "gist.github.com"}
	for _, s := range services {
		if s.name != x.name {
			others = append(others, s.hosts...)
		}
	}
	for _, name := range others {
		for _, how := range []string{"", "--noproxy '*' "} {
			if out, exit := curl(how + "https://" + name + "/"); exit == 0 {
				x.t.Errorf("%s%s is reached: %s", how, name, out)
			}
		}
	}
	if out, exit := curl("--noproxy '*' https://" + origins.Address + "/"); exit == 0 {
		x.t.Errorf("an address is reached: %s", out)
	}
	denied := x.fleet("egress", "log", "chat", "--denied")
	x.wants("egress log", denied, others...)
	for _, r := range x.net.Seen().Requests {
		if slices.Contains(others, r.Host) && r.Host != peopleHost {
			x.t.Errorf("%s was asked: %s", r.Host, r.Path)
		}
	}
}

// outage: what is said while the service is away, and the daemon is killed, is there once, and in order.
func (x *team) outage() {
	say := func(word string) string {
		x.do("a", `until tool post channel=general text="`+x.name+` `+word+`" key="`+x.name+`-`+word+`"; do sleep 0.2; done`)
		_, said := x.as("Ada", x.name+" "+word)
		return said
	}
	want := []string{}
	x.ask(order{Do: "fail", Text: late})
	want = append(want, say("one"))
	x.sees("the first, of which the daemon does not know it", func(s shown) bool { return s.Text == want[0] })
	x.ask(order{Do: "fail", Text: fails})
	x.kill()
	want = append(want, say("two"))
	time.Sleep(4 * time.Second)
	x.ask(order{Do: "fail", Text: cut})
	want = append(want, say("three"))
	time.Sleep(4 * time.Second)
	x.kill()
	want = append(want, say("four"))
	got := func() (all []string) {
		for _, s := range x.ask(order{}).Shown {
			if slices.Contains(want, s.Text) {
				all = append(all, s.Text)
			}
		}
		return all
	}
	if d := cmp.Diff(want[:1], got()); d != "" {
		x.t.Errorf("the service was not away: people see (-want +got):\n%s", d)
	}
	x.ask(order{Do: "fail", Text: well})
	x.Eventually("all is there", patience, func() error {
		if all := got(); len(all) < len(want) {
			return fmt.Errorf("there is %q", all)
		}
		return nil
	})
	last := say("five")
	x.sees("the last", func(s shown) bool { return s.Text == last })
	if d := cmp.Diff(want, got()); d != "" {
		x.t.Errorf("people see (-want +got):\n%s", d)
	}
}

// kill kills the daemon and waits for the next one.
func (x *team) kill() {
	x.t.Helper()
	x.ask(order{Do: "restart"})
	was := x.MustRun("systemctl", "show", "-P", "MainPID", service)
	x.MustRun("systemctl", "kill", "-s", "KILL", service)
	x.Eventually("the daemon is back", time.Minute, func() error {
		if now := x.Show(service, "MainPID", "ActiveState"); now["MainPID"] == strings.TrimSpace(was) || now["ActiveState"] != "active" {
			return fmt.Errorf("%v", now)
		}
		return nil
	})
}

// rules: none of the service's was broken, and nothing was shown twice.
func (x *team) rules() {
	v := x.ask(order{})
	for _, rule := range v.Broken {
		x.t.Errorf("against the rules: %s", rule)
	}
	seen := map[string]bool{}
	for _, s := range v.Shown {
		if key := s.Place + s.Thread + s.Text; s.Place == chat.General && strings.Contains(s.Text, x.name) {
			if seen[key] {
				x.t.Errorf("twice: %q", s.Text)
			}
			seen[key] = true
		}
	}
}
