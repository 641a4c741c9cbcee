package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/offprint/offprint/server"
)

type testCommand struct {
	configured
	shop
	Report    []string `arg:"" optional:"" help:"Names of reports. Without any: all that have cases."`
	Update    bool     `short:"u" help:"Write the golden files anew. Read them before you keep them."`
	KeepGoing bool     `help:"Go on after a case that fails." default:"true" negatable:""`
	Verbose   bool     `short:"v" help:"Name the cases that are as expected too."`
}

// Run tells of every case that is not as expected, and fails if one is not.
func (c testCommand) Run(ctx context.Context, t *terminal) error {
	config, err := asked{configured: c.configured, shop: c.shop}.read(ctx, t)
	if err != nil {
		return err
	}
	all, failed := 0, 0
	tell := func(one server.Tested) bool {
		all++
		if one.Text != "" {
			failed++
		}
		c.tell(t, one)
		return one.Text == "" || c.KeepGoing
	}
	problems, err := server.Test(ctx, config, server.Testing{Reports: c.Report, Update: c.Update, Tell: tell})
	if err != nil {
		return err
	}
	for i := range problems {
		problems[i].File = fromHere(problems[i].File)
	}
	if err := printProblems(t, problems); err != nil {
		return err
	}
	verdict := counted(failed, "failure")
	if all == 0 && problems == nil {
		verdict = "write them in a file beside the report, as in orders.test.yaml"
	}
	if problems == nil {
		_, err = fmt.Fprintf(t.out, "%s, %s.\n", counted(all, "case"), verdict)
	}
	if err == nil && (failed > 0 || problems != nil) {
		return errTold
	}
	return err
}

// tell is a line about a case, and below it why and how it is not as expected.
func (c testCommand) tell(t *terminal, one server.Tested) {
	paint := styled(t.out)
	one.Place.File = fromHere(one.Place.File)
	name := one.Report + " " + one.Name
	switch {
	case one.Text != "":
		fmt.Fprintf(t.out, "%s: %s: %s\n", paint(bold, one.Place.Place()), paint(red, name), one.Text)
	case one.Wrote:
		fmt.Fprintf(t.out, "%s: wrote %s\n", name, fromHere(one.Golden))
	case c.Verbose:
		fmt.Fprintf(t.out, "%s: as expected\n", name)
	}
	if one.Err != nil {
		fmt.Fprintln(t.out, "  "+strings.ReplaceAll(forPeople(one.Err), "\n", "\n  "))
	}
	if one.Want != nil || one.Got != nil {
		fmt.Fprint(t.out, difference(fromHere(one.Golden), one.Want, one.Got, paint))
	}
}

// What is shown of a difference, at most: enough to see what is wrong.
const (
	mostLines = 40
	mostWidth = 200
)

// difference is a unified diff, cut where people stop to read.
func difference(golden string, want, got []byte, paint func(style, string) string) string {
	unified := diff.Diff(golden, want, "as it was made", got)
	_, unified, _ = bytes.Cut(unified, []byte("\n")) // the line "diff a b"
	lines := strings.Split(strings.TrimRight(string(unified), "\n"), "\n")
	var shown strings.Builder
	for i, line := range lines {
		if i == mostLines {
			fmt.Fprintf(&shown, "  … and %s more\n", counted(len(lines)-i, "line"))
			break
		}
		if runes := []rune(line); len(runes) > mostWidth {
			line = string(runes[:mostWidth]) + "…"
		}
		switch {
		case strings.HasPrefix(line, "-"):
			line = paint(red, line)
		case strings.HasPrefix(line, "+"):
			line = paint(green, line)
		case strings.HasPrefix(line, "@@"):
			line = paint(dim, line)
		}
		fmt.Fprintln(&shown, "  "+line)
	}
	return shown.String()
}
