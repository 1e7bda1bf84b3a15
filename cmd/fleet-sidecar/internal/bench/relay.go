//go:build bench

package main

import (
	"context"
	"os"
	"os/exec"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// relay is a client of the SDK behind a server of the SDK, with nothing between them.
func relay() error {
	ctx := context.Background()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	to, err := connect(ctx, &mcp.CommandTransport{Command: exec.Command(self, echoName)})
	if err != nil {
		return err
	}
	return echoServer(func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return to.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: r.Params.Arguments})
	}).Run(ctx, new(mcp.StdioTransport))
}
