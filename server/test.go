package server

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/yaml"
	"github.com/offprint/offprint/source"
)

// Testing says what [Test] is to do.
type Testing struct {
	Reports []string          // by name; empty: all that have fixtures
	Update  bool              // write the golden files anew
	Tell    func(Tested) bool // of each case when it is over; false ends the test
}

// Tested is what became of a case.
type Tested struct {
	Case
	Text      string // what is not as expected, in a sentence; empty: nothing
	Err       error  // what led to it
	Want, Got []byte // where these are not the same
	Wrote     bool   // the golden file
}

// Test makes the reports of all cases as they would be made for their askers,
// and compares them with what is expected. Problems are those of the fixtures;
// with any, no report is made.
func Test(ctx context.Context, c Config, t Testing) (problems source.Problems, err error) {
	c = c.withDefaults()
	sources, folder, wrong, err := openReports(c)
	defer func() { err = errors.Join(err, sources.Close()) }()
	if err != nil {
		return nil, err
	}
	if problems := c.nameless(folder, t.Reports); problems != nil {
		return append(problems, wrong...), nil // most likely why one is not there
	}
	cases, problems := c.fixtures(folder, t.Reports)
	if problems != nil {
		return append(problems, wrong...), nil
	}
	for _, one := range cases {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !t.Tell(c.test(ctx, folder, one, t.Update)) {
			break
		}
	}
	return nil, nil
}

// nameless are names of no report.
func (c *Config) nameless(folder *source.Folder, names []string) (problems source.Problems) {
	var known []string
	for _, r := range folder.Reports() {
		known = append(known, r.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			problems = append(problems, source.Problem{File: name, Text: "There is no such report." + yaml.DidYouMean(name, known)})
		}
	}
	return problems
}

// test makes one case, at its own time.
func (c *Config) test(ctx context.Context, folder *source.Folder, one Case, update bool) Tested {
	now := c.Now
	if !one.now.IsZero() {
		now = func() time.Time { return one.now }
	}
	d := desk.New(desk.Config{Catalog: folder, Formats: formats(), MaxRows: c.Limits.Rows, MaxBytes: c.Limits.FileBytes, Now: now, Log: c.Log})
	defer d.Close()
	ask, out := one.ask, new(bytes.Buffer)
	run, err := d.Make(ctx, ask.who(), ask.desk(), out, func(offprint.Phase, offprint.Progress) {})
	tested := Tested{Case: one, Err: err}
	switch code := offprint.CodeOf(err); {
	case one.fails != "" && err == nil:
		tested.Text = fmt.Sprintf("It was made, though the error %s was expected.", one.fails)
	case one.fails != "" && code == one.fails:
		tested.Err = nil
	case one.fails != "":
		tested.Text = fmt.Sprintf("It failed with %s, and %s was expected.", code, one.fails)
	case err != nil:
		tested.Text = "It could not be made."
	case one.rows >= 0 && run.File.Rows != one.rows:
		tested.Text = fmt.Sprintf("Its rows are %d, and %d were expected.", run.File.Rows, one.rows)
	case one.Golden != "":
		tested.Text, tested.Err = c.compare(&tested, out.Bytes(), update)
	}
	return tested
}

// compare holds what was made against the golden file, or makes that file.
func (c *Config) compare(t *Tested, made []byte, update bool) (text string, err error) {
	got, err := readable(made)
	if err != nil {
		return "What was made cannot be read.", err
	}
	files, _ := c.reportFiles()
	want, err := fs.ReadFile(files, t.path)
	none := errors.Is(err, fs.ErrNotExist)
	if err != nil && !none {
		return "The golden file cannot be read.", err
	}
	if want = unixLines(want); !none && bytes.Equal(got, want) {
		return "", nil
	}
	switch {
	case update && c.ReportFiles != nil:
		return "The golden file is a part of the program and cannot be written.", nil
	case update:
		if err := os.WriteFile(t.Golden, got, 0o666); err != nil { // less the umask
			return "The golden file cannot be written.", err
		}
		t.Wrote = true
		return "", nil
	case none:
		return "There is no file " + filepath.Base(t.Golden) + " to compare it with. Write it with --update, and read it.", nil
	}
	t.Want, t.Got = want, got
	return "It is not as in " + filepath.Base(t.Golden) + ".", nil
}

func unixLines(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }

// readable is what was made as people compare it: with the lines of Unix, and
// a zip of several parts as one text, each file below a line with its name.
func readable(made []byte) ([]byte, error) {
	if !bytes.HasPrefix(made, []byte("PK\x03\x04")) {
		return unixLines(made), nil
	}
	archive, err := zip.NewReader(bytes.NewReader(made), int64(len(made)))
	if err != nil {
		return nil, err
	}
	var all bytes.Buffer
	for _, file := range archive.File {
		fmt.Fprintf(&all, "-- %s --\n", file.Name)
		content, err := file.Open()
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(&all, content)
		if err := errors.Join(err, content.Close()); err != nil {
			return nil, err
		}
		if !strings.HasSuffix(all.String(), "\n") {
			all.WriteByte('\n')
		}
	}
	return unixLines(all.Bytes()), nil
}
