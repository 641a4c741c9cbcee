package main

import (
	"context"
	"fmt"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/server"
)

type sweepCommand struct {
	configured
	Unknown bool `help:"Delete also the files of runs that the database does not know. Look at them first, without this flag."`
}

// Run lists what belongs to no known run, and deletes it only when told to.
func (c sweepCommand) Run(ctx context.Context, t *terminal) error {
	config, err := c.read(t)
	if err != nil {
		return err
	}
	unknown := 0
	err = server.Sweep(ctx, config, c.Unknown, func(b offprint.Blob) error {
		unknown++
		_, err := fmt.Fprintf(t.out, "%s  %d bytes, %s\n", b.Key, b.Bytes, b.Modified.UTC().Format("2006-01-02 15:04"))
		return err
	})
	if err != nil {
		return err
	}
	told := "The store is swept. It has no other files."
	switch {
	case unknown > 0 && c.Unknown:
		told = fmt.Sprintf("The store is swept. Those above were of no run that the database knows (%d); what had a run's key is deleted.", unknown)
	case unknown > 0:
		told = fmt.Sprintf("The store is swept. Those above are of no run that the database knows (%d). offprint sweep --unknown deletes what has a run's key.", unknown)
	}
	_, err = fmt.Fprintln(t.out, told)
	return err
}
