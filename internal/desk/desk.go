// Package desk is the life of a run: where reports are asked for, made, told
// of, handed out and cleared away. Its files stand in the order of that way:
// submit.go, make.go, tell.go, fetch.go, sweep.go.
//
// Everything here is done on behalf of somebody: what is not theirs does not
// exist for them.
package desk

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/ledger"
)

// Config is what a desk works with. Catalog, Formats, Ledger and Blobs must be
// set; of the rest the zero value is the default.
type Config struct {
	Catalog   offprint.Catalog
	Formats   []offprint.Format
	Ledger    *ledger.Ledger
	Blobs     offprint.Blobs
	Notifiers map[string]offprint.Notifier // by the scheme of the addresses they serve
	Base      string                       // what people's browsers call this server, https://reports.example.com; empty: notices lead nowhere

	Retention   time.Duration   // of files; 7 days
	MaxAttempts int             // 5
	MaxRows     int64           // of a file; 0: no limit
	MaxBytes    int64           // of a file; 10 GiB
	Drain       time.Duration   // what is being made has so long when the desk closes; 25 s
	Stall       time.Duration   // what is being made may stand still for so long; 10 minutes
	FirstRow    time.Duration   // a source has so long until its first row, as it sees to itself; 30 minutes
	Glance      time.Duration   // how long an asker waits for options or a preview; 5 s
	Webhooks    WebhookRules    // without a Poster: there are none
	Links       Audience        // the widest that links may have; Anyone. Nobody: there are none
	Signer      offprint.Signer // the store, where downloads are sent to it; nil: they come from here
	Secrets     [][]byte        // newest first; without any, one that the ledger keeps
	Tried       func(Attempt)   // told of every attempt made here
	Now         func() time.Time
	Log         *slog.Logger
}

// An Attempt is what became of making a run once, in this process.
type Attempt struct {
	Report, Format string
	Err            error // nil: its file is made
	Took           time.Duration
	Rows, Bytes    int64
}

// A Desk is safe for use by many goroutines.
type Desk struct {
	Config
	formats map[string]offprint.Format
	offers  *offers
	looks   *seats // of previews
	history history
	line    line
	workers atomic.Int64 // runs that are made here at once
}

// New makes a desk. Close it.
func New(c Config) *Desk {
	c.Retention = cmp.Or(c.Retention, 7*24*time.Hour)
	c.MaxAttempts = cmp.Or(c.MaxAttempts, 5)
	c.MaxBytes = cmp.Or(c.MaxBytes, 10<<30)
	c.Drain = cmp.Or(c.Drain, 25*time.Second)
	c.Stall = cmp.Or(c.Stall, 10*time.Minute)
	c.FirstRow = cmp.Or(c.FirstRow, 30*time.Minute)
	c.Links = cmp.Or(c.Links, Anyone)
	c.Glance = cmp.Or(c.Glance, 5*time.Second)
	if c.Tried == nil {
		c.Tried = func(Attempt) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	d := &Desk{Config: c, formats: make(map[string]offprint.Format), offers: newOffers(c.Glance, c.Now), looks: newSeats(looksAtATime), history: history{ledger: c.Ledger, now: c.Now}}
	for _, f := range c.Formats {
		d.formats[f.Name()] = f
	}
	if c.Webhooks.Poster != nil {
		d.Notifiers = map[string]offprint.Notifier{hookScheme: hooks{d}}
		maps.Copy(d.Notifiers, c.Notifiers)
	}
	return d
}

// Close ends what is being looked up for askers, and waits for it. Whoever
// called Work waits for that first.
func (d *Desk) Close() { d.offers.close() }

// Reports are those that who may ask for, by group and title.
func (d *Desk) Reports(who offprint.Identity, locale string) []*offprint.Report {
	var reports []*offprint.Report
	for _, r := range d.Catalog.Reports() {
		if permits(r, who) {
			reports = append(reports, r)
		}
	}
	slices.SortFunc(reports, func(a, b *offprint.Report) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.TitleIn(locale), b.TitleIn(locale)), cmp.Compare(a.Name, b.Name))
	})
	return reports
}

// Report is one that who may ask for; any other is NotFound.
func (d *Desk) Report(who offprint.Identity, name string) (*offprint.Report, error) {
	r, ok := d.Catalog.Report(name)
	if !ok || !permits(r, who) {
		err := offprint.Errorf(offprint.NotFound, "Look for it in the list of reports; it may have been renamed.")
		err.Title = "There is no such report"
		return nil, err
	}
	return r, nil
}

// permits tells whether who may ask for the report: one forgotten WHERE must
// not show every tenant's rows.
func permits(r *offprint.Report, who offprint.Identity) bool {
	return r.Allow.Permits(who) && (who.Tenant == "" || !r.TenantBlind)
}

// FormatsOf are the formats that a report may become, its default first.
func (d *Desk) FormatsOf(r *offprint.Report) []offprint.Format {
	if len(r.Formats) == 0 {
		return d.Formats
	}
	var formats []offprint.Format
	for _, name := range r.Formats {
		if f, ok := d.formats[name]; ok {
			formats = append(formats, f)
		}
	}
	return formats
}

// A Census counts what there is to do.
type Census = ledger.Census

// Census counts the runs that have not ended, whosoever they are.
func (d *Desk) Census(ctx context.Context) (Census, error) { return d.Ledger.Census(ctx) }

// Silent tells whether err is the ledger not answering, which passes.
func Silent(err error) bool { return ledger.Silent(err) }

// Ready tells whether the desk can take and keep runs now.
func (d *Desk) Ready(ctx context.Context) error { return d.Ledger.Ping(ctx) }

// Get is one of who's own runs; any other is NotFound.
func (d *Desk) Get(ctx context.Context, who offprint.Identity, id string) (offprint.Run, error) {
	run, err := d.Ledger.Get(ctx, id)
	if err == nil && !who.Owns(&run) {
		err = noRun()
	}
	if offprint.CodeOf(err) == offprint.NotFound {
		return offprint.Run{}, noRun()
	}
	return run, err
}

func noRun() error {
	err := offprint.Errorf(offprint.NotFound, "It may have been erased, or belong to somebody else.")
	err.Title = "There is no such run"
	return err
}

// A Filter is which of somebody's runs to list.
type Filter = ledger.Filter

// List are who's own runs, newest first; next is where the list goes on.
func (d *Desk) List(ctx context.Context, who offprint.Identity, f Filter) (runs []offprint.Run, next string, err error) {
	if who.User == "" { // to the ledger that is everybody
		return nil, "", noRun()
	}
	f.User, f.Tenant = who.User, who.Tenant
	return d.Ledger.List(ctx, f)
}

// Cancel ends a run that has not ended; an ended run is answered unchanged.
func (d *Desk) Cancel(ctx context.Context, who offprint.Identity, id string) (offprint.Run, error) {
	if _, err := d.Get(ctx, who, id); err != nil {
		return offprint.Run{}, err
	}
	return d.Ledger.Cancel(ctx, id)
}

// An Amendment is what may be changed of a run that exists.
type Amendment = ledger.Amendment

// Amend renames a run, changes its metadata or keeps its file longer.
func (d *Desk) Amend(ctx context.Context, who offprint.Identity, id string, a Amendment) (offprint.Run, error) {
	if _, err := d.Get(ctx, who, id); err != nil {
		return offprint.Run{}, err
	}
	if wrong := d.wrongIn(a); wrong != nil {
		return offprint.Run{}, invalid(wrong)
	}
	return d.Ledger.Amend(ctx, id, a)
}

// longest is how many years a file may be kept.
const longest = 10

// wrongIn names everything that is wrong with an amendment.
func (d *Desk) wrongIn(a Amendment) (wrong []offprint.Field) {
	refuse := func(pointer, detail string) { wrong = append(wrong, offprint.Field{Pointer: pointer, Detail: detail}) }
	if a.Title != nil && !validTitle(*a.Title) {
		refuse("#/title", "At most 200 characters on one line.")
	}
	if now := d.Now(); a.Expires != nil && (!a.Expires.After(now) || a.Expires.After(now.AddDate(longest, 0, 0))) {
		refuse("#/expires_at", fmt.Sprintf("Send a time to come, within %d years.", longest))
	}
	metadata := make(map[string]string, len(a.Metadata))
	for k, v := range a.Metadata {
		metadata[k] = ""
		if v != nil {
			metadata[k] = *v
		}
	}
	checkMetadata(metadata, refuse)
	return wrong
}

// DeleteFile deletes an ended run's file and keeps the record.
func (d *Desk) DeleteFile(ctx context.Context, who offprint.Identity, id string) error {
	if _, err := d.Get(ctx, who, id); err != nil {
		return err
	}
	run, err := d.Ledger.DeleteFile(ctx, id)
	if err != nil {
		return err
	}
	return d.clear(ctx, &run)
}

// Erase deletes an ended run's file, parameters and record.
func (d *Desk) Erase(ctx context.Context, who offprint.Identity, id string) error {
	run, err := d.Get(ctx, who, id)
	if err != nil {
		return err
	}
	if !run.State.Final() {
		return offprint.Errorf(offprint.NotEnded, "Cancel the run first, or wait for its end.")
	}
	if run.File != nil && run.File.State != offprint.Deleted {
		if err := d.DeleteFile(ctx, who, id); err != nil {
			return err
		}
	}
	return d.Ledger.Erase(ctx, id)
}

// A NoticeRecord is what became of one notice.
type NoticeRecord = ledger.NoticeRecord

// Notices are the notices of one of who's runs.
func (d *Desk) Notices(ctx context.Context, who offprint.Identity, id string) ([]NoticeRecord, error) {
	if _, err := d.Get(ctx, who, id); err != nil {
		return nil, err
	}
	return d.Ledger.Notices(ctx, id)
}

// Reminder is when those who want to know will be told that the file of one of
// who's runs will be gone; the zero time: nobody will.
func (d *Desk) Reminder(ctx context.Context, who offprint.Identity, id string) (time.Time, error) {
	if _, err := d.Get(ctx, who, id); err != nil {
		return time.Time{}, err
	}
	return d.Ledger.Reminder(ctx, id)
}

// ReplayNotice sends a notice once more.
func (d *Desk) ReplayNotice(ctx context.Context, who offprint.Identity, id, notice string) error {
	if _, err := d.Get(ctx, who, id); err != nil {
		return err
	}
	return d.Ledger.ReplayNotice(ctx, id, notice)
}

// zone is the run's; one that this machine does not know is UTC.
func zone(name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return z
}
