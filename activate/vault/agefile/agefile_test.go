package agefile

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"
)

const canary = "canary-3f1c9d"

// must takes what a test prepares.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// pair is a private key as a file has it and the line of its public one.
type pair struct{ private, public string }

func agePair(t *testing.T) pair {
	t.Helper()
	secret, public, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	return pair{string(secret), public}
}

func sshPair(t *testing.T, key any, passphrase string) pair {
	t.Helper()
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	s := must(ssh.NewSignerFromKey(key))
	return pair{string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey())))}
}

func pairs(t *testing.T) map[string]pair {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]pair{
		"age": agePair(t), "ed25519": sshPair(t, ed, ""), "rsa": sshPair(t, must(rsa.GenerateKey(rand.Reader, 2048)), ""),
	}
}

// What is encrypted to several keys can be read with each of them and with no other, and is armoured.
func TestRoundTrip(t *testing.T) {
	all := pairs(t)
	list := "# people\n"
	for name, p := range all {
		list += p.public + " " + name + "\n\n"
		if name == "age" {
			list = strings.Replace(list, " age\n", "\n", 1)
		}
	}
	file := must(Encrypt([]byte(canary), must(ParseRecipients([]byte(list)))))
	if !bytes.HasPrefix(file, []byte(armor.Header)) || bytes.Contains(file, []byte(canary)) {
		t.Errorf("the file is %q", file)
	}
	for name, p := range all {
		text, err := Decrypt(file, must(ParseIdentities([]byte(p.private))))
		if err != nil || string(text) != canary {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if _, err := Decrypt(file, must(ParseIdentities([]byte(agePair(t).private)))); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("a key that is not listed: %v", err)
	}
	if _, err := Decrypt(file, nil); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("no key: %v", err)
	}
}

func TestDecryptRefuses(t *testing.T) {
	p := agePair(t)
	ids := must(ParseIdentities([]byte(p.private)))
	whole := must(Encrypt([]byte(canary), must(ParseRecipients([]byte(p.public)))))
	last := bytes.LastIndex(whole, []byte("\n-----END")) - 10
	changed := bytes.Clone(whole)
	changed[last] ^= 1 // of letters it makes letters; else the armour is damaged, which is told likewise
	scrypt := must(age.NewScryptRecipient("passphrase"))
	scrypt.SetWorkFactor(1)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"passphrase": {must(Encrypt([]byte(canary), []age.Recipient{scrypt})), "passphrase; encrypt it to the keys"},
		"empty":      {nil, "is no age file"},
		"plain text": {[]byte("A=" + canary), "is no age file"},
		"cut":        {whole[:len(whole)/2], "is no age file, or a damaged one"},
		"changed":    {changed, "is no age file, or a damaged one"},
		"too large":  {make([]byte, MaxSize+1), "at most"},
	} {
		text, err := Decrypt(c.file, ids)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), canary) || len(text) > 0 {
			t.Errorf("%s: %q, %v, want %q", name, text, err, c.want)
		}
	}
}

func TestParseRecipients(t *testing.T) {
	p := agePair(t)
	twice := p.public + "\n" + p.public + "\n"
	if got := must(ParseRecipients([]byte(twice))); len(got) != 1 {
		t.Errorf("a key that stands twice is taken %d times", len(got))
	}
	text := "# c\n" + p.public + "x\nssh-rsa AAAA\nssh-dss x\n" + strings.TrimSpace(p.private) + "\nage1yubikey1abc\n"
	_, err := ParseRecipients([]byte(text))
	if err == nil {
		t.Fatal("was taken")
	}
	for _, want := range []string{
		"line 2: is no public key of its kind", "line 3: is no public key", "line 4: must be a public key",
		"line 5: is a private key, which must never be in git", "line 6: is no public key",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("lacks %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), strings.TrimSpace(p.private)) {
		t.Error("the private key is in the error")
	}
	if _, err := ParseRecipients([]byte("# nobody\n")); err == nil || !strings.Contains(err.Error(), "fleet host-key") {
		t.Errorf("an empty list: %v", err)
	}
}

func TestParseIdentitiesRefuses(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":           {"", "must have a private key"},
		"public":          {agePair(t).public, "must have a private key"},
		"damaged":         {"AGE-SECRET-KEY-1" + canary, "must have a private key"},
		"protected SSH":   {sshPair(t, ed, "x").private, "make a key with age-keygen"},
		"damaged SSH":     {"-----BEGIN OPENSSH PRIVATE KEY-----\n" + canary + "\n", "is no private key of SSH"},
		"protected by it": {"age-encryption.org/v1\n-> scrypt", "decrypt it first with age"},
	} {
		_, err := ParseIdentities([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestRecipientsOf(t *testing.T) {
	for file, want := range map[string]string{
		"secrets.age": "secrets.recipients", "/a/b.age": "/a/b.recipients", "secrets": "", ".age": "", "x/.age": "",
	} {
		got, err := RecipientsOf(file)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v", file, got, err)
		}
	}
}

func TestPublic(t *testing.T) {
	p := agePair(t)
	if got := must(Public([]byte(p.private))); len(got) != 1 || got[0] != p.public {
		t.Errorf("%v, want %s", got, p.public)
	}
}

// No list makes the reader fail, and no line of one is repeated.
func FuzzParseRecipients(f *testing.F) {
	for _, seed := range []string{
		"", "age1", "ssh-rsa ", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==", "AGE-SECRET-KEY-1x", "#\n\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := ParseRecipients(text); err == nil && len(got) == 0 {
			t.Error("an empty list was taken")
		}
	})
}
