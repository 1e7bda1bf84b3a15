package main

import (
	"fmt"
	"os"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"fleet/generate/spec"
)

func newFmtCmd(a *app) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "fmt [FILE...]",
		Short: "Format Jsonnet files as jsonnetfmt does",
		Long:  "Fmt formats the spec, or the given Jsonnet files, in place. With --check it writes nothing and exits 4 where a file would change.",
		RunE: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				file, err := a.specFile()
				if err != nil {
					return err
				}
				files = []string{file}
			}
			return a.format(files, check)
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "only say which files would change; exit 4 if one would")
	return cmd
}

func (a *app) format(files []string, check bool) error {
	changed := []string{}
	for _, file := range files {
		text, err := os.ReadFile(a.path(file))
		if err != nil {
			return err
		}
		want, err := spec.Format(file, string(text))
		if err != nil {
			return err
		}
		if want == string(text) {
			continue
		}
		changed = append(changed, file)
		if check {
			continue
		}
		if err := renameio.WriteFile(a.path(file), []byte(want), 0o644, renameio.WithExistingPermissions()); err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
	}
	text := ""
	for _, file := range changed {
		text += file + "\n"
	}
	if err := a.result(map[string]any{"changed": changed}, text); err != nil {
		return err
	}
	if check && len(changed) > 0 {
		return withStatus(exitDiffers, nil)
	}
	return nil
}
