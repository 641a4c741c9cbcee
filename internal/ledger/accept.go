package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/offprint/offprint"
)

// A Key is an Idempotency-Key: two askings of one scope and key are one. The
// zero key is none.
type Key struct {
	Scope       string // who asks what: tenant, user, method, path
	Key         string
	Fingerprint string // of what was sent
}

// digest is how a key is found again; it holds nobody's name.
func (k Key) digest() string {
	if k.Key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(k.Scope + "\x00" + k.Key))
	return hex.EncodeToString(sum[:])
}

// An Asking is a run that somebody asks for, wholly validated.
type Asking struct {
	Run        offprint.Run // without an ID it gets one
	Definition string       // the text that Run.Report and Run.Version stand for; empty for a report in Go
	Key        Key
}

// Accepted is the run that an asking became, or had become before.
type Accepted struct {
	Run      offprint.Run
	Replayed bool
}

// asking is an Asking on its way through the committer.
type asking struct {
	ctx    context.Context
	answer chan struct{} // closed once the fields below stand
	Asking
	digest         string
	what, metadata string // as they are kept

	by  replayed // what its key stands for already
	err error
}

// replayed is what the ledger holds for a key.
type replayed struct{ run, fingerprint string }

// Accept records the run as queued, once: nil means that it is stored and
// will be made. The same key again answers with the present run; with another
// fingerprint it is KeyReused. Busy and TooManyRequests keep nothing.
//
// Askings that come together are stored together, in one transaction that no
// asker's context ends: after an error of ctx the run may be stored.
func (l *Ledger) Accept(ctx context.Context, ask Asking) (Accepted, error) {
	a, err := l.asking(ctx, ask)
	if err != nil {
		return Accepted{}, err
	}
	select {
	case l.asked <- a:
	default:
		return Accepted{}, offprint.Errorf(offprint.Busy, "Too many people are asking at this moment. Try again in a second.")
	}
	select {
	case <-a.answer:
	case <-l.deaf:
		select {
		case <-a.answer: // it was among the last
		default:
			return Accepted{}, errClosing()
		}
	}
	if a.err != nil {
		return Accepted{}, a.err
	}
	if a.by.run == "" {
		return Accepted{Run: a.Run}, nil
	}
	run, err := l.replay(ctx, a.by, a.Key)
	return Accepted{Run: run, Replayed: true}, err
}

// asking prepares what the committer would have to do for each one in turn.
func (l *Ledger) asking(ctx context.Context, ask Asking) (*asking, error) {
	a := &asking{ctx: ctx, answer: make(chan struct{}), Asking: ask, digest: ask.Key.digest()}
	l.complete(&a.Run)
	if err := checkAddresses(a.Run.Notify); err != nil {
		return nil, err
	}
	what, err := json.Marshal(askedOf(&a.Run))
	if err != nil {
		return nil, errCannotBeStored(err)
	}
	a.what, a.metadata = string(what), text(a.Run.Metadata)
	return a, nil
}

// What of a run's addresses can be kept, and found by an index.
const (
	mostAddresses  = 20
	longestAddress = 512
)

func checkAddresses(told []offprint.Addressee) error {
	if len(told) > mostAddresses {
		return offprint.Errorf(offprint.Invalid, "At most %d addresses can be told of one report.", mostAddresses)
	}
	for _, to := range told {
		if len(to.Address) > longestAddress || !utf8.ValidString(to.Address) || strings.Contains(to.Address, "\x00") {
			return offprint.Errorf(offprint.Invalid, "An address to notify is at most %d bytes of plain text.", longestAddress)
		}
	}
	return nil
}

func errCannotBeStored(err error) error {
	return offprint.Errorf(offprint.Invalid, "The request holds something that cannot be stored.").Because(err)
}

func errClosing() error {
	return offprint.Errorf(offprint.Draining, "This server is going down. Try again; another one will answer.")
}

func (l *Ledger) complete(r *offprint.Run) {
	if r.ID == "" {
		r.ID = NewID()
	}
	if r.MaxAttempts <= 0 {
		r.MaxAttempts = 5
	}
	r.State, r.Revision, r.Created = offprint.Queued, 1, l.now()
}

// Replay is the run that an asking with this key became. It is KeyReused
// after another body, and Expired after the run was erased.
func (l *Ledger) Replay(ctx context.Context, key Key) (run offprint.Run, found bool, err error) {
	if key.Key == "" {
		return run, false, nil
	}
	var by replayed
	err = one(ctx, l.reader, `SELECT run, fingerprint FROM keys_used WHERE digest = $1`, []any{key.digest()}, &by.run, &by.fingerprint)
	if errors.Is(err, sql.ErrNoRows) {
		return run, false, nil
	}
	if err != nil {
		return run, false, fmt.Errorf("look the key up: %w", err)
	}
	run, err = l.replay(ctx, by, key)
	return run, err == nil, err
}

func (l *Ledger) replay(ctx context.Context, by replayed, key Key) (offprint.Run, error) {
	if by.fingerprint != key.Fingerprint {
		return offprint.Run{}, errKeyReused()
	}
	run, err := l.Get(ctx, by.run)
	if errors.Is(err, errNoRun) {
		err = offprint.Errorf(offprint.Expired, "The run that this Idempotency-Key stands for was erased.")
	}
	return run, err
}

func errKeyReused() error {
	return offprint.Errorf(offprint.KeyReused, "This Idempotency-Key came with another body before. Make a new key for a new request.")
}

const (
	mostTogether = 128              // askings in one transaction
	commitLimit  = 10 * time.Second // for it
)

// commit is the one goroutine that stores what is asked for, until the ledger
// closes.
func (l *Ledger) commit() {
	defer close(l.deaf)
	var queued queueLength
	for {
		select {
		case <-l.closing.Done():
			return
		case first := <-l.asked:
			l.store(l.together(first), &queued)
		}
	}
}

// together is first and what else waits; after one yield, so that those who
// came in the same instant are there.
func (l *Ledger) together(first *asking) []*asking {
	runtime.Gosched()
	batch := append(make([]*asking, 0, mostTogether), first)
	for len(batch) < mostTogether {
		select {
		case a := <-l.asked:
			if a.ctx.Err() == nil {
				batch = append(batch, a)
				continue
			}
			a.err = a.ctx.Err()
			close(a.answer)
		default:
			return batch
		}
	}
	return batch
}

// store answers each asking of the batch. What is wrong with one of them does
// not touch the others; once the database is gone none is tried any more.
func (l *Ledger) store(asked []*asking, queued *queueLength) {
	err := l.storeTogether(asked, queued)
	oneByOne := badData(err) && len(asked) > 1
	for _, a := range asked {
		if oneByOne {
			err = l.storeTogether([]*asking{a}, queued)
			oneByOne = err == nil || badData(err)
		}
		refuse(err, a)
		close(a.answer)
	}
}

func (l *Ledger) storeTogether(asked []*asking, queued *queueLength) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.closing), commitLimit)
	defer cancel()
	b := &batch{l: l, queued: queued, asked: asked}
	err := b.store(ctx)
	if collided(err) {
		err = b.store(ctx)
	}
	return err
}

// refuse turns the error of a transaction into the asker's own.
func refuse(err error, a *asking) {
	switch {
	case err == nil:
	case badData(err):
		a.err = errCannotBeStored(err)
	default:
		a.err = offprint.Errorf(offprint.Busy, "The ledger does not answer. Nothing is lost: send the same request with the same key again.").Because(err)
	}
}
