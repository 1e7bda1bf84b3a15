package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fleet/activate/agents"
	"fleet/activate/systemd"
)

// control returns what acts on the live agents, and what gives it back.
func (a *app) control(ctx context.Context, command string) (agents.Control, func(), error) {
	f, err := a.live(command)
	if err != nil {
		return agents.Control{}, nil, err
	}
	sd, err := systemd.Connect(ctx)
	if err != nil {
		return agents.Control{}, nil, err
	}
	return agents.Control{Fleet: f, Systemd: sd, Log: a.log.Infof}, sd.Close, nil
}

// report prints what became of each agent. A failure of one is the failure of the command.
func (a *app) outcomes(list []agents.Outcome) error {
	var lines, failed []string
	for _, o := range list {
		switch {
		case o.Error != "":
			failed = append(failed, o.Agent+": "+o.Error)
		case o.Note != "":
			lines = append(lines, fmt.Sprintf("%s: %s, %s", o.Agent, o.Did, o.Note))
		default:
			lines = append(lines, o.Agent+": "+o.Did)
		}
	}
	if err := a.result(list, strings.Join(lines, "\n")); err != nil {
		return err
	}
	if len(failed) > 0 {
		return withStatus(exitFailed, errors.New(strings.Join(failed, "\n")))
	}
	return nil
}
