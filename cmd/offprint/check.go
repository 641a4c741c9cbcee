package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/server"
	"github.com/offprint/offprint/source"
)

type checkCommand struct {
	configured
	shop
	Offline bool   `help:"Ask no database."`
	Mail    string `help:"Send a message to try the mail server, too." placeholder:"ADDRESS"`
	Strict  bool   `help:"Fail over warnings too."`
	Format  string `help:"text for people; json has one object a line: file, line, column, severity, text." enum:"text,json" default:"text"`
}

// Run prints all that is wrong and fails if something is.
func (c checkCommand) Run(ctx context.Context, t *terminal) error {
	if c.Offline && c.Mail != "" {
		return fmt.Errorf("%w: --offline asks nobody, and --mail sends a message. Leave one of them out", errUsage)
	}
	checked, err := c.check(ctx, t)
	if err != nil {
		return err
	}
	warnings := 0
	for i, p := range checked.Problems {
		checked.Problems[i].File = fromHere(p.File)
		if p.Warning {
			warnings++
		}
	}
	wrong := len(checked.Problems) - warnings
	if c.Format == "json" {
		err = printJSON(t, checked.Problems)
	} else {
		err = printProblems(t, checked.Problems)
		if err == nil {
			_, err = fmt.Fprintf(t.out, "%s, %s%s.\n", counted(checked.Reports, "report"), counted(wrong, "problem"), and(warnings, "warning"))
		}
	}
	if err == nil && (wrong > 0 || c.Strict && warnings > 0) {
		return errTold
	}
	return err
}

// check takes what is wrong with the configuration for problems like others.
func (c checkCommand) check(ctx context.Context, t *terminal) (checked server.Checked, err error) {
	config, err := asked{configured: c.configured, shop: c.shop}.read(ctx, t)
	if errors.As(err, &checked.Problems) {
		return checked, nil
	}
	if err != nil {
		return checked, err
	}
	checked, err = server.Check(ctx, config, c.Offline)
	unusable := slices.ContainsFunc(checked.Problems, func(p source.Problem) bool { return p.File == server.Configuration })
	if err != nil || c.Mail == "" || unusable {
		return checked, err
	}
	return checked, c.tryMail(ctx, t, config, &checked)
}

// tryMail sends a message; that it was not taken is a problem like others.
func (c checkCommand) tryMail(ctx context.Context, t *terminal, config server.Config, checked *server.Checked) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	err := server.TryMail(ctx, config, c.Mail)
	var wrong *offprint.Error
	switch {
	case errors.As(err, &wrong):
		return fmt.Errorf("%w: --mail: %s", errUsage, wrong.Detail)
	case err != nil:
		checked.Problems = append(checked.Problems, source.Problem{File: "mail", Text: strings.TrimSuffix(err.Error(), ".") + "."})
	case c.Format == "text":
		_, err = fmt.Fprintf(t.out, "The mail server took a message to %s.\n", c.Mail)
		return err
	}
	return nil
}

// fromHere is a path below this folder without it, and any other as it is.
func fromHere(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if below, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(below) {
		return below
	}
	return path
}

// and is ", 1 warning", and nothing where there is none.
func and(n int, what string) string {
	if n == 0 {
		return ""
	}
	return ", " + counted(n, what)
}

// printProblems has a line for each that begins with its place, as compilers
// write it, so that editors find it.
func printProblems(t *terminal, problems source.Problems) error {
	paint := styled(t.out)
	for _, p := range problems {
		sort, color := "", red
		if p.Warning {
			sort, color = "warning: ", yellow
		}
		if _, err := fmt.Fprintf(t.out, "%s: %s%s\n", paint(bold, p.Place()), paint(color, sort), p.Text); err != nil {
			return err
		}
	}
	return nil
}

func printJSON(t *terminal, problems source.Problems) error {
	lines := json.NewEncoder(t.out)
	lines.SetEscapeHTML(false)
	for _, p := range problems {
		severity := "error"
		if p.Warning {
			severity = "warning"
		}
		if err := lines.Encode(struct {
			File     string `json:"file"`
			Line     int    `json:"line,omitzero"`
			Column   int    `json:"column,omitzero"`
			Severity string `json:"severity"`
			Text     string `json:"text"`
		}{p.File, p.Line, p.Column, severity, p.Text}); err != nil {
			return err
		}
	}
	return nil
}
