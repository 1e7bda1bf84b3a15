package github

import "testing"

// At a server of one's own links call for a guard, whatever its addresses are.
func TestHarmlessElsewhere(t *testing.T) {
	for api, want := range map[string]string{
		"":                               "https://git.example.com/a/b/issues/1 https://acme.ghe.com/a/b/pull/2",
		"https://git.example.com/api/v3": "https://git.example.com/" + guard + "a/b/issues/1 https://acme.ghe.com/a/b/pull/2",
		"https://api.acme.ghe.com":       "https://git.example.com/a/b/issues/1 https://acme.ghe.com/" + guard + "a/b/pull/2",
	} {
		base, err := baseURL(api)
		if err != nil {
			t.Fatal(err)
		}
		b := &Backend{links: linksOf(base)}
		if got := b.harmless("https://git.example.com/a/b/issues/1 https://acme.ghe.com/a/b/pull/2", nil); got != want {
			t.Errorf("%s: got %q", api, got)
		}
	}
}
