package unit

import (
	"fleet/generate/model"
	"fleet/schemas/chat"
)

// ChatProgram is the name of the chat's program in libexec.
const ChatProgram = "fleet-chat"

// chatControl makes the socket of root and the operators, by which commands and the watchdog speak.
func (b *builder) chatControl(c *model.Sidecar) {
	u := b.unit(b.m.ChatControl(), c.Box.Place())
	b.want(b.m.Target(), u.Name)
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": chat for operators")
	b.owned(s, &c.Box, "restart")
	s.Units("PartOf", b.m.Target())
	s = u.Section("Socket")
	s.Units("Service", b.m.AgentUnit(c.Box.Key))
	s.Words("FileDescriptorName", chat.ControlSocket)
	s.Path("ListenStream", b.m.ChatSocket())
	s.Words("SocketUser", "root")
	s.Words("SocketGroup", b.m.Operators)
	s.Words("SocketMode", "0660")
	s.Yes("RemoveOnStop")
	s.Int("TriggerLimitIntervalSec", 0) // one bad start must not leave the socket failed for good
}

// chatService adds what the chat has and no other sidecar: the operators' socket, and where it leaves word for agents.
func (b *builder) chatService(s Section) {
	s.Units("Sockets", b.m.ChatControl())
}
