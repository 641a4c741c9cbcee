package prove

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/offprint/offprint"
)

// A store is a folder that fails as the driver says in a file: it answers 500
// or 503, hangs, is full, or loses the answer of a Put that it has done. A
// remote store's client is not among the parts yet; what it would answer is.
type store struct {
	offprint.Blobs
	hooks *hooks
	mode  string
}

func (s *store) Put(ctx context.Context, key string, write func(io.Writer) error) error {
	if err := s.hooks.at("put: before"); err != nil {
		return err
	}
	mode := s.is()
	switch mode {
	case "500", "503":
		return errStore(mode)
	case "hang":
		return s.hang(ctx)
	case "full":
		write = full(write)
	}
	err := s.Blobs.Put(ctx, key, write)
	if err == nil && mode == "cut" {
		err = errStore("nothing: the connection broke")
	}
	if err != nil {
		return err
	}
	return s.hooks.at("put: after")
}

// is what the store does now; nothing: it works.
func (s *store) is() string {
	text, err := os.ReadFile(s.mode)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func (s *store) hang(ctx context.Context) error {
	for s.is() == "hang" {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errStore("nothing for a long time")
}

func errStore(answer string) error {
	return offprint.Errorf(offprint.StorageUnavailable, "The store answered %s.", answer)
}

// full lets a disk of a hundred bytes run over.
func full(write func(io.Writer) error) func(io.Writer) error {
	return func(out io.Writer) error { return write(&smallDisk{out, 100}) }
}

type smallDisk struct {
	io.Writer
	left int
}

func (d *smallDisk) Write(b []byte) (int, error) {
	if len(b) <= d.left {
		d.left -= len(b)
		return d.Writer.Write(b)
	}
	n, err := d.Writer.Write(b[:d.left])
	d.left = 0
	full := offprint.Errorf(offprint.StorageUnavailable, "The disk is full.").Because(syscall.ENOSPC)
	return n, errors.Join(err, full)
}

// A delivery is what the notifier writes down of a notice that it sends.
type delivery struct {
	Process, Notice, Run, Event, Address string
	At                                   time.Time
}

// A notifier delivers into a file.
type notifier struct {
	hooks *hooks
	p     *program
}

func (n *notifier) Admit(_ context.Context, _ offprint.Identity, address string) (offprint.Addressee, error) {
	return offprint.Addressee{Address: address, Events: offprint.Ends}, nil
}

func (n *notifier) Notify(_ context.Context, notice offprint.Notice) error {
	if err := n.hooks.at("deliver: before"); err != nil {
		return err
	}
	if n.p.Moody && rand.IntN(4) == 0 {
		return offprint.Errorf(offprint.StorageUnavailable, "The mailbox is busy.")
	}
	d := delivery{n.p.Name, notice.ID, notice.Run.ID, string(notice.Event), notice.Address, time.Now()}
	if err := appendLine(n.p.notices(), d, true); err != nil {
		return err
	}
	return n.hooks.at("deliver: after")
}
