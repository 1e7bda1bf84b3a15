package discordstub

import (
	"math/rand/v2"
	"strings"
	"time"
)

// Sort is what goes wrong.
type Sort string

// Faults of a request.
const (
	Limited   Sort = "429 of the bucket"
	Globally  Sort = "429 of everything"
	Blocked   Sort = "429 that is not JSON" // from before the interface
	Denied    Sort = "403 that is not JSON" // from a gate
	Elsewhere Sort = "302"
	Broken    Sort = "502 and nothing done"
	Internal  Sort = "500 that is JSON"
	Silent    Sort = "503 after it was done"
	Cut       Sort = "connection cut before"
	CutAfter  Sort = "connection cut after it was done"
	Truncated Sort = "answer cut in the middle"
)

// Vanished is "404 that is JSON": what was there a moment ago is deleted.
const Vanished Sort = "404 that is JSON"

// Sorts are all that a further try may mend.
var Sorts = []Sort{Limited, Globally, Blocked, Denied, Elsewhere, Broken, Internal, Silent, Cut, CutAfter, Truncated}

// Fault is what goes wrong with the next request to a route.
type Fault struct {
	Sort  Sort
	Route string        // the beginning of "METHOD path", with ID for each ID; "" is any
	ID    string        // the first ID, "" is any
	After time.Duration // of a 429: Retry-After
	Skip  int           // as many such requests go well before
	Times int           // how often, 0 is once
}

type chaos struct {
	random *rand.Rand
	rate   float64
}

// Inject makes faults.
func (s *Server) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		f.Times = max(f.Times, 1)
		s.faults = append(s.faults, &f)
	}
}

// Chaos makes one in so many requests go wrong, in any way. A rate of 0 ends it.
func (s *Server) Chaos(seed uint64, rate float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chaos = nil
	if rate > 0 {
		s.chaos = &chaos{rand.New(rand.NewPCG(seed, 0)), rate}
	}
}

// Clear takes back the faults that have not happened yet.
func (s *Server) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Unseen makes the next message in a channel have an ID at once, and be seen by nobody for a while.
func (s *Server) Unseen(channel string, span time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels[channel].unseen = span
}

// Pending returns how many faults have not happened yet.
func (s *Server) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.faults)
}

// fault returns what shall go wrong with a request.
func (s *Server) fault(c *call) *Fault {
	for i, f := range s.faults {
		if !strings.HasPrefix(c.route, f.Route) || f.ID != "" && (len(c.path) < 2 || c.path[1] != f.ID) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times--; f.Times == 0 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		}
		return f
	}
	if x := s.chaos; x != nil && x.random.Float64() < x.rate {
		return &Fault{Sort: Sorts[x.random.IntN(len(Sorts))], After: 30 * time.Millisecond}
	}
	return nil
}
