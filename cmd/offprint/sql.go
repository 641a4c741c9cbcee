package main

import (
	"context"
	"fmt"

	"github.com/offprint/offprint/server"
)

type sqlCommand struct{ asked }

func (c sqlCommand) Run(ctx context.Context, t *terminal) error {
	config, err := c.read(ctx, t)
	if err != nil {
		return err
	}
	ask, err := c.ask()
	if err != nil {
		return err
	}
	text, err := server.SQL(config, ask)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(t.out, text)
	return err
}
