package unitfile

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func folder(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

func TestSet(t *testing.T) {
	s, err := Load(folder(map[string]string{
		"multi-user.target.wants/fleet-p.target": "",
		"fleet-p.target":                         "[Unit]\nWants=a@1.service\n",
		"fleet-p.target.wants/b.socket":          "",
		"fleet-p.target.requires/c.timer":        "",
		"a@.service":                             "[Unit]\nRequires=net-%i.service\n[Service]\nUser=base\nSlice=s.slice\n",
		"a@.service.d/20.conf":                   "[Service]\nEnvironment=T=1\n",
		"a@1.service.d/10.conf":                  "[Service]\nEnvironment=I=1\n",
		"a@1.service.d/30.conf":                  "[Service]\nUser=one\n",
		"a@1.service.d/readme":                   "[broken",
		"service.d/30.conf":                      "[Service]\nUser=all\n",
		"b.socket":                               "[Socket]\nListenStream=/run/b\nService=x.service\n",
		"c.timer":                                "[Timer]\nOnCalendar=daily\n",
		"d.socket":                               "[Socket]\nAccept=yes\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, want, got any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("names", []string{"b.socket", "c.timer", "d.socket", "fleet-p.target"}, s.Names())
	check("templates", []string{"a@.service"}, s.Templates())
	check("an instance with drop-ins", Unit{
		"Unit":    {"Requires": {"net-%i.service"}},
		"Service": {"User": {"base", "one"}, "Slice": {"s.slice"}, "Environment": {"I=1", "T=1"}},
	}, s.Unit("a@1.service"))
	check("another instance", "all", s.Unit("a@2.service").Last("Service", "User"))
	check("pulls", []string{"a@1.service", "b.socket", "c.timer"}, s.Pulls("fleet-p.target"))
	check("requirements", []string{"net-1.service", "s.slice"}, s.StoppedBy("a@1.service"))
	check("requires folder", []string{"c.timer"}, s.Needs("fleet-p.target"))
	check("external", []string{"fleet-p.target"}, s.External())
	check("triggers", []string{"x.service", "c.service", "d@.service", ""},
		[]string{s.Triggers("b.socket"), s.Triggers("c.timer"), s.Triggers("d.socket"), s.Triggers("fleet-p.target")})
	check("triggered by", []string{"d.socket"}, s.TriggeredBy("d@7.service", ".socket"))
	if s.Unit("zz.service") != nil || s.Has("a@.timer") || !s.Has("a@3.service") {
		t.Error("a unit that the set lacks must be nil")
	}
}

func TestDropInFolders(t *testing.T) {
	want := []string{"fleet-p-a@1.service", "fleet-p-a@.service", "fleet-p-.service", "fleet-.service", "service"}
	if diff := cmp.Diff(want, dropInFolders("fleet-p-a@1.service")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoadNamesEveryBrokenFile(t *testing.T) {
	_, err := Load(folder(map[string]string{"a.service": "[x", "b.service": "[y", "c.service": "[Unit]\n"}))
	if err == nil || !strings.Contains(err.Error(), "units/a.service: line 1") || !strings.Contains(err.Error(), "units/b.service") {
		t.Errorf("error is %v", err)
	}
}
