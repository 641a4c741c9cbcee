package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/server"
)

// asked are the flags of every command that asks for a report. Without a
// configuration it is one of the sample shop's.
type asked struct {
	configured
	shop
	Report    string   `arg:"" help:"Name of the report."`
	Parameter []string `short:"p" help:"A parameter, as in region=EU; again for more values." placeholder:"NAME=VALUE" sep:"none"`
	TimeZone  string   `help:"Whose days count, as in Europe/Berlin." default:"UTC"`
	Locale    string   `help:"Language and customs, as in de-DE." default:"en"`
	User      string   `help:"Who asks."`
	Tenant    string   `help:"For which tenant."`
	Role      []string `help:"A role of theirs; again for more."`
}

func (a asked) read(ctx context.Context, t *terminal) (server.Config, error) {
	config, err := a.configured.read(t)
	if err != nil || len(config.Sources) > 0 || a.Config != "" {
		return config, err
	}
	return a.shop.config(ctx, t)
}

func (a asked) ask() (server.Ask, error) {
	sent, err := parameters(a.Parameter)
	who := offprint.Identity{User: a.User, Tenant: a.Tenant, Roles: a.Role}
	return server.Ask{Report: a.Report, Parameters: sent, TimeZone: a.TimeZone, Locale: a.Locale, Who: who}, err
}

// parameters reads NAME=VALUE; a name that comes again makes a list.
func parameters(flags []string) (offprint.Sent, error) {
	lists := make(map[string][]string)
	for _, f := range flags {
		name, value, ok := strings.Cut(f, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%w: a parameter is written as -p NAME=VALUE", errUsage)
		}
		lists[name] = append(lists[name], value)
	}
	sent := make(offprint.Sent, len(lists))
	for name, list := range lists {
		var value any = list
		if len(list) == 1 {
			value = list[0]
		}
		b, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		sent[name] = b
	}
	return sent, nil
}

type runCommand struct {
	asked
	Format  string `help:"xlsx, pdf, csv or jsonl. Without it: by the file's name, else the report's first."`
	Output  string `short:"o" help:"The file; - is standard output." placeholder:"FILE"`
	Preview int64  `help:"Show so many rows here instead of making a file." placeholder:"ROWS"`
}

func (c runCommand) Run(ctx context.Context, t *terminal) error {
	switch {
	case c.Preview < 0 || c.Preview > mostPreview:
		return fmt.Errorf("%w: --preview shows from 1 to %d rows", errUsage, mostPreview)
	case (c.Preview > 0) == (c.Output != ""):
		return fmt.Errorf("%w: name a file with -o, or look at the first rows with --preview 20", errUsage)
	}
	config, err := c.asked.read(ctx, t)
	if err != nil {
		return err
	}
	ask, err := c.ask()
	if err != nil {
		return err
	}
	if c.Preview > 0 {
		return c.preview(ctx, t, config, ask)
	}
	ask.Format = cmp.Or(c.Format, strings.TrimPrefix(filepath.Ext(c.Output), "."))
	if c.Output == "-" {
		ask.Format = c.Format
		_, err := server.Make(ctx, config, ask, t.out, func(offprint.Phase, offprint.Progress) {})
		return err
	}
	bar := newBar(t.err)
	var run offprint.Run
	err = whole(c.Output, func(w io.Writer) (err error) {
		run, err = server.Make(ctx, config, ask, w, bar.show)
		return err
	})
	if err != nil {
		bar.clear()
		return err
	}
	bar.end(c.Output, &run)
	return nil
}

// mostPreview is as many rows as are held for their columns' widths.
const mostPreview = 10_000

// whole writes a file that is there only if write returned nil, and keeps the
// mode of one that it replaces. What is no ordinary file, as /dev/null or a
// pipe, is written to as it is.
func whole(path string, write func(io.Writer) error) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	was, err := os.Stat(path)
	if err == nil && !was.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(buffered(f, write), f.Close())
	}
	part := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".part")
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o666) // less the umask
	if err != nil {
		return err
	}
	err = buffered(f, write)
	if err == nil && was != nil {
		err = f.Chmod(was.Mode().Perm())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return nil
}

func buffered(f *os.File, write func(io.Writer) error) error {
	w := bufio.NewWriterSize(f, 64<<10)
	if err := write(w); err != nil {
		return err
	}
	return w.Flush()
}

// A bar is one line of progress on a terminal, and nothing elsewhere.
type bar struct {
	out   io.Writer
	live  bool
	began time.Time
	shown time.Time
}

func newBar(out io.Writer) *bar {
	return &bar{out: out, live: isTerminal(out), began: time.Now()}
}

func (b *bar) show(_ offprint.Phase, p offprint.Progress) {
	now := time.Now()
	if !b.live || now.Sub(b.shown) < 100*time.Millisecond {
		return
	}
	b.shown = now
	spent := now.Sub(b.began).Seconds()
	line := fmt.Sprintf("%s · %s rows/s", counted(int(p.Rows), "row"), grouped(int64(float64(p.Rows)/max(spent, 0.001))))
	if percent := p.Percent(); percent > 0 {
		line += fmt.Sprintf(" · %d %%", percent)
	}
	if left := p.Left(now).Round(time.Second); left > 0 {
		line += fmt.Sprintf(" · %v left", left)
	}
	fmt.Fprint(b.out, "\r\x1b[K"+line)
}

func (b *bar) clear() {
	if b.live {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}

func (b *bar) end(path string, run *offprint.Run) {
	b.clear()
	fmt.Fprintf(b.out, "%s · %s · %s · %v\n", path, counted(int(run.File.Rows), "row"), size(run.File.Bytes), time.Since(b.began).Round(10*time.Millisecond))
	if ext := filepath.Ext(run.File.Name); ext != filepath.Ext(path) && filepath.Ext(path) != "" {
		fmt.Fprintf(b.out, "  note: this is a %s file, whatever its name says.\n", ext)
	}
	for _, w := range run.Warnings {
		fmt.Fprintf(b.out, "  note: %s\n", w.Detail)
	}
}

// size is 48.2 MB; what would be 0.0 MB is in KB.
func size(bytes int64) string {
	if bytes < 1e5 {
		return fmt.Sprintf("%d KB", (bytes+999)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
}

// grouped is 1,204,310.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
