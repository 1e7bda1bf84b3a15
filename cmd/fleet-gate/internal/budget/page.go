package budget

import (
	"encoding/json"
	"fmt"

	"fleet/schemas/strict"
)

const (
	version = 1

	// maxSize and maxBudgets bound the file: a policy's rules, before and after changes of a day.
	maxSize, maxBudgets = 16 << 20, 100_000

	// maxCount keeps sums in range, and is what every reader of JSON has exactly.
	maxCount = 1 << 53
)

// page is the content of the file.
type page struct {
	Version int              `json:"version"`
	Day     int64            `json:"day"`    // since 1970, UTC
	BootID  string           `json:"bootID"` // whose clock Began is of
	Began   int64            `json:"began"`  // nanoseconds of CLOCK_BOOTTIME
	Used    map[string]*used `json:"used"`   // by Decision.Budget
}

type used struct {
	Requests int64 `json:"requests"`
	BytesUp  int64 `json:"bytesUp"`
}

func (b *Book) encode() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return json.Marshal(&b.page)
}

// parse takes the page of a file over.
func (b *Book) parse(text []byte) error {
	if _, err := strict.Decode(text); err != nil {
		return err
	}
	if v, err := strict.Version(text); err != nil || v != version {
		return fmt.Errorf("must have version %d, has %d", version, v)
	}
	var p page
	if err := strict.Into(text, &p); err != nil {
		return err
	}
	if p.Used == nil || len(p.Used) > maxBudgets || p.Day < 0 || p.Began < 0 {
		return fmt.Errorf("must have a day and at most %d budgets", maxBudgets)
	}
	for key, u := range p.Used {
		if u == nil || min(u.Requests, u.BytesUp) < 0 || max(u.Requests, u.BytesUp) > maxCount {
			return fmt.Errorf("%q must have counts from 0 to %d", key, maxCount)
		}
	}
	b.page = p
	return nil
}
