package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed init/offprint.yaml
var firstConfig []byte

//go:embed init/hello.sql
var firstReport []byte

type initCommand struct {
	Dir string `arg:"" optional:"" default:"." help:"Where to."`
}

// Run writes what is not there yet, and says what is.
func (c initCommand) Run(t *terminal) error {
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
	_, err := fmt.Fprintln(t.out, "Name your database in offprint.yaml, then: offprint check, offprint serve")
	return err
}
