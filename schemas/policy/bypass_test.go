package policy_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/policy"
	"fleet/schemas/schematest"
)

const boot = "0f8fad5b-d9cb-469f-a165-70867728950e"

func bypass() policy.Bypass {
	return policy.Bypass{Version: 1, Until: int64(90 * time.Minute), BootID: boot, Reason: "npm is down", By: "ann"}
}

func TestBypassRoundTrip(t *testing.T) {
	schematest.Equal(t, "bypass.schema.json", reflect.TypeFor[policy.Bypass]())
	b := bypass()
	text, err := policy.EncodeBypass(&b)
	must(t, err)
	schematest.Accepts(t, "bypass.schema.json", text)
	got, err := policy.ParseBypass(text)
	must(t, err)
	if d := cmp.Diff(&b, got); d != "" {
		t.Error(d)
	}
	for want, bad := range map[string]string{
		"must be JSON":     "{",
		"has version 2":    strings.Replace(string(text), `"version": 1`, `"version": 2`, 1),
		"unknown field":    strings.Replace(string(text), `"by"`, `"from"`, 1),
		"same keys":        strings.Replace(string(text), "  ", " ", 1),
		"until must be":    strings.Replace(string(text), "5400000000000", "-1", 1),
		"bootID must be":   strings.Replace(string(text), boot, "x", 1),
		"reason and by":    strings.Replace(string(text), "ann", `\u001b[2J`, 1),
		"at most":          string(text) + strings.Repeat(" ", policy.MaxBypassSize),
		"must be JSON: in": string(text) + "{}",
	} {
		if b, err := policy.ParseBypass([]byte(bad)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v", want, b, err)
		}
	}
}

// EGR-E24: over, of another boot, and longer than an hour are no bypass.
func TestE24Left(t *testing.T) {
	b := bypass()
	for now, want := range map[time.Duration]any{
		90*time.Minute - 30*time.Second: 30 * time.Second, 30 * time.Minute: time.Hour,
		90 * time.Minute: policy.ErrOver, 100 * time.Minute: policy.ErrOver, 30*time.Minute - 1: policy.ErrTooLong, 0: policy.ErrTooLong,
	} {
		left, err := b.Left(boot, now)
		if wanted, ok := want.(error); ok && !errors.Is(err, wanted) || !ok && (err != nil || left != want) {
			t.Errorf("at %s: got %s, %v, want %v", now, left, err, want)
		}
	}
	if _, err := b.Left("1"+boot[1:], 89*time.Minute); !errors.Is(err, policy.ErrOtherBoot) {
		t.Errorf("got %v", err)
	}
}

func FuzzParseBypass(f *testing.F) {
	b := bypass()
	text, err := policy.EncodeBypass(&b)
	must(f, err)
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := policy.ParseBypass(text)
		if err != nil {
			return
		}
		if again, err := policy.EncodeBypass(b); err != nil || string(again) != string(text) {
			t.Errorf("%q is written as %q, %v", text, again, err)
		}
	})
}
