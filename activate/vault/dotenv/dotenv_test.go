package dotenv

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	cases := []struct {
		name, text string
		want       []string // NAME=VALUE
		faults     []string // each in the report; with any, nothing else is looked at
	}{
		{name: "empty"},
		{name: "nothing but comments", text: "# a\n\n  # b"},
		{name: "plain", text: "A=1\nB = two words \nC=\n", want: []string{"A=1", "B=two words", "C="}},
		{name: "export", text: "export A=1\nexport\tB=2\nexportC=3", want: []string{"A=1", "B=2", "exportC=3"}},
		{name: "comments", text: "A=1 # c\nB=a#b\nC='x' # c\nD= # c", want: []string{"A=1", "B=a#b", "C=x", "D="}},
		{name: "end of lines and mark of Windows", text: "\uFEFFA=1\r\nB='2'\r\n", want: []string{"A=1", "B=2"}},
		{name: "single quotes", text: `A='$x \n "y" #'`, want: []string{`A=$x \n "y" #`}},
		{name: "double quotes", text: `A="a\n\t\\ \"b\" \$c"`, want: []string{"A=a\n\t\\ \"b\" $c"}},
		{name: "several lines", text: "A=\"-----BEGIN\nMIIE=\n-----END\n\"\nB='1\n2'\nC=3", want: []string{
			"A=-----BEGIN\nMIIE=\n-----END\n", "B=1\n2", "C=3",
		}},
		{name: "nothing is expanded", text: "A=$HOME\nB=\"$HOME\"", want: []string{"A=$HOME", "B=$HOME"}},
		{name: "quotes inside", text: "A=it's\nB='", faults: []string{"line 2: the quote ' must be closed"}},
		{name: "all faults", text: "no\nA=1\nA=2\n1B=3\nC=\"\\x\"\nD='a'b\n", faults: []string{
			"line 1: must be NAME=VALUE", "line 3: A stands on line 2 already",
			"line 4: what stands before = must be a name", "line 5: a backslash", "line 6: nothing but a comment may follow",
		}},
		{name: "lines are counted over several", text: "A='1\n2\n3'\nx", faults: []string{"line 4: must be"}},
		{name: "NUL", text: "A=a\x00b", faults: []string{"line 1: A must not contain NUL"}},
		{name: "a comment needs a blank", text: "A='x'#c", faults: []string{"line 1: nothing but"}},
		{name: "a comment or a value", text: "A=#c", faults: []string{"line 1: a value that begins with #"}},
		{name: "too large", text: "A=" + strings.Repeat("x", MaxSize), faults: []string{"must have at most"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			vars, err := Parse([]byte(c.text))
			if len(c.faults) > 0 {
				for _, want := range c.faults {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("the report lacks %q: %v", want, err)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, v := range vars {
				got = append(got, v.Name+"="+string(v.Value))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A key whose quote is not closed is not cut into lines of which one looks like a name.
func TestUnclosed(t *testing.T) {
	vars, err := Parse([]byte("A=\"-----BEGIN\nMIIEcanary=\n"))
	if err == nil || len(vars) != 0 || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v, %v", vars, err)
	}
}

// quoted writes a value so that Parse reads the same one.
func quoted(value []byte) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(value)) + `"`
}

// No text makes the reader fail, no fault repeats a value, and what was read can be written and read again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"A=1\n", "export A='x\ny' # c\nB=\"\\n\"", "A=\"", "=\n#\n\\", "A='", "A=\r\nB", "\uFEFFA=\x00", "A=1\nA=1", "A=\"\\",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		vars, err := Parse(text)
		var b strings.Builder
		for _, v := range vars {
			if !nameForm.MatchString(v.Name) || v.Line < 1 || v.Line > bytes.Count(text, []byte("\n"))+1 {
				t.Errorf("%q on line %d", v.Name, v.Line)
			}
			b.WriteString(v.Name + "=" + quoted(v.Value) + "\n")
		}
		if err != nil {
			return
		}
		again, err := Parse([]byte(b.String()))
		if err != nil || len(again) != len(vars) {
			t.Fatalf("written and read again: %v", err)
		}
		for i := range vars {
			if again[i].Name != vars[i].Name || !bytes.Equal(again[i].Value, vars[i].Value) {
				t.Errorf("%+v, then %+v", vars[i], again[i])
			}
		}
	})
}
