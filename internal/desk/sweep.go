package desk

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/ledger"
)

const (
	sweepEvery = time.Minute
	scanEvery  = 10 * time.Minute // a scan lists the whole store
	grace      = time.Hour        // open downloads end well before their file goes
	batch      = 200
)

// Work makes runs, so many at a time, tells of their ends and sweeps, until
// ctx ends; then what is being made has d.Drain to end, and what has not is
// handed back. With no slots it only tells and sweeps. A start that fails ends
// it at once.
func (d *Desk) Work(ctx context.Context, slots int) error {
	sweeping, stop := context.WithCancel(ctx)
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		d.sweeping(sweeping)
	}()
	d.workers.Add(int64(slots))
	err := d.Ledger.Work(ctx, ledger.Workers{Slots: slots, Drain: d.Drain, Make: d.make, Tell: d.tell})
	d.workers.Add(-int64(slots))
	stop()
	<-swept
	return err
}

func (d *Desk) sweeping(ctx context.Context) {
	var scanned time.Time
	for {
		scan := d.Now().Sub(scanned) >= scanEvery
		if err := d.Sweep(ctx, scan); err != nil && ctx.Err() == nil {
			d.Log.Warn("sweep", "error", err)
		}
		if scan {
			scanned = d.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepEvery):
		}
	}
}

// Sweep expires what is due, tells of what soon will be, deletes the blobs of what expired an hour ago,
// forgets records past their time and, with scan, deletes what dead epochs
// left in the store, and seals webhooks' secrets by the newest key. It may be called at any time, by many nodes at once.
func (d *Desk) Sweep(ctx context.Context, scan bool) error {
	_, errExpire := repeat(ctx, d.Ledger.Expire)
	_, errRemind := repeat(ctx, d.Ledger.Remind)
	_, errForget := repeat(ctx, d.Ledger.Forget)
	err := errors.Join(errExpire, errRemind, errForget, d.clearDoomed(ctx))
	if !scan {
		return err
	}
	err = errors.Join(err, d.resealAll(ctx))
	var unknown int
	var first string
	err = errors.Join(err, d.Scan(ctx, false, func(b offprint.Blob) error {
		if unknown++; unknown == 1 {
			first = b.Key
		}
		return nil
	}))
	if unknown > 0 {
		d.Log.Info("the store holds files of no run that the ledger knows; they are left alone, see offprint sweep", "files", unknown, "first", first)
	}
	return err
}

// repeat does a step in batches until there is nothing left to do.
func repeat(ctx context.Context, step func(context.Context, int) (int, error)) (all int, err error) {
	for {
		n, err := step(ctx, batch)
		all += n
		if err != nil || n < batch {
			return all, err
		}
	}
}

// clearDoomed passes over the files that cannot be deleted: they keep nobody
// else's.
func (d *Desk) clearDoomed(ctx context.Context) error {
	failed := map[string]bool{}
	var f failures
	for {
		most := batch + len(failed)
		runs, err := d.Ledger.Doomed(ctx, grace, most)
		if err != nil {
			return errors.Join(f.err(), err)
		}
		for i := range runs {
			run := &runs[i]
			if failed[run.ID] {
				continue
			}
			if err := d.clear(ctx, run); err != nil {
				failed[run.ID] = true
				f.add(err)
			}
		}
		if len(runs) < most || f.enough(ctx) {
			return f.err()
		}
	}
}

// failures are those of one sweep; of many alike only the first are told.
type failures struct {
	n    int
	told []error
}

const mostTold = 5

func (f *failures) add(err error) {
	if f.n++; len(f.told) < mostTold {
		f.told = append(f.told, err)
	}
}

// enough tells whether going on is of no use: it is the store itself that fails.
func (f *failures) enough(ctx context.Context) bool { return f.n >= 5*batch || ctx.Err() != nil }

func (f *failures) err() error {
	err := errors.Join(f.told...)
	if more := f.n - len(f.told); more > 0 {
		err = fmt.Errorf("%w\nand %d more", err, more)
	}
	return err
}

// clear deletes the blob first and says so afterwards: a crash between the two
// deletes a missing blob once more.
func (d *Desk) clear(ctx context.Context, run *offprint.Run) error {
	if err := d.Blobs.Delete(ctx, run.File.Key); err != nil {
		return fmt.Errorf("delete the file of %s: %w", run.ID, err)
	}
	return d.Ledger.Gone(ctx, run.ID, run.File.Key)
}

// Scan deletes only what the ledger knows dead, never by age. What belongs to
// no run that it knows is told of, and deleted if all is set and its key is
// like a run's; whatever else somebody keeps there is left alone.
func (d *Desk) Scan(ctx context.Context, all bool, unknown func(offprint.Blob) error) error {
	var f failures
	for b, err := range d.Blobs.List(ctx, "") {
		if err != nil {
			return errors.Join(f.err(), fmt.Errorf("list the store: %w", err))
		}
		if err := d.scanOne(ctx, b, all, unknown); err != nil {
			f.add(err)
		}
		if f.enough(ctx) {
			break
		}
	}
	return f.err()
}

func (d *Desk) scanOne(ctx context.Context, b offprint.Blob, all bool, unknown func(offprint.Blob) error) error {
	run, epoch, ok := epochOf(b.Key)
	if !ok {
		return unknown(b)
	}
	verdict, err := d.Ledger.Judge(ctx, run, epoch)
	if err != nil || verdict == ledger.Live {
		return err
	}
	if verdict == ledger.Unknown {
		if err := unknown(b); err != nil || !all {
			return err
		}
	}
	if err := d.Blobs.Delete(ctx, b.Key); err != nil {
		return fmt.Errorf("delete what nobody will ask for: %w", err)
	}
	return nil
}

// epochOf reads <run>/<epoch>/<name>.
func epochOf(key string) (run string, epoch int64, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 3 || !strings.HasPrefix(parts[0], "run_") {
		return "", 0, false
	}
	epoch, err := strconv.ParseInt(parts[1], 10, 64)
	return parts[0], epoch, err == nil
}
