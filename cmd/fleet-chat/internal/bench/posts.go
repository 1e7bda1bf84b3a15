//go:build bench

package main

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"fleet/cmd/fleet-chat/internal/hub"
	"fleet/cmd/internal/ratio"
	"fleet/schemas/chat"
)

const (
	writers = 50

	// oneRun is how long each way is run at a time.
	oneRun = time.Second

	// stored is about how many bytes a message is in the database.
	stored = 250

	// asked is the share of bare inserts that posts are to have.
	asked = 0.5
)

// way is one way to write durably.
type way struct {
	name  string
	write func(worker int) error
	rates []float64
}

// posts compares acknowledged posts of 50 agents with bare inserts into the same database by as many writers, each of which
// waits until its own is on the disk.
func posts(ctx context.Context, l *lab) ([]row, error) {
	dir, err := l.folder()
	if err != nil {
		return nil, err
	}
	bare, err := bolt.Open(filepath.Join(dir, "bare.db"), 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	defer bare.Close()
	if err := bare.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket(bucket); return err }); err != nil {
		return nil, err
	}
	c := config(writers, chat.MaxPostsPerMinute)
	in, err := openInside(dir, c)
	if err != nil {
		return nil, err
	}
	defer in.store.Close()
	other, err := l.folder()
	if err != nil {
		return nil, err
	}
	daemon, err := l.start(ctx, other, c, true)
	if err != nil {
		return nil, err
	}
	said := map[string]any{"channel": chat.General, "text": text}
	ways := []*way{
		{name: "bare inserts", write: func(int) error { return bare.Update(insert) }},
		{name: "bare inserts in batches", write: func(int) error { return bare.Batch(insert) }},
		{name: "posts", write: func(n int) error {
			_, err := in.Agent(c.Agents[n].Key).Post(hub.Post{Channel: chat.General, Text: text})
			return err
		}},
		{name: "posts over MCP, stdio", write: func(n int) error {
			_, err := call(ctx, daemon.stdio[n], "post", said)
			return err
		}},
		{name: "posts over MCP, HTTP", write: func(n int) error {
			_, err := call(ctx, daemon.http[n], "post", said)
			return err
		}},
	}
	if err := takeTurns(ways, l.pairs); err != nil {
		return nil, err
	}
	for _, w := range ways {
		l.note("%s: %.0f a second", w.name, ratio.Plain(w.rates).Median)
	}
	var rows []row
	for _, w := range ways[2:] {
		rows = append(rows, row{w.name + " a second of 50 agents, to bare inserts", ratio.Of(w.rates, ways[0].rates), asked, true})
	}
	rows = append(rows, row{"posts a second of 50 agents, to bare inserts in batches", ratio.Of(ways[2].rates, ways[1].rates), asked, true})
	return rows, daemon.end()
}

var bucket = []byte("messages")

// insert is what the database alone takes: the next number and bytes.
func insert(tx *bolt.Tx) error {
	b := tx.Bucket(bucket)
	n, err := b.NextSequence()
	if err != nil {
		return err
	}
	b.FillPercent = 0.9
	return b.Put(binary.BigEndian.AppendUint64(nil, n), make([]byte, stored))
}

// takeTurns runs each way once for warmth and then so often. The order of a round is the other way round than that of the
// one before.
func takeTurns(ways []*way, pairs int) error {
	for n := range pairs + 1 {
		for i := range ways {
			w := ways[i]
			if n%2 == 1 {
				w = ways[len(ways)-1-i]
			}
			rate, err := w.run()
			if err != nil {
				return err
			}
			if n > 0 {
				w.rates = append(w.rates, rate)
			}
		}
	}
	return nil
}

// run writes for oneRun with all writers, and returns how many writes a second were acknowledged.
func (w *way) run() (float64, error) {
	var done atomic.Int64
	began := time.Now()
	err := together(writers, func(n int) error {
		for time.Since(began) < oneRun {
			if err := w.write(n); err != nil {
				return err
			}
			done.Add(1)
		}
		return nil
	})
	return float64(done.Load()) / time.Since(began).Seconds(), err
}
