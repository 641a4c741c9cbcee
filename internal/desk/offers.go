package desk

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"github.com/offprint/offprint"
)

// What offers may hold. A list beyond mostListed or mostListBytes is not kept:
// it is passed through anew for every answer.
const (
	fresh         = time.Minute
	mostLists     = 200
	mostListed    = 10_000
	mostListBytes = 4 << 20
	mostBytes     = 64 << 20
	atATime       = 2 // lists that one user has looked up at a time
)

// offers are the options that were asked for within the last minute, each list
// as one asker may see it. Askers that come together share one query.
type offers struct {
	glance time.Duration
	now    func() time.Time
	ctx    context.Context // of all that is looked up; ends with the desk
	stop   context.CancelCauseFunc
	seats  *seats

	mu    sync.Mutex
	lists map[string]*list
	going sync.WaitGroup
}

func newOffers(glance time.Duration, now func() time.Time) *offers {
	ctx, stop := context.WithCancelCause(context.Background())
	return &offers{glance: glance, now: now, ctx: ctx, stop: stop, seats: newSeats(atATime), lists: make(map[string]*list)}
}

func (o *offers) close() {
	o.mu.Lock()
	o.stop(offprint.Errorf(offprint.Draining, "Ask again; another server will answer.")) // nothing is begun after this
	o.mu.Unlock()
	o.going.Wait()
}

// A choice is a parameter whose options are asked for, with all that they depend on.
type choice struct {
	report    *offprint.Report
	parameter *offprint.Parameter
	req       offprint.Request
	now       time.Time
	key       string
}

func newChoice(report *offprint.Report, p *offprint.Parameter, req offprint.Request, now time.Time) choice {
	followed := offprint.Params{}
	for _, name := range p.Follows {
		if v, ok := req.Params[name]; ok {
			followed[name] = v
		}
	}
	req.Run, req.Params = "", followed
	key, err := json.Marshal([]any{report.Name, report.Version, p.Name, followed, req.Who, req.Zone.String(), req.Locale})
	if err != nil {
		panic(err) // texts, and the types of Params
	}
	return choice{report, p, req, now, string(key)}
}

// stream passes through the options as their source has them now.
func (c choice) stream(ctx context.Context, see func(listed) bool) error {
	for o, err := range c.parameter.Choices.Choose(ctx, c.req) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if !see(listedAs(o, c.parameter, c.req, c.now)) {
			return nil
		}
	}
	if ctx.Err() != nil { // a source that ends quietly when it is stopped has not ended well
		return context.Cause(ctx)
	}
	return nil
}

// A list is what became of looking up a choice. Nothing of it changes once it
// is ready.
type list struct {
	user  [2]string // whose it is: tenant and user
	since time.Time
	ready chan struct{} // closed when it is known
	all   []listed
	bytes int
	long  bool // too long to be kept
	err   error
}

func (l *list) isReady() bool {
	select {
	case <-l.ready:
		return true
	default:
		return false
	}
}

func (l *list) each(see func(listed) bool) {
	for _, o := range l.all {
		if !see(o) {
			return
		}
	}
}

// each passes through the options of a choice, from what is kept or from its
// source. It ends when ctx does; what is being looked up then is kept for
// whoever asks next.
func (o *offers) each(ctx context.Context, c choice, see func(listed) bool) error {
	l := o.list(c)
	if !l.isReady() {
		select {
		case <-l.ready:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	switch {
	case l.err != nil:
		return l.err
	case l.long:
		leave, err := o.seats.wait(ctx, c.req.Who)
		if err != nil {
			return err
		}
		defer leave()
		return c.stream(ctx, see)
	}
	l.each(see)
	return nil
}

// peek passes through what is kept, and asks nobody.
func (o *offers) peek(c choice, see func(listed) bool) error {
	o.mu.Lock()
	l := o.lists[c.key]
	o.mu.Unlock()
	if l != nil && l.isReady() && o.now().Sub(l.since) < fresh {
		l.each(see)
	}
	return nil
}

// list is the fresh one of a choice; if there is none, one is begun.
func (o *offers) list(c choice) *list {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if l := o.lists[c.key]; l != nil && now.Sub(l.since) < fresh {
		return l
	}
	l := &list{user: userOf(c.req.Who), since: now, ready: make(chan struct{})}
	if l.err = context.Cause(o.ctx); l.err != nil {
		close(l.ready)
		return l
	}
	o.lists[c.key] = l
	o.makeRoom()
	o.going.Go(func() { o.load(l, c) })
	return l
}

// load looks a choice up. A failure is told to those who wait, and forgotten.
func (o *offers) load(l *list, c choice) {
	ctx, cancel := context.WithTimeoutCause(o.ctx, o.glance, tooSlow(c.report, o.glance))
	defer cancel()
	leave, err := o.seats.wait(ctx, c.req.Who)
	if err == nil {
		err = c.stream(ctx, l.add)
		leave()
	}
	if l.long {
		l.all, l.bytes = nil, 0
	}
	l.err = err
	o.mu.Lock()
	defer o.mu.Unlock()
	close(l.ready)
	if err != nil && o.lists[c.key] == l {
		delete(o.lists, c.key)
	}
	o.makeRoom()
}

// add keeps an option, until the list is too long to be kept.
func (l *list) add(o listed) bool {
	l.all = append(l.all, o)
	l.bytes += len(o.Value) + len(o.Label) + len(o.value) + len(o.label) + len(o.key) + 80
	l.long = len(l.all) > mostListed || l.bytes > mostListBytes
	return !l.long
}

// makeRoom forgets lists while there are too many: the oldest of whoever has
// the most, so that nobody drives out what others are choosing from. Only who
// holds mu may call it.
func (o *offers) makeRoom() {
	for {
		bytes, of := 0, make(map[[2]string]int)
		for _, l := range o.lists {
			if l.isReady() {
				bytes += l.bytes
			}
			of[l.user]++
		}
		if len(o.lists) <= mostLists && bytes <= mostBytes {
			return
		}
		oldest := ""
		for key, l := range o.lists {
			if other := o.lists[oldest]; other == nil || cmp.Or(of[other.user]-of[l.user], l.since.Compare(other.since)) < 0 {
				oldest = key
			}
		}
		delete(o.lists, oldest)
	}
}

// listed is an option in somebody's language, and as it is searched.
type listed struct {
	Value, Label string
	value, label string // folded
	key          string // of its value; empty for what the parameter cannot be
}

func listedAs(o offprint.Option, p *offprint.Parameter, req offprint.Request, now time.Time) listed {
	l := listed{Value: o.Value, Label: o.Label.In(req.Locale), value: fold(o.Value)}
	l.key, _ = p.Type.Key(o.Value, req.Zone, now)
	if l.Label == "" || l.Label == l.Value {
		l.Label, l.label = l.Value, l.value
	} else {
		l.label = fold(l.Label)
	}
	return l
}

// fold is text without case and accents: Zürich is zurich, Straße strasse.
func fold(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return strings.ToLower(text)
	}
	folded, _, err := transform.String(transform.Chain(cases.Fold(), norm.NFKD, runes.Remove(runes.In(unicode.Mn))), text)
	if err != nil {
		return strings.ToLower(text) // none of these transformers fails on a text
	}
	return folded
}
