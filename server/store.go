package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/ledger"
)

// store opens the store, if its files are the ledger's: to any other ledger
// they are what nobody knows.
func (c *Config) store(ctx context.Context, l *ledger.Ledger, ours func(*blob.Store, context.Context, string) error) (*blob.Store, error) {
	open, err := blob.Parse(c.Files)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	s, err := open()
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	id, err := l.ID(ctx)
	if err == nil {
		s.Reserve(-1) // the mark of the owner is small, and a server on a full disk still hands files out
		err = ours(s, ctx, id)
		s.Reserve(c.DiskReserve)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("files: %w", err), s.Close())
	}
	return s, nil
}

// signer is the store, where downloads are to be sent to it; check has seen that
// it can be.
func (c *Config) signer(s *blob.Store) offprint.Signer {
	if c.Downloads != "redirect" {
		return nil
	}
	return s.Signer()
}

// Sweep clears the store of what the ledger knows that nobody will ask for. Of
// what belongs to no run that it knows it tells, and deletes it if all is set.
func Sweep(ctx context.Context, c Config, all bool, unknown func(offprint.Blob) error) error {
	c = c.withDefaults()
	return withLedger(ctx, c, func(l *ledger.Ledger) error {
		s, err := c.store(ctx, l, (*blob.Store).Owned)
		if err != nil {
			return err
		}
		d := desk.New(desk.Config{Ledger: l, Blobs: s, Now: c.Now, Log: c.Log})
		err = errors.Join(d.Sweep(ctx, false), d.Scan(ctx, all, unknown))
		d.Close()
		return errors.Join(err, s.Close())
	})
}
