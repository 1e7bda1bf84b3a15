//go:build machine

package harness

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"fleet/cmd/fleet/internal/anthropicstub"
	"fleet/cmd/fleet/internal/bedrockstub"
	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/cmd/fleet/internal/geministub"
	"fleet/cmd/fleet/internal/openaistub"
	"fleet/cmd/fleet/internal/standin"
)

// program is the name of this test's own binary in the machine: the tool of a sidecar.
const program = "harnesstool"

// seenFile is where the stand-ins, which run in the machine, write what they have seen.
const seenFile = "/root/seen.jsonl"

func TestMain(m *testing.M) {
	origins.Main(hosts()...)
	if filepath.Base(os.Args[0]) == program {
		if err := serveTool(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// hosts are the stand-ins, each at the names of those that it stands for.
func hosts() []origins.Host {
	book := standin.Book{Log: appending(seenFile)}
	anthropic, openai, gemini := &anthropicstub.Server{Book: &book}, &openaistub.Server{Book: &book}, &geministub.Server{Book: &book}
	bedrock := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/converse-stream") {
			(&bedrockstub.Server{Book: &book}).ServeHTTP(w, r)
			return
		}
		anthropic.ServeHTTP(w, r)
	})
	ollama := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/messages" {
			anthropic.ServeHTTP(w, r)
			return
		}
		openai.ServeHTTP(w, r)
	})
	return []origins.Host{
		{Name: bedrockHost, Handler: bedrock},
		{Name: "bedrock-runtime.us-east-1.amazonaws.com", Handler: bedrock},
		{Name: mantleHost, Handler: openai},
		{Name: vertexHost, Handler: anthropic},
		{Name: keyHost, Handler: gemini},
		{Name: "openai.company.test", Handler: openai},
		{Name: "claude.company.test", Handler: anthropic},
		{Name: "ollama.company.test", Handler: ollama},
		{Name: "api.anthropic.com", Handler: anthropic},
		{Name: "api.openai.com", Handler: openai},
		{Name: "generativelanguage.googleapis.com", Handler: gemini},
	}
}

// appending is a file that is opened for each write: only one of this binary's processes shall make it.
type appending string

func (a appending) Write(b []byte) (int, error) {
	f, err := os.OpenFile(string(a), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Write(b)
}

// serveTool is an MCP server with one tool.
func serveTool() error {
	s := mcp.NewServer(&mcp.Implementation{Name: "tool", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: toolName, Description: "tells the weather on the moon"},
		func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "no weather"}}}, nil, nil
		})
	return s.Run(context.Background(), &mcp.StdioTransport{})
}
