package spec

import (
	"fmt"
	"math"
	"regexp"
	"strings"
)

// testKeyPrefix begins keys that are made for tests and open nothing; they pass every check here.
const testKeyPrefix = "fleet-test-"

// credentialForm is a form by which a credential can be told without its name.
type credentialForm struct {
	what   string
	broker bool // held outside the agent and added to its requests; else a tool outside the agent holds it
	re     *regexp.Regexp
}

// Prefixes as their vendors publish them for secret scanners. The part of a match before the first group may be shown.
var credentialForms = []credentialForm{
	{"an Anthropic API key", true, regexp.MustCompile(`\bsk-ant-([A-Za-z0-9_-]{8,})`)},
	{"an OpenAI API key", true, regexp.MustCompile(`\bsk-(?:proj-|svcacct-|admin-)?([A-Za-z0-9_-]{20,})`)},
	{"a GitHub token", true, regexp.MustCompile(`\bgh[pousr]_([A-Za-z0-9]{16,})`)},
	{"a GitHub token", true, regexp.MustCompile(`\bgithub_pat_([A-Za-z0-9_]{16,})`)},
	{"a GitLab token", true, regexp.MustCompile(`\bglpat-([A-Za-z0-9_-]{16,})`)},
	{"an npm token", true, regexp.MustCompile(`\bnpm_([A-Za-z0-9]{30,})`)},
	{"a Google API key", true, regexp.MustCompile(`\bAIza([A-Za-z0-9_-]{30,})`)},
	{"a Slack token", true, regexp.MustCompile(`\bxox[abposr]-([A-Za-z0-9-]{8,})`)},
	{"a Stripe key", true, regexp.MustCompile(`\b[rs]k_(?:live|test)_([A-Za-z0-9]{16,})`)},
	{"an AWS access key", true, regexp.MustCompile(`\b(?:AKIA|ASIA)([A-Z0-9]{16})\b`)},
	{
		"a Discord bot token", false,
		regexp.MustCompile(`\b[MNO]([A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,})`),
	},
	{
		"a signed token (JWT)", true,
		regexp.MustCompile(`\beyJ([A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})`),
	},
	{"a private key", false, regexp.MustCompile(`-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----()`)},
	{"an age secret key", false, regexp.MustCompile(`\bAGE-SECRET-KEY-1([A-Z0-9]{20,})`)},
	{"a password in an address", true, regexp.MustCompile(`\b[a-z][a-z0-9+.-]*://[^\s/:@]*:([^\s/@${}]{3,})@`)},
}

// find returns the form of a credential in s and where its secret part begins and ends.
func findCredential(s string) (form credentialForm, begin, end int, ok bool) {
	for _, f := range credentialForms {
		for _, at := range f.re.FindAllStringSubmatchIndex(s, -1) {
			if !strings.HasPrefix(s[at[2]:], testKeyPrefix) && !strings.HasSuffix(s[:at[0]], testKeyPrefix) {
				return f, at[2], at[3], true
			}
		}
	}
	return credentialForm{}, 0, 0, false
}

// hideCredential returns s without the secret part of a credential, for messages.
func hideCredential(s string) string {
	if _, begin, _, ok := findCredential(s); ok {
		return s[:begin] + "..."
	}
	return s
}

// checkNoCredential refuses a text that holds a credential, and says whether there is none.
func checkNoCredential(found *faults, p place, s string) bool {
	form, _, _, ok := findCredential(s)
	if ok {
		found.error(p, "must not hold a credential, has "+form.what, disposition(form.broker))
	}
	return !ok
}

// disposition names how a credential should be contained instead.
func disposition(broker bool) string {
	right := `secrets: { NAME: { disposition: "broker" } }, with which the gate puts it into requests`
	if !broker {
		right = `secrets: { NAME: { disposition: "expose" } }, with which it is a file of the agent's that the spec does not hold`
	}
	return "take it out; its right place is " + right + ` (test keys begin with "` + testKeyPrefix + `")`
}

var (
	passwordName = regexp.MustCompile(`(?i)(^|_)(PASS|PASSWD|PASSWORD|PASSPHRASE)$`)
	keyName      = regexp.MustCompile(`(?i)(^|_)(APIKEY|KEY|TOKEN|SECRET|CREDENTIALS?|PAT)$`)
)

// Bounds by which a random value is told from a word: keys are longer and more mixed than names.
const (
	keyLength  = 16  // the shortest keys in use have 20 characters
	keyEntropy = 3.2 // bits for each character; 16 hex digits have about 3.4, English words below 3
)

// checkSecretVariable refuses a value that looks like a credential by its variable's name.
func checkSecretVariable(found *faults, p place, name, value string) {
	password, key := passwordName.MatchString(name), keyName.MatchString(name) && !strings.Contains(name, "PUBLIC")
	if strings.HasPrefix(value, testKeyPrefix) || value == "" {
		return
	}
	random := len(value) >= keyLength && !strings.ContainsAny(value, " /") && entropy(value) >= keyEntropy
	if password || key && random {
		message := fmt.Sprintf("must not hold a credential, and the value of %s looks like one", name)
		found.error(p, message, disposition(true))
	}
}

// entropy is the mean information of a character of s in bits, by the frequencies in s itself.
func entropy(s string) float64 {
	count := map[rune]int{}
	total := 0.0
	for _, c := range s {
		count[c]++
		total++
	}
	bits := 0.0
	for _, n := range count {
		share := float64(n) / total
		bits -= share * math.Log2(share)
	}
	return bits
}
