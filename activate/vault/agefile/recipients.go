package agefile

import (
	"fmt"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"

	"fleet/schemas/report"
)

// Extension is of the files; the list of a file's recipients stands beside it with RecipientsExtension in its place.
const (
	Extension           = ".age"
	RecipientsExtension = ".recipients"
)

// RecipientsOf returns the path of the list that belongs to an age file: secrets.recipients for secrets.age.
func RecipientsOf(file string) (string, error) {
	stem, found := strings.CutSuffix(file, Extension)
	if !found || filepath.Base(file) == Extension {
		return "", fmt.Errorf("%s must end in %s, such as secrets%s", file, Extension, Extension)
	}
	return stem + RecipientsExtension, nil
}

// MaxRecipients bounds a list; each costs some 200 bytes in every file.
const MaxRecipients = 1000

// ParseRecipients reads a list: one public key of age (age1...) or of SSH (ssh-ed25519 or ssh-rsa) a line. Empty lines
// and lines that begin with # are left out, and so is a key's second occurrence. All faults come at once.
func ParseRecipients(text []byte) ([]age.Recipient, error) {
	var out []age.Recipient
	var faults report.Report
	seen := map[string]bool{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key := publicPart(line)
		if seen[key] {
			continue
		}
		seen[key] = true
		r, message, hint := recipient(line)
		if message != "" {
			faults.ErrorHint(fmt.Sprintf("line %d", n), message, hint)
			continue
		}
		out = append(out, r)
	}
	if len(out) == 0 && !faults.Failed() {
		faults.ErrorHint("", "must have a key at least", "sudo fleet host-key prints this host's")
	}
	if len(out) > MaxRecipients {
		faults.Errorf("", "must have at most %d keys, has %d", MaxRecipients, len(out))
	}
	return out, faults.Err()
}

// publicPart is what two lines with the same key have in common: an SSH key may have a comment after it.
func publicPart(line string) string {
	f := strings.Fields(line)
	return strings.Join(f[:min(2, len(f))], " ")
}

// recipient reads one line. What is wrong with it is told without the line, which may be a private key by mistake.
func recipient(line string) (r age.Recipient, message, hint string) {
	var err error
	switch {
	case strings.HasPrefix(line, "AGE-SECRET-KEY-") || strings.Contains(line, "PRIVATE KEY"):
		return nil, "is a private key, which must never be in git", "make a new one, and list its public key"
	case strings.HasPrefix(line, "ssh-ed25519 ") || strings.HasPrefix(line, "ssh-rsa "):
		r, err = agessh.ParseRecipient(line)
	case strings.HasPrefix(line, "age1") && !strings.ContainsAny(line, " \t"):
		var one []age.Recipient
		one, err = age.ParseRecipients(strings.NewReader(line))
		if err == nil {
			return one[0], "", ""
		}
	default:
		return nil, "must be a public key: age1..., ssh-ed25519 ... or ssh-rsa ...", "keys of plugins are not taken"
	}
	if err != nil {
		return nil, "is no public key of its kind, or a damaged one", "copy it again"
	}
	return r, "", ""
}
