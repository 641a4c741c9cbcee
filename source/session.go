package source

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/offprint/offprint"
)

// A session answers one request: a snapshot, and a query for each part in it.
type session struct {
	*Definition
	locale     string
	asked      []part
	statements []*statement
	opening    opening
	snapshot   snapshot
	leave      func() // of a glance

	ctx    context.Context // ends with the asker's, or by a time-out
	cancel context.CancelCauseFunc
	first  *time.Timer // until there is a connection, and then until the first row of a part
	whole  *time.Timer // nil: there is no connection yet
	unhook func() bool

	using    sync.Mutex // held while the parts are ranged over
	released bool
}

// Open begins the snapshot of a request; it is how a Definition is an
// offprint.Source.
func (d *Definition) Open(ctx context.Context, req offprint.Request) (*offprint.Document, error) {
	s, err := d.begin(ctx, req, d.parts)
	if err != nil {
		return nil, err
	}
	return &offprint.Document{AsOf: s.snapshot.asOf(), Count: len(d.parts), Parts: s.parts}, nil
}

// begin begins a snapshot to ask for these parts. Whoever has it releases it.
func (d *Definition) begin(ctx context.Context, req offprint.Request, parts []part) (*session, error) {
	s, err := d.session(req, parts)
	if err != nil {
		return nil, err
	}
	s.waitFor(ctx)
	if s.leave, err = d.db.glance(s.ctx, req); err != nil {
		err = s.failed(err, nil)
		s.stopTimers()
		return nil, err
	}
	snapshot, err := d.db.engine.begin(s.ctx, s.opening)
	if err != nil {
		err = s.failed(err, nil)
		s.letGo()
		return nil, err
	}
	s.watch()
	s.snapshot = snapshot
	s.unhook = context.AfterFunc(s.ctx, s.ended)
	return s, nil
}

// session is what is to be asked, and as whom; it holds nothing yet.
func (d *Definition) session(req offprint.Request, parts []part) (*session, error) {
	as, err := d.asUser.assume(req.Who)
	if err != nil {
		return nil, err
	}
	s := &session{Definition: d, locale: req.Locale, asked: parts, opening: opening{req, !d.noSnapshot, as}}
	for _, p := range parts {
		statement, err := p.query.bind(req)
		if err != nil {
			return nil, err
		}
		s.statements = append(s.statements, statement)
	}
	return s, nil
}

// waitFor bounds the wait for a connection. Whoever has none has asked nothing
// yet, so it was not too much.
func (s *session) waitFor(ctx context.Context) {
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.first = time.AfterFunc(s.db.firstRow, func() {
		err := offprint.Errorf(offprint.SourceUnavailable, "Within %s no connection to it was to be had. Your request is kept and tried again.", spoken(s.db.firstRow))
		err.Title = "The " + s.db.name + " " + s.db.noun + " is busy, or did not answer"
		s.cancel(err)
	})
}

// watch starts the time-outs. They are ours and act by cancel: the database's
// own would count the time it spends writing to a slow reader.
func (s *session) watch() {
	s.first.Stop()
	timeout := s.db.timeout
	if s.timeout > 0 {
		timeout = s.timeout
	}
	s.first = time.AfterFunc(s.db.firstRow, func() { s.cancel(s.tooLong("begin to answer within", s.db.firstRow)) })
	s.whole = time.AfterFunc(timeout, func() { s.cancel(s.tooLong("finish within", timeout)) })
}

// letGo is for who has no snapshot any more.
func (s *session) letGo() {
	s.leave()
	s.stopTimers()
}

func (s *session) stopTimers() {
	s.first.Stop()
	if s.whole != nil {
		s.whole.Stop()
	}
	s.cancel(nil)
}

func (s *session) tooLong(what string, limit time.Duration) error {
	err := offprint.Errorf(offprint.SourceTimeout, "It did not %s %s. Your request is kept. Ask for less, such as a shorter period.", what, spoken(limit))
	err.Title = "The " + s.db.name + " " + s.db.noun + " took too long"
	return err
}

// spoken is a length of time as people say it.
func spoken(d time.Duration) string {
	n, unit := d.Seconds(), "second"
	switch {
	case d >= 2*time.Hour:
		n, unit = d.Hours(), "hour"
	case d >= 2*time.Minute:
		n, unit = d.Minutes(), "minute"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%.4g %s", n, unit)
}

// ended follows the end of the context, whoever ended it and wherever the
// reader is: the query ends at the database at once, and what is held goes
// when the reader has come back.
func (s *session) ended() {
	s.snapshot.stop()
	s.using.Lock()
	defer s.using.Unlock()
	s.release(false)
}

// release lets go of everything, once. Only who holds using may call it.
func (s *session) release(all bool) {
	if s.released {
		return
	}
	s.released = true
	all = s.unhook() && all // stop may be on its way to this very connection
	s.snapshot.end(all)
	s.letGo()
}

func (s *session) parts(yield func(*offprint.Table, error) bool) {
	s.using.Lock()
	defer s.using.Unlock()
	all := false
	defer func() { s.release(all) }()
	for i, statement := range s.statements {
		r := &reading{session: s, statement: statement}
		table, err := r.open(&s.asked[i])
		if err != nil {
			yield(nil, err)
			return
		}
		if !yield(table, nil) || r.broken {
			return
		}
		if i == len(s.statements)-1 {
			all = r.done
			return
		}
		if err := s.pass(r); err != nil {
			yield(nil, s.failed(err, statement))
			return
		}
	}
}

// pass goes on to the next part. What was not read of this one is passed
// over; for somebody who reads the first rows only, that would take too long:
// the query ends, and the next part has a snapshot of its own.
func (s *session) pass(r *reading) error {
	if r.done || s.opening.req.First == 0 {
		return r.answer.close()
	}
	if !s.unhook() {
		return context.Canceled // ended waits for us, to release
	}
	s.snapshot.end(false)
	next, err := s.db.engine.begin(s.ctx, s.opening)
	if err != nil {
		s.released = true // there is nothing left to let go
		cause := s.failed(err, nil)
		s.letGo()
		return cause
	}
	s.snapshot = next
	s.unhook = context.AfterFunc(s.ctx, s.ended)
	return nil
}

// A reading is the way through the rows of one part.
type reading struct {
	*session
	statement *statement
	answer    *answer
	done      bool // all rows were read
	broken    bool // by an error
}

func (r *reading) open(p *part) (*offprint.Table, error) {
	if err := r.ask(p.columns); err != nil {
		return nil, err
	}
	if err := p.lay(r.answer.columns, r.locale); err != nil {
		return nil, err
	}
	if err := linked(r.answer.columns); err != nil {
		return nil, err
	}
	groups, err := p.groups(r.answer.columns)
	if err != nil {
		return nil, err
	}
	return &offprint.Table{
		Name: p.name, Title: p.titleIn(r.Definition, r.locale), Columns: r.answer.columns, Group: groups,
		RowsEstimated: r.answer.estimated, Rows: r.rows,
	}, nil
}

// ask begins to read; the first row must come in time.
func (r *reading) ask(said []column) error {
	if r.released || r.ctx.Err() != nil {
		return r.failed(context.Canceled, nil)
	}
	r.first.Reset(r.db.firstRow)
	answer, err := r.snapshot.query(r.statement, said)
	if err != nil {
		return r.failed(err, r.statement)
	}
	r.first.Stop()
	r.answer = answer
	return nil
}

func (p *part) titleIn(d *Definition, locale string) string {
	if title := p.title.In(locale); title != "" {
		return title
	}
	return d.report.TitleIn(locale)
}

func (r *reading) rows(yield func(offprint.Row, error) bool) {
	for !r.done && !r.broken {
		row, err := r.answer.next()
		if err != nil {
			r.broken = true
			yield(nil, r.failed(err, r.statement))
			return
		}
		if row == nil {
			r.done = true
			return
		}
		if !yield(row, nil) {
			return
		}
	}
}

// failed is what became of the request, for people. The context's own end
// comes first: what the database says then is only its echo.
func (s *session) failed(err error, at *statement) error {
	if cause := context.Cause(s.ctx); cause != nil {
		return cause
	}
	var told *offprint.Error
	if errors.As(err, &told) {
		return err
	}
	sent := ""
	if at != nil {
		sent = at.text
	}
	f := s.db.engine.fault(err, sent)
	if f.code == "" {
		return fmt.Errorf("source %s: %w", s.db.name, err)
	}
	if at != nil && f.text != "" {
		err = errors.Join(at.problem(f.at-1, f.text), err)
	}
	if at == nil && f.code == offprint.PermissionDenied {
		return s.db.shut().Because(fmt.Errorf("source %s: %w", s.db.name, err))
	}
	return s.db.told(f.code).Because(fmt.Errorf("source %s: %w", s.db.name, err))
}

// told says a fault of the database in sentences without SQL, addresses or values.
func (d *Database) told(code offprint.Code) *offprint.Error {
	title, detail := "", ""
	switch code {
	case offprint.SourceUnavailable:
		title, detail = "did not answer", "Your request is kept and tried again."
	case offprint.PermissionDenied:
		title, detail = "does not allow this", "Nothing was made. Ask whoever runs this service for the right to read what the report reads."
	case offprint.SourceTimeout:
		title, detail = "ended the query before it was done", "Your request is kept. Ask for less, such as a shorter period, or ask whoever runs the "+d.noun+"."
	default:
		title, detail = "refused the query", "Nothing was made. Either a parameter has a value that the "+d.noun+" cannot use, or the report must be mended by whoever wrote it."
	}
	err := offprint.Errorf(code, "%s", detail)
	err.Title = "The " + d.name + " " + d.noun + " " + title
	return err
}

// shut is told when the database refuses us before any query, which is nothing
// that the asker could be given a right to.
func (d *Database) shut() *offprint.Error {
	err := offprint.Errorf(offprint.PermissionDenied, "Nothing was made. Tell whoever runs this server: what it signs in with is not right, or has no right any more.")
	err.Title = "The " + d.name + " " + d.noun + " does not let this server in"
	return err
}
