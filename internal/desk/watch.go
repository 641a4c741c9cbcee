package desk

import (
	"context"
	"crypto/rand"
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

// inviteTime is how long an invitation is good: clients follow it at once.
const inviteTime = time.Minute

// An invitation lets one person begin one live connection, with whatever
// process they reach.
type invitation struct {
	User    string `json:"u"`
	Tenant  string `json:"t,omitempty"`
	Expires int64  `json:"e"` // Unix seconds
	Once    string `json:"n"` // no two are the same
}

// Invite signs an invitation to a live connection. Nothing is kept of it.
func (d *Desk) Invite(ctx context.Context, who offprint.Identity) (string, error) {
	return d.signed(ctx, forListening, invitation{who.User, who.Tenant, d.Now().Add(inviteTime).Unix(), rand.Text()})
}

// Invited tells whether the token is an invitation of who's.
func (d *Desk) Invited(ctx context.Context, who offprint.Identity, token string) (bool, error) {
	var i invitation
	good, err := d.verified(ctx, forListening, token, &i)
	return good && i.User == who.User && i.Tenant == who.Tenant && d.Now().Unix() <= i.Expires, err
}
