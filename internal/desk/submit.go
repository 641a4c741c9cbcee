package desk

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/ledger"
)

// An Ask is what somebody sends when they ask for a report.
type Ask struct {
	Report     string
	Format     string // empty: the report's first
	Parameters offprint.Sent
	TimeZone   string   // IANA; empty: UTC
	Locale     string   // BCP 47; empty: en
	Notify     []string // me, or addresses; nil: see told
	Mailed     *bool    // where Notify is nil: whether the asker is mailed when the file is there; nil: as they prefer, and the report has it
	Title      string   // empty: the report's
	Metadata   map[string]string
	Retention  time.Duration // empty: the report's, or the server's; never longer
	Idempotency

	again []offprint.Addressee // those of the run that is made again
}

// Idempotency makes the same asking twice one run. The zero value is none.
type Idempotency struct {
	Key         string
	Route       string // method and path: keys of different routes are different
	Fingerprint string // of the body: a key that comes with another body is KeyReused
}

func (i Idempotency) key(who offprint.Identity) ledger.Key {
	if i.Key == "" {
		return ledger.Key{}
	}
	scope := strings.Join([]string{who.Tenant, who.User, i.Route}, "\x00")
	if who.Via != "" { // what a key asks on somebody's behalf is apart from what others ask
		scope += "\x00" + who.Key.ID
	}
	return ledger.Key{Scope: scope, Key: i.Key, Fingerprint: i.Fingerprint}
}

// Submit accepts an asking; it is recorded for good when Submit returns.
// replayed tells that it had been accepted before.
func (d *Desk) Submit(ctx context.Context, who offprint.Identity, ask Ask) (run offprint.Run, replayed bool, err error) {
	key := ask.key(who)
	if key.Key != "" { // before anything is checked: what was accepted once stays accepted
		run, found, err := d.Ledger.Replay(ctx, key)
		if found || err != nil {
			return run, found, err
		}
	}
	report, err := d.Report(who, ask.Report)
	if err != nil {
		return offprint.Run{}, false, err
	}
	run, err = d.draft(ctx, who, report, ask)
	if err == nil {
		run.Notify, err = d.told(ctx, who, report, ask)
	}
	if err != nil {
		return offprint.Run{}, false, err
	}
	accepted, err := d.Ledger.Accept(ctx, ledger.Asking{Run: run, Definition: report.Text, Key: key})
	return accepted.Run, accepted.Replayed, err
}

// draft checks all of an asking but for whom to tell, and names everything that
// is wrong with it.
func (d *Desk) draft(ctx context.Context, who offprint.Identity, report *offprint.Report, ask Ask) (offprint.Run, error) {
	var wrong []offprint.Field
	refuse := func(pointer, detail string) { wrong = append(wrong, offprint.Field{Pointer: pointer, Detail: detail}) }
	format := ask.Format
	if formats := d.FormatsOf(report); format == "" && len(formats) > 0 {
		format = formats[0].Name()
	}
	if _, known := d.formats[format]; !known || !report.Makes(format) {
		refuse("#/format", "This report can be made as: "+d.names(report)+".")
	}
	location := place(ask.TimeZone, ask.Locale, refuse)
	checkMetadata(ask.Metadata, refuse)
	if !validTitle(ask.Title) {
		refuse("#/title", "At most 200 characters on one line.")
	}
	if ask.Retention < 0 {
		refuse("#/retention", "Send a length of time, as in 12h or 7d.")
	}
	now := d.Now()
	params, err := report.Resolve(ask.Parameters, location, now)
	wrong, err = merged(wrong, err)
	if err != nil {
		return offprint.Run{}, err
	}
	if wrong != nil {
		return offprint.Run{}, invalid(wrong)
	}
	locale := cmp.Or(ask.Locale, "en")
	if err := d.chooses(ctx, report, offprint.Request{Params: params, Who: who, Zone: location, Locale: locale, Glance: true}); err != nil {
		return offprint.Run{}, err
	}
	return offprint.Run{
		Report: report.Name, Version: report.Version, Title: cmp.Or(ask.Title, report.TitleIn(ask.Locale)), Format: format, Reads: report.Reads,
		Params: params, Sent: ask.Parameters, Who: who, Zone: location.String(), Locale: locale,
		Metadata: ask.Metadata, Retention: d.keep(report, ask.Retention), MaxAttempts: d.MaxAttempts,
		State: offprint.Queued, Created: now,
	}, nil
}

// place is where and in what language somebody asks, as far as it is right.
func place(zone, locale string, refuse func(pointer, detail string)) *time.Location {
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		refuse("#/time_zone", "Send an IANA time zone, as in Europe/Berlin.")
		location = time.UTC
	}
	if !validLocale(locale) {
		refuse("#/locale", "Send a language tag, as in en-GB.")
	}
	return location
}

// merged joins the parameters' bad fields with the others; a lone
// BadParameter stays what it is.
func merged(wrong []offprint.Field, err error) ([]offprint.Field, error) {
	e, ok := err.(*offprint.Error)
	if !ok || wrong == nil {
		return wrong, err
	}
	return append(wrong, e.Fields...), nil
}

func invalid(fields []offprint.Field) error {
	err := offprint.Errorf(offprint.Invalid, "Nothing was made. Mend the fields named below and ask again.")
	err.Title, err.Fields = "Some fields are not right", fields
	return err
}

func (d *Desk) names(report *offprint.Report) string {
	var names []string
	for _, f := range d.FormatsOf(report) {
		names = append(names, f.Name())
	}
	return strings.Join(names, ", ")
}

// keep is the shortest of what the asker, the report and the server say.
func (d *Desk) keep(report *offprint.Report, asked time.Duration) time.Duration {
	most := cmp.Or(report.Retention, d.Retention)
	if asked > 0 {
		return min(asked, most)
	}
	return most
}

func validLocale(tag string) bool {
	return len(tag) <= 35 && !strings.ContainsFunc(tag, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

func validTitle(title string) bool {
	return utf8.RuneCountInString(title) <= 200 && !strings.ContainsFunc(title, control)
}

func checkMetadata(metadata map[string]string, refuse func(pointer, detail string)) {
	if len(metadata) > 50 {
		refuse("#/metadata", "At most 50 entries.")
	}
	for _, k := range slices.Sorted(maps.Keys(metadata)) {
		if k == "" || len(k) > 40 || len(metadata[k]) > 500 || strings.ContainsFunc(k, control) || strings.ContainsRune(metadata[k], 0) {
			refuse("#/metadata", "A key has 1 to 40 bytes and a value at most 500.")
			return
		}
	}
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// Rerun asks again with a run's resolved parameters, under today's definition
// and rights; what over says wins. What an API key asked on somebody's behalf
// stays theirs.
func (d *Desk) Rerun(ctx context.Context, who offprint.Identity, id string, over Ask) (run offprint.Run, replayed bool, err error) {
	was, err := d.Get(ctx, who, id)
	if err != nil {
		return offprint.Run{}, false, err
	}
	who = reader(who, &was)
	ask := Ask{
		Report: was.Report, Format: cmp.Or(over.Format, was.Format), Parameters: was.Params.Sent(),
		TimeZone: cmp.Or(over.TimeZone, was.Zone), Locale: cmp.Or(over.Locale, was.Locale),
		Title: cmp.Or(over.Title, was.Title), Metadata: was.Metadata, Retention: over.Retention,
		Idempotency: over.Idempotency,
	}
	maps.Copy(ask.Parameters, over.Parameters)
	if over.Metadata != nil {
		ask.Metadata = over.Metadata
	}
	ask.Notify, ask.again = over.Notify, append([]offprint.Addressee{}, was.Notify...)
	return d.Submit(ctx, who, ask)
}
