package gates

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Families are metrics in the making: each family once, with the series of all gates and of fleet itself.
type Families struct {
	of map[string]*family
}

type family struct {
	kind, help string
	series     []string
}

// NewFamilies makes an empty set.
func NewFamilies() *Families { return &Families{of: map[string]*family{}} }

// Add adds one series; labels are names and values in turn.
func (f *Families) Add(name, kind, help string, v float64, labels ...string) {
	var b strings.Builder
	b.WriteString(name)
	for i := 0; i < len(labels); i += 2 {
		sep := ","
		if i == 0 {
			sep = "{"
		}
		fmt.Fprintf(&b, `%s%s="%s"`, sep, labels[i], escapeLabel(labels[i+1]))
	}
	if len(labels) > 0 {
		b.WriteByte('}')
	}
	b.WriteString(" " + strconv.FormatFloat(v, 'f', -1, 64))
	fam := f.family(name, kind, help)
	fam.series = append(fam.series, b.String())
}

func escapeLabel(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s)
}

func (f *Families) family(name, kind, help string) *family {
	fam := f.of[name]
	if fam == nil {
		fam = &family{kind: kind, help: help}
		f.of[name] = fam
	}
	return fam
}

// The text format of Prometheus, version 0.0.4, as far as a gate writes it.
var (
	helpLine   = regexp.MustCompile(`^# HELP (fleet_gate_[a-z_]{1,60}) ([ -~]{1,200})$`)
	typeLine   = regexp.MustCompile(`^# TYPE (fleet_gate_[a-z_]{1,60}) (counter|gauge|histogram)$`)
	seriesLine = regexp.MustCompile(`^(fleet_gate_[a-z_]{1,60})\{((?:[a-z]+="(?:[ !#-\[\]-~]|\\["\\n])*",?)+)\} ([0-9.eE+-]{1,32})$`)
)

// Merge adds what the gate of an agent tells. Only series of that agent in families that the text itself has declared
// are taken, whatever else a gate says; what is left out is counted.
func (f *Families) Merge(text []byte, project, agent string) (dropped int) {
	own := fmt.Sprintf(`project="%s",agent="%s"`, escapeLabel(project), escapeLabel(agent))
	help, kind, seen := map[string]string{}, map[string]string{}, map[string]bool{}
	for line := range bytes.Lines(text) {
		l := strings.TrimSuffix(string(line), "\n")
		if m := helpLine.FindStringSubmatch(l); m != nil {
			help[m[1]] = m[2]
			continue
		}
		if m := typeLine.FindStringSubmatch(l); m != nil {
			kind[m[1]] = m[2]
			continue
		}
		m := seriesLine.FindStringSubmatch(l)
		if m == nil || m[2] != own && !strings.HasPrefix(m[2], own+",") || seen[m[1]+m[2]] {
			dropped++
			continue
		}
		name := familyOf(m[1], kind)
		_, err := strconv.ParseFloat(m[3], 64)
		if known := f.of[name]; err != nil || kind[name] == "" || help[name] == "" || known != nil && known.kind != kind[name] {
			dropped++
			continue
		}
		seen[m[1]+m[2]] = true
		fam := f.family(name, kind[name], help[name])
		fam.series = append(fam.series, l)
	}
	return dropped
}

// familyOf returns the family of a series: that of a histogram has suffixes.
func familyOf(series string, kind map[string]string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(series, suffix); ok && kind[base] == "histogram" {
			return base
		}
	}
	return series
}

// Text is all families, sorted by name, each with its help and type once.
func (f *Families) Text() []byte {
	var b bytes.Buffer
	for _, name := range slices.SortedFunc(maps.Keys(f.of), cmp.Compare[string]) {
		fam := f.of[name]
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, fam.help, name, fam.kind)
		for _, s := range fam.series {
			b.WriteString(s + "\n")
		}
	}
	return b.Bytes()
}
