package desk

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/ledger"
)

// make is the way of the data: source → format → store. What it returns is
// the run's only if the ledger then says so.
//
// It runs on a thread of its own that yields to those who answer people.
func (d *Desk) make(ctx context.Context, job *ledger.Job) (made ledger.Made, err error) {
	began := time.Now()
	defer func() {
		if errors.Is(err, offprint.ErrUnknownVersion) {
			return // handed on, and not tried
		}
		d.Tried(Attempt{job.Run.Report, job.Run.Format, err, time.Since(began), made.File.Rows, made.File.Bytes})
	}()
	past := d.past(ctx, &job.Run) // before beNice: who has the ledger's connection must not be niced
	if err := beNice(); err != nil {
		return ledger.Made{}, fmt.Errorf("lower the priority of a worker: %w", err)
	}
	report, err := d.Catalog.Compile(job.Run.Report, job.Run.Version, job.Definition)
	if err != nil {
		return ledger.Made{}, fmt.Errorf("compile the definition: %w", err)
	}
	m := d.making(&job.Run, report, past, nil)
	m.progress = func(phase offprint.Phase, p offprint.Progress) {
		m.pulse.enter(phase)
		job.Report(phase, p)
	}
	stop := d.watchStall(job, &m.pulse)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // lets go what the source holds, however we end
	if err := m.open(ctx, d); err != nil {
		return ledger.Made{}, err
	}
	job.At(m.doc.AsOf)
	file := m.file(d.Now())
	file.Key = job.Blob(report.Name + m.ext)
	m.pulse.storing.Add(1)
	err = d.Blobs.Put(ctx, file.Key, func(out io.Writer) error {
		m.pulse.storing.Add(-1)
		defer m.pulse.storing.Add(1)
		return m.write(ctx, d, out)
	})
	if err != nil {
		return ledger.Made{}, err
	}
	m.done(&file)
	expires := d.Now().Add(cmp.Or(job.Run.Retention, d.Retention))
	return ledger.Made{File: file, Outcome: m.end.Outcome, Warnings: m.end.Warnings, AsOf: m.doc.AsOf, Expires: expires, Paces: m.forecast.paces}, nil
}

// past is what a run that is begun may be like; without it, it is made no worse.
func (d *Desk) past(ctx context.Context, run *offprint.Run) []ledger.Past {
	past, err := d.history.fresh(ctx, kind{run.Who.Tenant, run.Report, run.Format})
	if err != nil {
		d.Log.WarnContext(ctx, "no forecast", "run", run.ID, "err", err)
	}
	return past
}

// Make makes a report here and now, without the ledger, into out; progress is
// told every few rows. The run it answers with was never recorded.
func (d *Desk) Make(ctx context.Context, who offprint.Identity, ask Ask, out io.Writer, progress func(offprint.Phase, offprint.Progress)) (offprint.Run, error) {
	report, err := d.Report(who, ask.Report)
	if err != nil {
		return offprint.Run{}, err
	}
	run, err := d.draft(ctx, who, report, ask)
	if err != nil {
		return run, err
	}
	m := d.making(&run, report, nil, progress)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := m.open(ctx, d); err != nil {
		return run, err
	}
	if err := m.write(ctx, d, out); err != nil {
		return run, err
	}
	file := m.file(d.Now())
	m.done(&file)
	run.File, run.Outcome, run.Warnings, run.AsOf = &file, m.end.Outcome, m.end.Warnings, m.doc.AsOf
	return run, nil
}

// A making is a report on its way into a file.
type making struct {
	run      *offprint.Run
	report   *offprint.Report
	most     int64 // rows; 0: no limit
	first    int64 // rows of a part that are read at all; 0: all
	progress func(offprint.Phase, offprint.Progress)

	format     offprint.Format
	req        offprint.Request
	doc        *offprint.Document
	ext, media string

	out      metered
	to       offprint.Writer
	pulse    pulse
	now      offprint.Progress
	forecast *forecast
	clock    func() time.Time
	end      offprint.DocEnd

	looked         time.Time // when progress was told last
	stride, unseen int       // rows between two such times, and until the next
}

func (d *Desk) making(run *offprint.Run, report *offprint.Report, past []ledger.Past, progress func(offprint.Phase, offprint.Progress)) making {
	most := limit(report.MaxRows, d.MaxRows)
	return making{run: run, report: report, most: most, progress: progress, forecast: newForecast(past, ledger.WantedOf(run), most), clock: d.Now}
}

// tell tells of the progress. Its percent never falls, whatever is expected now.
func (m *making) tell(phase offprint.Phase) {
	m.now.RowsTotal, m.now.Forecast = m.forecast.total(), m.forecast.told(phase, m.clock())
	m.now.AtLeast = m.now.Percent()
	m.progress(phase, m.now)
}

// open asks the source.
func (m *making) open(ctx context.Context, d *Desk) error {
	var ok bool
	if m.format, ok = d.formats[m.run.Format]; !ok {
		return fmt.Errorf("format %q: %w", m.run.Format, offprint.ErrUnknownVersion)
	}
	location := zone(m.run.Zone)
	params, err := m.report.Resolve(m.run.Params.Sent(), location, m.run.Created) // what is resolved resolves to itself
	if err != nil {
		return err
	}
	m.req = offprint.Request{Run: m.run.ID, Params: params, Who: m.run.Who, Zone: location, Locale: m.run.Locale, First: m.first}
	m.forecast.asked(time.Now())
	m.tell(offprint.Querying)
	if m.report, err = d.choose(ctx, m.report, m.req); err != nil {
		return err
	}
	if m.doc, err = m.report.Source.Open(ctx, m.req); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	m.forecast.opened(m.doc.Count)
	m.ext, m.media = m.format.Media(m.doc.Count)
	return nil
}

func (m *making) file(now time.Time) offprint.File {
	return offprint.File{Name: fileName(m.report, m.req, now) + m.ext, MediaType: m.media}
}

// done says what the file came to. Its name tells that it was cut, since some
// formats have no other place for that.
func (m *making) done(file *offprint.File) {
	file.Rows, file.Bytes, file.SHA256 = m.end.Rows, m.out.bytes, hex.EncodeToString(m.out.hash.Sum(nil))
	if m.end.Outcome == offprint.Truncated {
		file.Name = strings.TrimSuffix(file.Name, m.ext) + "-cut-short" + m.ext
	}
}

func (m *making) head(now time.Time) offprint.Head {
	return offprint.Head{
		Title: m.run.Title, Description: m.report.Description.In(m.req.Locale), Report: m.report.Name, Version: m.report.Version, Run: m.req.Run,
		Parameters: m.report.Shown(m.req.Params, m.req.Zone, m.req.Locale), By: cmp.Or(m.req.Who.Email, m.req.Who.User),
		Zone: m.req.Zone, Locale: m.req.Locale, MadeAt: now, AsOf: m.doc.AsOf, Parts: m.doc.Count, Options: m.report.Options,
	}
}

// limit is the lesser of two limits of which 0 is none.
func limit(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// write passes the document's rows to the format.
func (m *making) write(ctx context.Context, d *Desk, out io.Writer) (err error) {
	m.out = metered{Writer: out, most: d.MaxBytes, hash: sha256.New(), pulse: &m.pulse}
	if m.to, err = m.format.New(&m.out, m.head(d.Now())); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	m.end = offprint.DocEnd{Outcome: offprint.Complete, AsOf: m.doc.AsOf}
	for table, err := range m.doc.Parts {
		if err != nil {
			return fmt.Errorf("query: %w", err)
		}
		if err := m.part(ctx, table); err != nil {
			return err
		}
	}
	if ctx.Err() != nil { // a source that ends quietly when it is stopped has not ended well
		return context.Cause(ctx)
	}
	return m.close()
}

func (m *making) part(ctx context.Context, table *offprint.Table) error {
	m.forecast.said(table.RowsEstimated)
	m.tell(offprint.Querying)
	sums, err := m.sums(table)
	if err != nil {
		return err
	}
	if err := m.to.Begin(table); err != nil {
		return fmt.Errorf("begin part: %w", err)
	}
	m.unseen = 0 // its first row is seen as soon as it is there
	var part offprint.PartEnd
	for row, err := range table.Rows {
		if err != nil {
			return fmt.Errorf("query: %w", err)
		}
		if m.most > 0 && m.now.Rows == m.most {
			part.Truncated = true
			break
		}
		if err := sums.add(row); err != nil {
			return err
		}
		if err := m.to.Write(row); err != nil {
			return fmt.Errorf("write row: %w", err)
		}
		part.Rows++
		if err := m.count(ctx, part.Rows); err != nil {
			return err
		}
	}
	if err := sums.end(&part); err != nil {
		return err
	}
	m.end.Parts = append(m.end.Parts, part)
	m.end.Rows += part.Rows
	m.forecast.ended(part.Rows, time.Now())
	if part.Truncated {
		m.end.Outcome = offprint.Truncated
	}
	return m.to.End(part)
}

// count looks at the context and tells of the progress every few rows: so few
// that slow rows are told of one by one, so many that fast ones cost nothing.
func (m *making) count(ctx context.Context, ofPart int64) error {
	m.now.Rows++
	m.pulse.moves.Add(1)
	if m.unseen--; m.unseen > 0 {
		return nil
	}
	now := time.Now()
	if now.Sub(m.looked) < 20*time.Millisecond {
		m.stride = min(2*m.stride+1, 64)
	} else {
		m.stride = max(m.stride/2, 1)
	}
	m.looked, m.unseen, m.now.Bytes = now, m.stride, m.out.bytes
	m.forecast.counted(ofPart, now)
	m.tell(offprint.Writing)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (m *making) close() error {
	switch {
	case m.end.Outcome == offprint.Truncated:
		m.end.Warnings = append(m.end.Warnings, offprint.Warning{
			Code: "truncated", Detail: fmt.Sprintf("Only the first %d rows: there were more than may be made.", m.most),
		})
	case m.end.Rows == 0:
		m.end.Outcome = offprint.Empty
	}
	m.now.Bytes, m.now.Exact = m.out.bytes, true
	m.tell(offprint.Uploading)
	warnings, err := m.to.Close(m.end)
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	m.end.Warnings = append(m.end.Warnings, warnings...)
	return nil
}

// metered counts, sums and bounds what passes.
type metered struct {
	io.Writer
	most  int64
	bytes int64
	hash  hash.Hash
	pulse *pulse
}

func (m *metered) Write(b []byte) (int, error) {
	if m.bytes+int64(len(b)) > m.most {
		err := offprint.Errorf(offprint.TooLarge, "Its file would be larger than %s, which is the limit here. Nothing was made. Ask for a shorter period, or for less.", megabytes(m.most))
		err.Title = "The report is too large"
		return 0, err
	}
	m.pulse.storing.Add(1)
	n, err := m.Writer.Write(b)
	m.pulse.storing.Add(-1)
	m.pulse.moves.Add(1)
	m.bytes += int64(n)
	_, errHash := m.hash.Write(b[:n])
	return n, errors.Join(err, errHash)
}

func megabytes(n int64) string {
	if n < 1e6 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%d MB", n/1e6)
}

// fileName is what the report says, with its parameters filled in, else its
// name and the day: orders-2026-11-23.
func fileName(r *offprint.Report, req offprint.Request, now time.Time) string {
	if r.File == "" {
		return r.Name + "-" + now.In(req.Zone).Format(time.DateOnly)
	}
	name := r.File
	for _, p := range r.Parameters {
		text := ""
		if req.Params.Has(p.Name) {
			var texts []string
			for _, v := range req.Params.List(p.Name) {
				texts = append(texts, fileWord(v, req))
			}
			text = strings.Join(texts, "+")
		}
		name = strings.ReplaceAll(name, "{"+p.Name+"}", text)
	}
	name = strings.Trim(strings.Map(fileRune, name), " .-")
	if runes := []rune(name); len(runes) > 120 {
		name = string(runes[:120])
	}
	return cmp.Or(name, r.Name)
}

func fileWord(v any, req offprint.Request) string {
	if p, ok := v.(offprint.Period); ok {
		return p.From.String() + "_" + p.To.String()
	}
	return offprint.ShowParam(v, req.Zone, "iso")
}

// fileRune replaces what some file system or header does not take.
func fileRune(r rune) rune {
	if r < ' ' || r == 0x7f || strings.ContainsRune(`/\:*?"<>|`, r) {
		return '-'
	}
	return r
}
