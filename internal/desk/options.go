package desk

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// A Blank is one parameter of a report's form that somebody is about to fill in.
type Blank struct {
	Report, Parameter string
	Parameters        offprint.Sent // what is filled in so far
	TimeZone          string        // IANA; empty: UTC
	Locale            string        // BCP 47; empty: en
	Most              int           // of the options to answer with; 0: MostOffered
}

// An Offer is what somebody may choose from.
type Offer struct {
	Options    []Option
	More       bool     // there are more that fit
	WaitingFor []string // the parameters to fill in first; then there are no Options yet
}

// An Option is one choice, in the asker's language.
type Option struct{ Value, Label string }

// MostOffered are the options of one Offer, unless a Blank says otherwise.
const MostOffered = 50

// Options are those of a parameter that who may choose from and that have
// every word of search in their label or value, whatever the case and the
// accents: the best come first, else they stand as their source has them. A
// source that does not answer within Config.Glance is SourceUnavailable.
func (d *Desk) Options(ctx context.Context, who offprint.Identity, b Blank, search string) (Offer, error) {
	report, err := d.Report(who, b.Report)
	if err != nil {
		return Offer{}, err
	}
	i := slices.IndexFunc(report.Parameters, func(p offprint.Parameter) bool { return p.Name == b.Parameter })
	if i < 0 || report.Parameters[i].Choices == nil && report.Parameters[i].Options == nil {
		return Offer{}, titled(offprint.Errorf(offprint.NotFound, "Look at the report's form for the parameters that have some."), "There are no such options")
	}
	p := &report.Parameters[i]
	req, waiting, err := d.followed(who, report, p, b)
	if err != nil || waiting != nil {
		return Offer{WaitingFor: waiting}, err
	}
	f := newFinder(search, cmp.Or(b.Most, MostOffered))
	if p.Choices == nil {
		for _, o := range p.Options {
			f.see(listedAs(o, p, req, d.Now()))
		}
		return f.offer(), nil
	}
	// What is looked up ends by itself, unless its source does not end when it is told to.
	ctx, cancel := context.WithTimeoutCause(ctx, d.Glance+time.Second, tooSlow(report, d.Glance))
	defer cancel()
	err = d.offers.each(ctx, newChoice(report, p, req, d.Now()), f.see)
	if offer := f.offer(); err == nil || offer.More {
		return offer, nil
	}
	return Offer{}, err
}

// followed is what the options of p depend on, or what of it is not filled in.
func (d *Desk) followed(who offprint.Identity, report *offprint.Report, p *offprint.Parameter, b Blank) (req offprint.Request, waiting []string, err error) {
	var wrong []offprint.Field
	refuse := func(pointer, detail string) { wrong = append(wrong, offprint.Field{Pointer: pointer, Detail: detail}) }
	location := place(b.TimeZone, b.Locale, refuse)
	if wrong != nil {
		return req, nil, invalid(wrong)
	}
	if err := unknown(report, b.Parameters); err != nil {
		return req, nil, err
	}
	alone := offprint.Report{}
	sent := offprint.Sent{}
	for _, other := range report.Parameters {
		raw, given := b.Parameters[other.Name]
		switch {
		case !slices.Contains(p.Follows, other.Name):
		case (!given || string(raw) == "null") && other.Default == "" && !other.Optional:
			waiting = append(waiting, other.Name)
		default:
			alone.Parameters = append(alone.Parameters, other)
			sent[other.Name] = raw
		}
	}
	params, err := alone.Resolve(sent, location, d.Now())
	if err != nil {
		return req, nil, err
	}
	return offprint.Request{Params: params, Who: who, Zone: location, Locale: cmp.Or(b.Locale, "en"), Glance: true}, waiting, nil
}

// unknown refuses parameters that the report has not: whoever misspells a
// country would be offered all cities.
func unknown(report *offprint.Report, sent offprint.Sent) error {
	strange := maps.Clone(sent)
	empty := offprint.Report{}
	for _, p := range report.Parameters {
		delete(strange, p.Name)
		empty.Parameters = append(empty.Parameters, offprint.Parameter{Name: p.Name, Type: p.Type, Optional: true})
	}
	_, err := empty.Resolve(strange, time.UTC, time.Time{})
	return err
}

// tooSlow is what an asker hears who waited for a source for so long.
func tooSlow(report *offprint.Report, limit time.Duration) error {
	err := offprint.Errorf(offprint.SourceUnavailable, "It did not say within %g seconds what there is to choose from. Try again, or write the value yourself.", limit.Seconds())
	err.Title = "The " + sourceOf(report.Reads) + " did not answer"
	return err
}

// sourceOf is what people call a source that reports read.
func sourceOf(reads string) string {
	if reads == "" {
		return "source"
	}
	return reads + " database"
}

// chosen are the options behind the values of req's parameters, by parameter,
// and what is not among them. look passes through the options of one
// parameter until it is told to stop; where it fails, its error is answered
// after the others have been looked at, and nothing is said of its values.
func chosen(report *offprint.Report, req offprint.Request, now time.Time, look func(choice, func(listed) bool) error) (found map[string][]offprint.Option, wrong []offprint.Field, err error) {
	found = make(map[string][]offprint.Option)
	for i := range report.Parameters {
		p := &report.Parameters[i]
		if p.Choices == nil || !req.Params.Has(p.Name) {
			continue
		}
		s := newSeeker(p, req)
		if s.done() { // an empty list
			continue
		}
		if errLook := look(newChoice(report, p, req, now), s.see); errLook != nil && !s.done() {
			err = errLook
			continue
		}
		found[p.Name] = s.found
		if problem := s.problem(); problem != "" {
			wrong = append(wrong, offprint.Field{Pointer: "#/parameters/" + p.Name, Detail: problem})
		}
	}
	return found, wrong, err
}

// A seeker looks for the options behind the values of one parameter.
type seeker struct {
	parameter *offprint.Parameter
	values    []any
	missing   map[string]bool // by key
	found     []offprint.Option
}

func newSeeker(p *offprint.Parameter, req offprint.Request) *seeker {
	s := &seeker{parameter: p, values: req.Params.List(p.Name), missing: make(map[string]bool)}
	for _, v := range s.values {
		s.missing[offprint.KeyOf(v)] = true
	}
	return s
}

func (s *seeker) done() bool { return len(s.missing) == 0 }

// see takes one option and tells whether more are wanted.
func (s *seeker) see(o listed) bool {
	if s.missing[o.key] {
		delete(s.missing, o.key)
		s.found = append(s.found, offprint.Option{Value: o.Value, Label: offprint.Plain(o.Label)})
	}
	return !s.done()
}

// problem says what is wrong with the values in a sentence that does not repeat them.
func (s *seeker) problem() string {
	const sentence = "Choose one of the options."
	for i, v := range s.values {
		if !s.missing[offprint.KeyOf(v)] {
			continue
		}
		if s.parameter.Many {
			return fmt.Sprintf("Value %d: %s", i+1, sentence)
		}
		return sentence
	}
	return ""
}

// labeled is report with the options that were found, so that it shows
// parameters by their labels.
func labeled(report *offprint.Report, found map[string][]offprint.Option) *offprint.Report {
	if len(found) == 0 {
		return report
	}
	r := *report
	r.Parameters = slices.Clone(report.Parameters)
	for i := range r.Parameters {
		if options, ok := found[r.Parameters[i].Name]; ok {
			r.Parameters[i].Options = options
		}
	}
	return &r
}

// atSubmit is how long a new run waits for options to check its parameters
// against, all together.
const atSubmit = 500 * time.Millisecond

// chooses refuses values that are not among the options, as far as these can
// be had at once: what cannot is seen to when the run is made.
func (d *Desk) chooses(ctx context.Context, report *offprint.Report, req offprint.Request) error {
	ctx, cancel := context.WithTimeoutCause(ctx, atSubmit, tooSlow(report, atSubmit))
	defer cancel()
	for i := range report.Parameters { // so that one is not waited for after the other
		if p := &report.Parameters[i]; p.Choices != nil && req.Params.Has(p.Name) {
			d.offers.list(newChoice(report, p, req, d.Now()))
		}
	}
	_, wrong, err := chosen(report, req, d.Now(), func(c choice, see func(listed) bool) error { return d.offers.each(ctx, c, see) })
	if err != nil {
		d.Log.InfoContext(ctx, "parameters are taken unchecked; they are held against their options when the run is made", "report", report.Name, "error", err)
	}
	return notOffered(wrong)
}

func notOffered(wrong []offprint.Field) error {
	if wrong == nil {
		return nil
	}
	err := offprint.Errorf(offprint.BadParameter, "Nothing was made. Mend the parameters named below and ask again.")
	err.Title, err.Fields = "Some parameters are not right", wrong
	return err
}

// choose holds the parameters of a run that is made against their options,
// however long their source takes, and answers with the report that knows
// their labels. What somebody was offered just now is not asked for again.
func (d *Desk) choose(ctx context.Context, report *offprint.Report, req offprint.Request) (*offprint.Report, error) {
	found, wrong, err := chosen(report, req, d.Now(), func(c choice, see func(listed) bool) error {
		more := true
		err := d.offers.peek(c, func(o listed) bool { more = see(o); return more })
		if err != nil || !more {
			return err
		}
		return c.stream(ctx, see)
	})
	if err != nil {
		return nil, fmt.Errorf("options: %w", err)
	}
	return labeled(report, found), notOffered(wrong)
}

// Labeled is the report as it shows parameters: with the labels of those
// options that were offered to who within the last minute.
func (d *Desk) Labeled(who offprint.Identity, report *offprint.Report, params offprint.Params, zone *time.Location, locale string) *offprint.Report {
	req := offprint.Request{Params: params, Who: who, Zone: zone, Locale: cmp.Or(locale, "en")}
	found, _, err := chosen(report, req, d.Now(), d.offers.peek)
	if err != nil { // what is kept is at hand
		panic(err)
	}
	return labeled(report, found)
}

// A finder keeps what fits best of the options that pass.
type finder struct {
	most  int
	words []string
	whole string
	found [3][]Option // the very one, those that begin so, the others
}

func newFinder(search string, most int) *finder {
	whole := fold(search)
	return &finder{most: most, words: strings.Fields(whole), whole: strings.TrimSpace(whole)}
}

// see takes one option and tells whether more are wanted.
func (f *finder) see(o listed) bool {
	if rank, fits := f.rank(o); fits && len(f.found[rank]) <= f.most {
		f.found[rank] = append(f.found[rank], Option{o.Value, o.Label})
	}
	return !f.full()
}

// full tells that nothing better can come. The very one may come last: whoever
// fills in 1 means it, and not 10 to 19.
func (f *finder) full() bool {
	if f.words == nil {
		return len(f.found[2]) > f.most
	}
	return len(f.found[0]) > 0 && len(f.found[0])+len(f.found[1]) > f.most
}

func (f *finder) rank(o listed) (rank int, fits bool) {
	for _, w := range f.words {
		if !strings.Contains(o.value, w) && !strings.Contains(o.label, w) {
			return 0, false
		}
	}
	switch {
	case f.words == nil:
		return 2, true
	case o.value == f.whole || o.label == f.whole:
		return 0, true
	case strings.HasPrefix(o.value, f.whole) || strings.HasPrefix(o.label, f.whole):
		return 1, true
	}
	return 2, true
}

func (f *finder) offer() Offer {
	all := slices.Concat(f.found[0], f.found[1], f.found[2])
	if len(all) > f.most {
		return Offer{Options: all[:f.most], More: true}
	}
	return Offer{Options: all}
}
