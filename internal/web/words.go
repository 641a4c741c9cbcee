package web

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

// A reader is whom a page is written for.
type reader struct {
	locale string
	now    time.Time
	print  *message.Printer
}

func newReader(locale string, now time.Time) *reader {
	return &reader{locale, now, message.NewPrinter(language.Make(cmp.Or(locale, "en")))}
}

// A piece is a text, or a time that the reader's own clock will show.
type piece struct {
	Text string
	Time time.Time
	As   string // clock, day, ago
}

// Datetime is for machines, Full for whoever points at it.
func (p piece) Datetime() string { return p.Time.UTC().Format(time.RFC3339) }
func (p piece) Full() string     { return p.Time.UTC().Format("2 Jan 2006, 15:04:05 UTC") }

func text(format string, args ...any) piece { return piece{Text: fmt.Sprintf(format, args...)} }

// clock, day and ago say a time without knowing the reader's zone; the page's
// script says it again in theirs.
func clock(t time.Time) piece { return piece{t.UTC().Format("15:04 UTC"), t, "clock"} }
func day(t time.Time) piece   { return piece{t.UTC().Format("2 Jan"), t, "day"} }

// moment is a time to come, with its day.
func moment(t time.Time) piece { return piece{t.UTC().Format("2 Jan 2006, 15:04 UTC"), t, "clock"} }

// lasting is a length of time as one keeps things for it: 7 days, 36 hours.
func lasting(d time.Duration) string {
	for _, unit := range []struct {
		is   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}} {
		switch n := d / unit.is; {
		case d%unit.is != 0 || n == 0:
		case n == 1:
			return "1 " + unit.name
		default:
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return spell(d)
}

func (r *reader) ago(t time.Time) piece {
	since := r.now.Sub(t)
	said := t.UTC().Format("2 Jan 2006, 15:04 UTC")
	switch {
	case since < time.Minute:
		said = "just now"
	case since < time.Hour:
		said = fmt.Sprintf("%d min ago", since/time.Minute)
	case since < 24*time.Hour:
		said = fmt.Sprintf("%d h ago", since/time.Hour)
	}
	return piece{said, t, "ago"}
}

func (r *reader) count(n int64) string { return r.print.Sprint(number.Decimal(n)) }

func (r *reader) rows(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return r.count(n) + " rows"
}

// about is an estimate as one says it: about 1.2 million, about 43,000.
func (r *reader) about(n int64) string {
	if n >= 1e6 {
		return r.print.Sprint(number.Decimal(float64(n)/1e6, number.MaxFractionDigits(1))) + " million"
	}
	step := int64(1)
	for n/step >= 100 {
		step *= 10
	}
	return r.count((n + step/2) / step * step)
}

// size is 48.2 MB; what is smaller than a tenth of one is in KB.
func (r *reader) size(bytes int64) string {
	if bytes < 100_000 {
		return r.print.Sprint(number.Decimal((bytes+999)/1000)) + " KB"
	}
	return r.print.Sprint(number.Decimal(float64(bytes)/1e6, number.MinFractionDigits(1), number.MaxFractionDigits(1))) + " MB"
}

// shortSize is for buttons: 48 MB.
func (r *reader) shortSize(bytes int64) string {
	if bytes < 10_000_000 {
		return r.size(bytes)
	}
	return r.print.Sprint(number.Decimal((bytes+500_000)/1_000_000)) + " MB"
}

// spell is a length of time as one says it: 1 min 35 s.
func spell(d time.Duration) string {
	s := int64(d / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", max(1, s))
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	}
	return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
}

// ordinal is 1st, 2nd, 3rd, 11th.
func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("%d%s", n, suffix)
}

// A badge is a run's state in two words; its tone only repeats them in color.
type badge struct{ Text, Tone string }

func (s *Site) badgeOf(r *offprint.Run) badge {
	switch r.State {
	case offprint.Queued:
		if !r.NextAttempt.IsZero() {
			return badge{"Waiting to try again", "warn"}
		}
		return badge{"Waiting", "quiet"}
	case offprint.Running:
		return badge{"Being made", "accent"}
	case offprint.Failed:
		return badge{"Could not be made", "bad"}
	case offprint.Canceled:
		return badge{"Canceled", "quiet"}
	}
	switch s.standing(r) {
	case offprint.FileExpired:
		return badge{"Expired", "quiet"}
	case offprint.Deleted:
		return badge{"File deleted", "quiet"}
	}
	switch r.Outcome {
	case offprint.Truncated:
		return badge{"Ready, cut short", "warn"}
	case offprint.Empty:
		return badge{"Ready, no rows", "good"}
	}
	return badge{"Ready", "good"}
}

// standing is where a file stands for people: one that went when its time came
// has expired, whether or not it is deleted by now.
func (s *Site) standing(r *offprint.Run) offprint.FileState {
	if r.File == nil {
		return offprint.Deleted
	}
	if state := s.fileState(r.File); state == offprint.Available || r.File.Expires.After(s.Desk.Now()) {
		return state
	}
	return offprint.FileExpired
}

// sentence says how it stands with a run.
func (s *Site) sentence(r *offprint.Run, ahead desk.Outlook, to *reader) []piece {
	switch r.State {
	case offprint.Queued:
		return waiting(r, ahead)
	case offprint.Running:
		return []piece{text("%s", making(r, ahead, to))}
	case offprint.Canceled:
		return []piece{text("by you at "), clock(r.Finished)}
	case offprint.Failed:
		return []piece{text("%s", shown(r.Problem).Title)}
	}
	if standing := s.standing(r); standing != offprint.Available {
		return []piece{text("Make it again")}
	}
	switch r.Outcome {
	case offprint.Truncated:
		return []piece{text("Only the first %s: the report's limit", to.rows(r.File.Rows))}
	case offprint.Empty:
		return []piece{text("Nothing matched these parameters")}
	}
	return []piece{text("%s · %s · kept until ", to.rows(r.File.Rows), to.size(r.File.Bytes)), day(r.File.Expires)}
}

func waiting(r *offprint.Run, ahead desk.Outlook) []piece {
	if r.NextAttempt.IsZero() {
		place := ordinal(ahead.Position) + " in line"
		if ahead.Position <= 1 {
			place = "Next in line"
		}
		if ahead.Starts > 0 {
			place += ", starts in about " + roughly(ahead.Starts)
		}
		return []piece{text("%s", place)}
	}
	pieces := []piece{text("%s. Next try at ", shown(r.Problem).Title), clock(r.NextAttempt)}
	if !r.RetryUntil.IsZero() {
		return append(pieces, text(", until "), clock(r.RetryUntil))
	}
	return append(pieces, text(" (%d of %d)", r.Failures+1, r.MaxAttempts))
}

func making(r *offprint.Run, ahead desk.Outlook, to *reader) string {
	p := r.Progress
	said := to.rows(p.Rows) + " so far"
	switch {
	case p.Rows == 0 && r.Phase != offprint.Uploading:
		said = "Waiting for the first row"
	case r.Phase == offprint.Uploading:
		said = to.rows(p.Rows) + " · storing the file"
	case p.RowsTotal > 0 && p.Exact:
		said = to.count(p.Rows) + " of " + to.rows(p.RowsTotal)
	case p.RowsTotal > p.Rows:
		said = to.count(p.Rows) + " of about " + to.about(p.RowsTotal) + " rows"
	}
	if ahead.Left > 0 {
		said += " · " + spell(ahead.Left) + " left"
	}
	return said
}

// parameters are a run's as people read them, by today's form if it still
// fits, else by their names.
func (s *Site) parameters(r *offprint.Run, locale string) []offprint.Shown {
	zone, err := time.LoadLocation(r.Zone)
	if err != nil {
		zone = time.UTC
	}
	if report, ok := s.Desk.Catalog.Report(r.Report); ok {
		if params, err := report.Resolve(r.Params.Sent(), zone, r.Created); err == nil {
			return s.Desk.Labeled(r.Who, report, params, zone, cmp.Or(locale, "en")).Shown(params, zone, locale)
		}
	}
	var all []offprint.Shown
	for _, name := range slices.Sorted(maps.Keys(r.Params)) {
		if !r.Params.Has(name) {
			continue
		}
		all = append(all, offprint.Shown{Label: offprint.Titled(name), Text: offprint.ShowParam(r.Params[name], zone, locale)})
	}
	return all
}

// inOneLine is Period 1 Oct – 31 Oct 2026 · Region EU.
func inOneLine(parameters []offprint.Shown) string {
	var parts []string
	for _, p := range parameters {
		parts = append(parts, p.Label+" "+p.Text)
	}
	return strings.Join(parts, " · ")
}
