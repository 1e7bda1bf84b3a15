package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"fleet/schemas/strict"
)

const (
	// BypassVersion is the version of a bypass's file.
	BypassVersion = 1

	// MaxBypass is how long a bypass may last from any moment on.
	MaxBypass = time.Hour

	// MaxBypassSize bounds a bypass's file.
	MaxBypassSize = 4 << 10
)

// Bypass is the content of the file by which root opens an agent's gate for a while. Its end is a time of the clock that
// counts from the start of the machine and goes on in its sleep, CLOCK_BOOTTIME, so that nobody's change of the date
// makes it longer; that of another boot is void.
type Bypass struct {
	Version int    `json:"version"`
	Until   int64  `json:"until"`  // nanoseconds of CLOCK_BOOTTIME
	BootID  string `json:"bootID"` // as /proc/sys/kernel/random/boot_id has it
	Reason  string `json:"reason"`
	By      string `json:"by"` // who began it
}

var bootID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// Why a bypass is not in force.
var (
	ErrOtherBoot = errors.New("bypass was begun before the machine was started")
	ErrOver      = errors.New("bypass is over")
	ErrTooLong   = fmt.Errorf("bypass must end within %s", MaxBypass)
)

// EncodeBypass returns the text of a bypass's file.
func EncodeBypass(b *Bypass) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(b); err != nil {
		return nil, fmt.Errorf("encode bypass: %w", err)
	}
	return out.Bytes(), nil
}

// ParseBypass reads what EncodeBypass wrote, and nothing else.
func ParseBypass(text []byte) (*Bypass, error) {
	if len(text) > MaxBypassSize {
		return nil, fmt.Errorf("bypass must have at most %d bytes", MaxBypassSize)
	}
	version, err := strict.Version(text)
	if err != nil {
		return nil, fmt.Errorf("bypass must be JSON: %w", err)
	}
	if version != BypassVersion {
		return nil, fmt.Errorf("bypass has version %d, this tool reads version %d", version, BypassVersion)
	}
	b := new(Bypass)
	if err := strict.Into(text, b); err != nil {
		return nil, fmt.Errorf("bypass must follow its schema: %w", err)
	}
	again, err := EncodeBypass(b)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, text) {
		return nil, errors.New("bypass must be written as fleet egress bypass writes it: same keys, order and spacing")
	}
	return b, nil
}

func (b *Bypass) check() error {
	shown := func(s string) bool { return len(s) <= maxText && ruleName.MatchString(s) }
	switch {
	case b.Version != BypassVersion:
		return fmt.Errorf("bypass: version must be %d, is %d", BypassVersion, b.Version)
	case b.Until <= 0:
		return errors.New("bypass: until must be above 0")
	case !bootID.MatchString(b.BootID):
		return errors.New("bypass: bootID must be that of the kernel")
	case !shown(b.Reason), !shown(b.By):
		return fmt.Errorf("bypass: reason and by must be 1 to %d printable ASCII characters", maxText)
	}
	return nil
}

// Left is how long a bypass has still to run, at a time of CLOCK_BOOTTIME in a boot. The error is ErrOtherBoot, ErrOver
// or ErrTooLong.
func (b *Bypass) Left(boot string, now time.Duration) (time.Duration, error) {
	left := time.Duration(b.Until) - now
	switch {
	case b.BootID != boot:
		return 0, ErrOtherBoot
	case left <= 0:
		return 0, ErrOver
	case left > MaxBypass:
		return 0, ErrTooLong
	}
	return left, nil
}
