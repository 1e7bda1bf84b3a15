package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"
	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"fleet/activate/vault"
	"fleet/activate/vault/agefile"
	"fleet/activate/vault/dotenv"
	"fleet/cmd/fleet/internal/caller"
	"fleet/cmd/fleet/internal/scratch"
)

// editFlags are the flags of `fleet secret edit`.
type editFlags struct {
	identity string
	rekey    bool
}

func newSecretEditCmd(a *app) *cobra.Command {
	var f editFlags
	cmd := &cobra.Command{
		Use:   "edit FILE.age",
		Short: "Edit an age file of values, which travels in git beside the spec",
		Long: `Edit decrypts FILE.age, opens its text in $VISUAL or $EDITOR as the user who called, and encrypts what was saved to all
keys of FILE.recipients beside it: one public key of age or SSH a line. The text is that of a .env file. It stands in
memory while it is edited, in a folder that nobody else can look into; what the editor itself keeps elsewhere, such as
backups, is the editor's matter. Nothing is written where nothing was changed; after a change of the list use --rekey. A
file that is not there yet is made.

It is decrypted with --identity, else with ~/.config/fleet/identity.age, ~/.ssh/id_ed25519 and ~/.ssh/id_rsa of the user who
called, and as root with this host's key too. Files and keys that need a passphrase are refused.

fleet switch brings the values of secrets.age beside the spec into the vault, once for each version of the file: what is
set by hand afterwards stays until the file changes.`,
		Example: `  sudo fleet host-key >> secrets.recipients
  fleet secret edit secrets.age
  fleet secret edit secrets.age --rekey`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.secretEdit(cmd.Context(), args[0], f) },
	}
	cmd.Flags().BoolVar(&f.rekey, "rekey", false, "only encrypt it again, to a list of keys that has changed")
	cmd.Flags().StringVar(&f.identity, "identity", "", "decrypt with the private key of age or SSH in this `file`")
	return cmd
}

// agePair is an age file and its list of recipients, as the person who called can read and write them.
type agePair struct {
	who        caller.Person
	file       string
	recipients []age.Recipient
	sealed     []byte // nil where the file is not there yet
	text       []byte // decrypted
}

func (a *app) secretEdit(ctx context.Context, file string, f editFlags) error {
	vault.Guard()
	p, err := a.openAge(ctx, file, f.identity)
	if err != nil {
		return err
	}
	defer clear(p.text)
	edited := p.text
	if !f.rekey {
		edited, err = a.editText(ctx, p)
		defer clear(edited)
	}
	if err != nil {
		return err
	}
	if !f.rekey && bytes.Equal(edited, p.text) {
		return a.result(map[string]any{"changed": false}, file+": nothing was changed")
	}
	sealed, err := agefile.Encrypt(edited, p.recipients)
	if err != nil {
		return fmt.Errorf("encrypt %s: %w", file, err)
	}
	if err := p.save(sealed); err != nil {
		return err
	}
	return a.result(map[string]any{"changed": true, "recipients": len(p.recipients)},
		fmt.Sprintf("%s: encrypted to %d keys", file, len(p.recipients)))
}

// beginning is the text of a new file.
const beginning = "# one secret a line: NAME=VALUE, with quotes where it has several lines\n"

// openAge reads and decrypts what is to be edited.
func (a *app) openAge(ctx context.Context, file, identity string) (*agePair, error) {
	listFile, err := agefile.RecipientsOf(a.path(file))
	if err != nil {
		return nil, usage(err)
	}
	who, err := caller.This()
	if err != nil {
		return nil, err
	}
	p := &agePair{who: who, file: a.path(file)}
	list, err := p.read(listFile, agefile.MaxSize+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, withStatus(exitRefused, fmt.Errorf("there is no %s\n"+
			"  hint: list the public keys in it, one a line; sudo fleet host-key >> %s adds this host's", listFile, listFile))
	}
	if err != nil {
		return nil, err
	}
	if p.recipients, err = agefile.ParseRecipients(list); err != nil {
		return nil, inFile(listFile, err)
	}
	p.sealed, err = p.read(p.file, agefile.MaxSize+1)
	if errors.Is(err, fs.ErrNotExist) {
		p.sealed, p.text = nil, []byte(beginning)
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	ids, err := p.identities(ctx, identity)
	if err != nil {
		return nil, err
	}
	p.text, err = agefile.Decrypt(p.sealed, ids)
	if errors.Is(err, agefile.ErrNoIdentity) {
		return nil, withStatus(exitRefused, fmt.Errorf("%s: %w\n"+
			"  hint: name a private key with --identity, or run it as root on a host that is listed", file, err))
	}
	if err != nil {
		return nil, withStatus(exitRefused, fmt.Errorf("%s: %w", file, err))
	}
	return p, nil
}

// read reads a file as the person who called.
func (p *agePair) read(path string, limit int) (b []byte, err error) {
	err = p.who.Do(func() error {
		b, err = readRegular(path, limit)
		return err
	})
	return b, err
}

// identities returns the private keys that there are. Only one that was named must be there and be one.
func (p *agePair) identities(ctx context.Context, named string) ([]age.Identity, error) {
	if named != "" {
		text, err := p.read(named, agefile.MaxIdentity)
		defer clear(text)
		if err != nil {
			return nil, withStatus(exitRefused, err)
		}
		ids, err := agefile.ParseIdentities(text)
		if err != nil {
			return nil, withStatus(exitRefused, fmt.Errorf("%s: %w", named, err))
		}
		return ids, nil
	}
	var out []age.Identity
	for _, name := range []string{".config/fleet/identity.age", ".ssh/id_ed25519", ".ssh/id_rsa"} {
		text, err := p.read(filepath.Join(p.who.Home, name), agefile.MaxIdentity)
		if err != nil {
			continue
		}
		if ids, err := agefile.ParseIdentities(text); err == nil {
			out = append(out, ids...)
		}
		clear(text)
	}
	if os.Geteuid() != 0 {
		return out, nil
	}
	own, err := hostKey().Identities(ctx)
	if err != nil && !errors.Is(err, vault.ErrNoHostKey) && len(out) == 0 {
		return nil, err
	}
	return append(out, own...), nil
}

// save writes the file anew, beside it first.
func (p *agePair) save(sealed []byte) error {
	return p.who.Do(func() error {
		now, err := readRegular(p.file, agefile.MaxSize+1)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || !bytes.Equal(now, p.sealed) {
			return errors.Join(fmt.Errorf("%s was changed by somebody else meanwhile; nothing was written", p.file), err)
		}
		return renameio.WriteFile(p.file, sealed, 0o644)
	})
}

// editText lets the person edit the text until it can be read, or gives up.
func (a *app) editText(ctx context.Context, p *agePair) ([]byte, error) {
	dir, err := scratch.New(p.who)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	name := filepath.Base(p.file)
	name = name[:len(name)-len(agefile.Extension)] + ".env"
	if err := dir.Write(name, p.text); err != nil {
		return nil, err
	}
	for {
		if err := a.runEditor(ctx, dir, name); err != nil {
			return nil, err
		}
		text, err := dir.Read(name, agefile.MaxSize+1)
		if err != nil {
			return nil, err
		}
		vars, err := dotenv.Parse(text)
		vault.Wipe(vars)
		if err == nil {
			return text, nil
		}
		clear(text)
		if err = inFile(p.file, err); !a.agreesAfter(err, "Edit it again?") {
			return nil, fmt.Errorf("%w\n  hint: nothing was written", err)
		}
	}
}

// agreesAfter shows what is wrong before it asks.
func (a *app) agreesAfter(err error, question string) bool {
	fmt.Fprintln(a.err, err)
	return a.agrees(question)
}

// editors are tried where the person has named none; the first is Debian's choice.
const editors = `for e in sensible-editor editor vi nano; do command -v "$e" >/dev/null && exec "$e" "$1"; done
echo 'no editor is installed; name one with EDITOR' >&2; exit 127`

// runEditor waits for the editor's end also where Ctrl-C is pressed, which is the editor's to understand.
func (a *app) runEditor(ctx context.Context, dir *scratch.Dir, name string) error {
	script := editors
	if editor := firstOf(os.Getenv("VISUAL"), os.Getenv("EDITOR")); editor != "" {
		script = "exec " + editor + ` "$1"` // it may have arguments, as git takes it
	}
	c := dir.Command(context.WithoutCancel(ctx), "sh", "-c", script, "sh", dir.Path(name))
	c.Stdin, c.Stdout, c.Stderr = a.in, a.out, a.err
	if err := dir.Run(c); err != nil {
		return fmt.Errorf("the editor: %w\n  hint: nothing was written", err)
	}
	return nil
}

func firstOf(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}
