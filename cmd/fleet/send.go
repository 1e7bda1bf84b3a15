package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"fleet/activate/agents"
)

func newSendCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "send KEY [TEXT...]",
		Short: "Queue a prompt for an agent's next session",
		Long: `Send queues a prompt. The agent's runner takes queued prompts in their order, one for each session, in place of
the prompt of the spec. Without TEXT, or with -, the prompt is read from standard input.`,
		Example: `  sudo fleet send lead "Look at the failing test in CI first."
  sudo fleet send lead < plan.md`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeKeys(1),
		RunE:              func(_ *cobra.Command, args []string) error { return a.send(args[0], args[1:]) },
	}
}

func (a *app) send(key string, words []string) error {
	text, err := a.prompt(words)
	if err != nil {
		return err
	}
	f, err := a.live("send")
	if err != nil {
		return err
	}
	to, err := agent(f, key)
	if err != nil {
		return err
	}
	q, err := f.Send(to, text)
	if err != nil {
		return err
	}
	return a.result(q, fmt.Sprintf("queued as prompt %d of %s, %s", q.Number, key, before(q.Before)))
}

// prompt returns the text that is to be queued.
func (a *app) prompt(words []string) (string, error) {
	text := strings.Join(words, " ")
	if len(words) == 0 || len(words) == 1 && words[0] == "-" {
		b, err := io.ReadAll(io.LimitReader(a.in, agents.MaxPrompt+1))
		if err != nil {
			return "", fmt.Errorf("read the prompt from standard input: %w", err)
		}
		text = string(b)
	}
	if err := agents.CheckPrompt(text); err != nil {
		return "", usage(err)
	}
	return text, nil
}

func before(n int) string {
	switch n {
	case 0:
		return "next"
	case 1:
		return "after 1 that waits"
	}
	return fmt.Sprintf("after %d that wait", n)
}
