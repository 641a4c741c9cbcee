package desk

import (
	"context"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/ledger"
)

// A Watch is nudged when what it watches may have changed. Whoever watches
// subscribes first, then reads, then drops what is not newer.
type Watch = ledger.Watch

// Watch watches one run, which Get then reads, or refuses. Close it.
func (d *Desk) Watch(id string) *Watch { return d.Ledger.Watch(id) }

// WatchAll watches all of who's runs, also those to come. Close it.
func (d *Desk) WatchAll(who offprint.Identity) *Watch {
	return d.Ledger.WatchUser(who.Tenant, who.User)
}

// Changed are who's runs that have not ended, and those that changed since then.
func (d *Desk) Changed(ctx context.Context, who offprint.Identity, since time.Time) ([]offprint.Run, error) {
	return d.Ledger.Changed(ctx, who.User, who.Tenant, since)
}
