package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/offprint/offprint"
)

// A letter is what a template is given; docs/notices.md has it for those who
// write one.
type letter struct {
	Event    offprint.Event
	Own      bool   // whoever reads it asked for the report
	Locale   string // the run's
	Lang     string // of the words here
	Tone     string // good, warn, bad or quiet: of the badge
	Badge    string // Ready
	Title    string
	Subject  string
	Sentence string
	Detail   []string // of a failure, a paragraph each
	Facts    []offprint.Shown
	Notes    []string // what is not as one might expect in the file
	Noted    string   // what stands above them
	Button   string
	Link     string // where the button leads; empty: there is nothing to see
	Why      []string
	Trace    string // of a failure: what leads to it in the server's log
	Run      string
	Report   string // its name
	AskedBy  string
}

// writing is a letter on its way, with what it is written from.
type writing struct {
	letter
	words  words
	run    *offprint.Run
	report *offprint.Report
	zone   *time.Location
	now    time.Time
}

// write writes the letter of a notice as of now.
func write(n offprint.Notice, own bool, now time.Time) letter {
	run := n.Run
	w := writing{words: wordsIn(run.Locale), run: run, report: n.Report, zone: time.UTC, now: now, letter: letter{
		Event: n.Event, Own: own, Locale: run.Locale, Title: line(run.Title), Link: n.Link,
		Run: run.ID, Report: run.Report, AskedBy: line(cmp.Or(run.Who.Email, run.Who.User)),
	}}
	if zone, err := time.LoadLocation(run.Zone); err == nil {
		w.zone = zone
	}
	w.Lang = w.words.lang
	switch n.Event {
	case offprint.RunFailed:
		w.failed()
	case offprint.RunExpiring:
		w.expiring()
	default:
		w.ready()
	}
	w.Subject = line(w.Subject)
	w.because()
	return w.letter
}

// ready is of a file that may be fetched, or might have been.
func (w *writing) ready() {
	f := w.run.File
	w.Button = w.words.open
	w.Badge, w.Tone = w.words.ready, "good"
	w.Sentence = w.words.Rows(f.Rows) + " · " + w.words.Size(f.Bytes)
	if !f.Expires.IsZero() {
		w.Sentence += " · " + fmt.Sprintf(w.words.keptUntil, w.day(f.Expires, false))
	}
	switch w.run.Outcome {
	case offprint.Truncated:
		w.Badge, w.Tone = w.words.cut, "warn"
		w.Sentence = fmt.Sprintf(w.words.Cut, w.words.Number(f.Rows))
	case offprint.Empty:
		w.Badge, w.Sentence = w.words.empty, w.words.Nothing
	}
	w.Subject = w.Badge + ": " + w.about()
	if w.run.Outcome != offprint.Empty {
		w.Subject += " (" + w.words.Rows(f.Rows) + ")"
	}
	if f.State != offprint.Available || !f.Expires.IsZero() && !f.Expires.After(w.now) { // it was long on its way
		w.Badge, w.Tone, w.Sentence, w.Button = w.words.gone, "quiet", w.words.isGone, w.words.again
		w.Subject = w.Badge + ": " + w.about()
	}
	w.facts()
	for _, warning := range w.run.Warnings {
		if warning.Code != "truncated" { // which the letter says itself
			w.Notes, w.Noted = append(w.Notes, line(warning.Detail)), w.words.notes
		}
	}
}

// expiring is of a file that will soon be gone.
func (w *writing) expiring() {
	w.Badge, w.Tone = fmt.Sprintf(w.words.until, w.day(w.run.File.Expires, false)), "warn"
	w.Subject = w.Badge + ": " + w.about()
	w.Sentence, w.Button = w.words.isLeft, w.words.keep
	w.facts()
}

// failed is of a run that could not be made.
func (w *writing) failed() {
	w.Badge, w.Tone, w.Button = w.words.failed, "bad", w.words.change
	w.Subject = w.Badge + ": " + short(w.Title)
	p := w.run.Problem
	w.Sentence = w.words.failures[p.Code]
	if p.Title != "" && w.Lang == "en" { // what a problem says of itself is English
		w.Sentence = p.Title
	}
	w.Sentence = cmp.Or(w.Sentence, w.words.failures[offprint.Internal])
	if w.Own && w.words.isKept != "" {
		w.Detail = append(w.Detail, w.words.isKept)
	}
	said := []string{p.Detail}
	for _, f := range p.Fields {
		said = append(said, w.label(f.Pointer)+": "+f.Detail)
	}
	w.Detail = append(w.Detail, slices.DeleteFunc(said, w.quotes)...)
	if p.TraceID != "" {
		w.Trace = w.words.trace + " " + p.TraceID
	}
	w.parameters()
}

// quotes tells whether a text has a value that no message may say: databases
// quote what they do not take. Without a definition nothing is known of that.
func (w *writing) quotes(text string) bool {
	if w.report == nil {
		return false
	}
	return slices.ContainsFunc(w.report.Parameters, func(p offprint.Parameter) bool {
		return p.Sensitive && slices.ContainsFunc(w.run.Params.List(p.Name), func(value any) bool {
			quoted := fmt.Sprint(value)
			return quoted != "" && strings.Contains(text, quoted)
		})
	})
}

// because is why the letter was sent, and what its link is good for.
func (w *writing) because() {
	w.Why = []string{w.words.forOwn}
	if !w.Own {
		w.Why = []string{fmt.Sprintf(w.words.forOther, w.AskedBy)}
		if w.Link != "" {
			w.Why = append(w.Why, w.words.yours)
		}
	}
}

// about is what the run is about, as a subject says it: Orders, 25 Oct – 23 Nov.
func (w *writing) about() string {
	if w.report == nil {
		return short(w.Title)
	}
	for _, p := range w.report.Parameters {
		period, ok := w.run.Params[p.Name].(offprint.Period)
		if !ok || p.Sensitive {
			continue
		}
		said := offprint.ShowParam(period, w.zone, w.run.Locale)
		if period.From.Year == period.To.Year {
			said = w.ofThisYear(said)
		}
		return short(w.Title) + ", " + said
	}
	return short(w.Title)
}

// ofThisYear is a day or a period without the year, where that is this one.
func (w *writing) ofThisYear(said string) string {
	return strings.TrimSuffix(said, fmt.Sprintf(" %d", w.now.In(w.zone).Year()))
}

// facts are the small table of a file.
func (w *writing) facts() {
	w.parameters()
	f := w.run.File
	w.fact(w.words.rows, w.words.Number(f.Rows))
	w.fact(w.words.size, w.words.Size(f.Bytes))
	if !w.run.AsOf.IsZero() {
		w.fact(w.words.AsOf, w.day(w.run.AsOf, true))
	}
	if !f.Expires.IsZero() {
		w.fact(w.words.kept, w.day(f.Expires, true))
	}
}

// parameters are those that a message may say, as people read them.
func (w *writing) parameters() {
	if w.report == nil {
		return
	}
	open := *w.report
	open.Parameters = slices.DeleteFunc(slices.Clone(open.Parameters), func(p offprint.Parameter) bool { return p.Sensitive })
	for _, shown := range open.Shown(w.run.Params, w.zone, w.run.Locale) {
		w.fact(line(shown.Label), clipped(shown.Text, 200))
	}
}

func (w *writing) fact(label, text string) {
	w.Facts = append(w.Facts, offprint.Shown{Label: label, Text: text})
}

// label is how people call the parameter that a pointer points to.
func (w *writing) label(pointer string) string {
	name := pointer[strings.LastIndexByte(pointer, '/')+1:]
	if w.report != nil {
		for _, p := range w.report.Parameters {
			if p.Name == name {
				return line(p.LabelIn(w.run.Locale))
			}
		}
	}
	return name
}

// day is 30 Nov or, to the minute, 30 Nov 2026, 14:05 CET.
func (w *writing) day(t time.Time, minute bool) string {
	t = t.In(w.zone)
	day := offprint.ShowParam(offprint.Day{Year: t.Year(), Month: t.Month(), Day: t.Day()}, w.zone, w.run.Locale)
	if minute {
		return day + t.Format(", 15:04 MST")
	}
	return w.ofThisYear(day)
}

// line is a text on one line, and without the signs that turn the direction of
// what follows it.
func line(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' }), " ")
}

// clipped is a line of so many characters at most.
func clipped(text string, most int) string {
	text = line(text)
	if runes := []rune(text); len(runes) > most {
		return strings.TrimSpace(string(runes[:most-1])) + "…"
	}
	return text
}

// short is a title as a subject can take it.
func short(title string) string { return clipped(title, 100) }
