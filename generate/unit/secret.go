package unit

import (
	"fleet/generate/model"
)

// sealed gives a secret to a unit, as a file in the folder of its credentials. systemd unseals it at the start, before
// the sandbox is made; where it is missing or sealed for another host, the unit does not start.
func (b *builder) sealed(s Section, name string) {
	s.Words("LoadCredentialEncrypted", name+":"+b.m.SecretFile(name))
}

// hidden gives a secret to a daemon, and for a while after a rotation the value before, so that it can hide that one too.
// Mostly there is none.
func (b *builder) hidden(s Section, name string) {
	b.sealed(s, name)
	b.sealed(s, name+".previous")
	s.Raw("SetCredential", name+`.previous:\n`) // systemd takes no empty one
}

// held gives a gate the secrets that it puts into requests.
func (b *builder) held(s Section, a *model.Agent) {
	for _, secret := range a.Brokered() {
		b.hidden(s, secret.Name)
	}
	if len(a.Brokered()) > 0 {
		s.Int("MemorySwapMax", 0) // values are in its memory
	}
}

// exposed gives an agent the secrets whose values it has.
func (b *builder) exposed(s Section, a *model.Agent) {
	for _, e := range a.Exposed {
		b.sealed(s, e.Name)
	}
}
