package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/offprint/offprint/server"
)

//go:embed init/offprint.yaml
var firstConfig []byte

//go:embed init/hello.sql
var firstReport []byte

type initCommand struct {
	Dir string `arg:"" optional:"" default:"." help:"Where to."`
}

// Run writes what is not there yet, and says what is. A small sample shop is
// there to ask, so that the first report works at once.
func (c initCommand) Run(ctx context.Context, t *terminal) error {
	for _, file := range []struct {
		path string
		text []byte
	}{{"offprint.yaml", firstConfig}, {"reports/hello.sql", firstReport}} {
		path := filepath.Join(c.Dir, file.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if errors.Is(err, fs.ErrExist) {
			fmt.Fprintln(t.out, "left as it was:", path)
			continue
		}
		if err != nil {
			return err
		}
		_, err = f.Write(file.text)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		fmt.Fprintln(t.out, "wrote", path)
	}
	if err := server.Sample(ctx, filepath.Join(c.Dir, "data", "shop.db")); err != nil {
		return err
	}
	there := ""
	if c.Dir != "." {
		there = "cd " + c.Dir + ", "
	}
	_, err := fmt.Fprintln(t.out, "The sample shop has orders of 2024 and 2025, customers and regions.\n"+
		"Try: "+there+"offprint check, offprint run hello -o hello.xlsx, offprint serve. Then name your own database in offprint.yaml,\n"+
		"and write reports as https://github.com/offprint/offprint/blob/main/docs/reports.md shows.")
	return err
}
