//go:build bench

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"fleet/cmd/fleet-chat/internal/store"
	"fleet/cmd/internal/ratio"
	"fleet/schemas/chat"
)

const (
	// few is how many messages a chat has that has few.
	few = 1000

	// fillers write at a time, so that many messages share a commit.
	fillers = 500

	// page is how many messages a read returns at most, if it says nothing else.
	page = 50

	// dearer is what a read may cost with many messages, in reads with few.
	dearer = 1.2
)

// filled is a chat with messages, all but the last of which the agents have read: half of them have one to read, the others
// a page.
type filled struct {
	dir    string
	config *chat.Config
}

// fill makes a chat of 50 agents with so many messages.
func (l *lab) fill(messages int) (*filled, error) {
	dir, err := l.folder()
	if err != nil {
		return nil, err
	}
	f := &filled{dir, config(writers, usual)}
	s, err := store.Open(dir, f.config)
	if err != nil {
		return nil, err
	}
	err = together(fillers, func(n int) error {
		from := f.config.Agents[n%writers].Key
		for i := n; i < messages; i += fillers {
			_, _, err := s.Post(store.NewMessage{
				Channel: chat.General, Time: time.Now(), From: chat.Author{Kind: chat.KindAgent, ID: from, Name: from}, Text: text,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	// A person says the last ones: who has said something need not read it.
	for range page {
		if err == nil {
			_, _, err = s.Post(store.NewMessage{
				Channel: chat.General, Time: time.Now(), From: chat.Author{Kind: chat.KindPerson, ID: "local", Name: "ana"}, Text: text,
			})
		}
	}
	for i := 0; i < writers && err == nil; i++ {
		err = s.Acknowledge(f.config.Agents[i].Key, store.Positions{chat.General: int64(messages + page - toRead(i))})
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return f, s.Close()
}

// usual is how often agents may write in a minute, if the spec says nothing else.
const usual = 60

// toRead is how many messages an agent has to read.
func toRead(agent int) int {
	if agent < writers/2 {
		return 1
	}
	return page
}

func (l *lab) fillBoth() (err error) {
	if l.small == nil {
		l.small, err = l.fill(few)
	}
	if err == nil && l.large == nil {
		l.large, err = l.fill(l.messages)
	}
	return err
}

// subject reads, as an agent of a chat.
type subject struct {
	read  func(agent int) (messages int, err error)
	times map[int][]float64 // by how many there are to read: the median of each run, in seconds
}

// reads compares what a read since a cursor costs with many messages and with few.
func reads(ctx context.Context, l *lab) (rows []row, err error) {
	if err := l.fillBoth(); err != nil {
		return nil, err
	}
	hubs, err := l.hubReads()
	if err != nil {
		return nil, err
	}
	calls, err := l.callReads(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range append(hubs, calls...) {
		r.what = fmt.Sprintf("%s, with %d messages stored, to that with %d", r.what, l.messages, few)
		rows = append(rows, r)
	}
	return rows, nil
}

// hubReads reads through hubs in this process.
func (l *lab) hubReads() ([]row, error) {
	var both [2]*subject
	for i, f := range []*filled{l.small, l.large} {
		in, err := openInside(f.dir, f.config)
		if err != nil {
			return nil, err
		}
		defer in.store.Close()
		both[i] = &subject{times: map[int][]float64{}, read: func(agent int) (int, error) {
			out, err := in.Agent(f.config.Agents[agent].Key).Read(nil, nil, page)
			return len(out.Messages), err
		}}
	}
	return l.readBoth(both, "a read", 2000)
}

// callReads reads over MCP.
func (l *lab) callReads(ctx context.Context) (rows []row, err error) {
	var both [2]*subject
	for i, f := range []*filled{l.small, l.large} {
		p, err := l.start(ctx, f.dir, f.config, false)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, p.end()) }()
		both[i] = &subject{times: map[int][]float64{}, read: func(agent int) (int, error) {
			n, _, err := readOver(ctx, p.stdio[agent], nil)
			return n, err
		}}
	}
	return l.readBoth(both, "a read over MCP", 200)
}

// readOver reads over MCP: how many messages there are, and what acknowledges them.
func readOver(ctx context.Context, s *mcp.ClientSession, acknowledge map[string]any) (int, map[string]any, error) {
	in := map[string]any{}
	if acknowledge != nil {
		in["acknowledge"] = acknowledge
	}
	res, err := call(ctx, s, "read", in)
	if err != nil {
		return 0, nil, err
	}
	out, _ := res.StructuredContent.(map[string]any)
	list, _ := out["messages"].([]any)
	next, _ := out["acknowledge"].(map[string]any)
	return len(list), next, nil
}

// readBoth reads by turns, so many times each run.
func (l *lab) readBoth(both [2]*subject, what string, times int) (rows []row, err error) {
	for n := range l.pairs + 1 {
		for i := range both {
			s := both[(i+n)%2]
			for _, first := range []int{0, writers / 2} {
				if err := s.run(first, times, n > 0); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, n := range []int{1, page} {
		few, many := both[0].times[n], both[1].times[n]
		l.note("%s of %d new: %.3g µs with few stored, %.3g with many", what, n, 1e6*ratio.Plain(few).Median, 1e6*ratio.Plain(many).Median)
		rows = append(rows, row{fmt.Sprintf("%s of %d new", what, n), ratio.Of(many, few), dearer, false})
	}
	return rows, nil
}

// run reads so many times, as the agents from first on by turns, which all have as much to read.
func (s *subject) run(first, times int, keep bool) error {
	want := toRead(first)
	took := make([]float64, times)
	for i := range took {
		agent := first + i%(writers/2)
		began := time.Now()
		n, err := s.read(agent)
		took[i] = time.Since(began).Seconds()
		if err != nil || n != want {
			return fmt.Errorf("agent %d reads %d messages of %d: %w", agent, n, want, err)
		}
	}
	slices.Sort(took)
	if keep {
		s.times[want] = append(s.times[want], took[times/2])
	}
	return nil
}
