package settings

import (
	"encoding/json"

	"fleet/generate/artifact"
	"fleet/generate/model"
)

// MCPName is the file that says where an agent's sidecars are.
const MCPName = "mcp.json"

// server is an MCP server as Claude Code, and others after it, read it from .mcp.json.
type server struct {
	Type string `json:"type"`
	URL  string `json:"url"`
}

func mcpFile(a *model.Agent) artifact.File {
	out := map[string]server{}
	for _, c := range a.Calls {
		out[c.Name] = server{"http", address(a, c)}
	}
	b, _ := json.MarshalIndent(map[string]any{"mcpServers": out}, "", "  ") // texts alone: cannot fail
	return artifact.Text(artifact.Path(a.File(MCPName)), string(b)+"\n")
}
