package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/server"
)

// configured are the flags of every command that reads a configuration.
type configured struct {
	Config string `help:"The configuration file. Without it: offprint.yaml here, if there is one, and OFFPRINT_… variables." placeholder:"FILE" type:"path"`
}

// read is the configuration, from the file and the environment.
func (c configured) read(t *terminal) (server.Config, error) {
	path := c.Config
	if path == "" {
		if _, err := os.Stat("offprint.yaml"); err == nil {
			path = "offprint.yaml"
		}
	}
	config, err := server.ReadConfig(path, os.Environ())
	config.Log, config.Version = logger(t.err), version()
	return config, err
}

func logger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

type demoCommand struct {
	shop
	Listen  string `help:"Address and port." default:"127.0.0.1:8080"`
	Workers int    `help:"Reports made at once." default:"4"`
}

func (c demoCommand) Run(ctx context.Context, t *terminal) error {
	config, err := c.config(ctx, t)
	if err != nil {
		return err
	}
	config.Listen, config.Workers = c.Listen, c.Workers
	config.Limits.QueuedPerUser = -1
	return serve(ctx, config, t)
}

// serve runs a server until ctx ends.
func serve(ctx context.Context, config server.Config, t *terminal) error {
	config.Ready = func(url string) {
		if url == "" {
			fmt.Fprintln(t.out, "Offprint is ready: working")
			return
		}
		fmt.Fprintln(t.out, "Offprint is ready:", url)
	}
	s, err := server.New(ctx, config)
	if err != nil {
		return err
	}
	return errors.Join(s.Run(ctx), s.Close())
}

type serveCommand struct {
	configured
	WebOnly bool `help:"Make no reports here; other processes do."`
	Workers int  `help:"Reports made at once; 0 is the same as --web-only." default:"-1"`
	Dev     bool `help:"Reload changed reports at once, and show on the page what is wrong in them. Not for strangers."`
}

func (c serveCommand) Run(ctx context.Context, t *terminal) error {
	config, err := c.read(t)
	if err != nil {
		return err
	}
	if c.Workers >= 0 {
		config.Workers = c.Workers
	}
	if c.WebOnly {
		config.Workers = 0
	}
	config.Dev = c.Dev
	return serve(ctx, config, t)
}

type workerCommand struct {
	configured
	Workers int `help:"Reports made at once." default:"-1"`
}

func (c workerCommand) Run(ctx context.Context, t *terminal) error {
	config, err := c.read(t)
	if err != nil {
		return err
	}
	config.Listen = ""
	if c.Workers >= 0 {
		config.Workers = c.Workers
	}
	if config.Workers == 0 {
		return fmt.Errorf("%w: a worker without workers does nothing. Set workers to 1 or more", errUsage)
	}
	return serve(ctx, config, t)
}

type migrateCommand struct{ configured }

func (c migrateCommand) Run(ctx context.Context, t *terminal) error {
	config, err := c.read(t)
	if err != nil {
		return err
	}
	if err := server.Migrate(ctx, config); err != nil {
		return err
	}
	_, err = fmt.Fprintln(t.out, "The database is up to date.")
	return err
}

// shop are the flags of every command that works on the sample shop.
type shop struct {
	Data string `help:"Where the sample shop, its ledger and its files are kept." placeholder:"DIR" type:"path"`
	Rows int    `help:"Orders in the sample shop." default:"200000"`
}

func (s shop) config(ctx context.Context, t *terminal) (server.Config, error) {
	dir := s.Data
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return server.Config{}, fmt.Errorf("no folder for the sample shop; name one with --data: %w", err)
		}
		dir = filepath.Join(cache, "offprint-demo")
	}
	if s.Rows < 0 || s.Rows > 100_000_000 {
		return server.Config{}, fmt.Errorf("%w: --rows is from 0 to 100 million", errUsage)
	}
	config, err := server.Demo(ctx, dir, s.Rows)
	config.Log, config.Version = logger(t.err), version()
	return config, err
}

// forPeople is an error as its reader can use it: an offprint.Error without
// its code, any other as it is.
func forPeople(err error) string {
	var e *offprint.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	text := e.Detail
	if e.Title != "" {
		text = e.Title + ". " + e.Detail
	}
	for _, f := range e.Fields {
		text += "\n  " + f.Pointer + ": " + f.Detail
	}
	if cause := e.Unwrap(); cause != nil {
		text += "\n  (" + cause.Error() + ")"
	}
	return text
}
