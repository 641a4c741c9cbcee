package notify

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	html "html/template"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	text "text/template"
	"time"

	"github.com/offprint/offprint"
)

//go:embed letter
var letters embed.FS

// templates make a letter what is sent: a subject and the letter twice, for
// those who read HTML and those who do not.
type templates struct {
	subject, plain *text.Template
	html           *html.Template
}

// The files of templates; what a folder of the operator's own has not is ours.
const (
	subjectFile = "subject.txt"
	plainFile   = "letter.txt"
	htmlFile    = "letter.html"
)

// readTemplates reads the templates, and writes every kind of letter with them
// once: what cannot be written is said now, with its file and line.
func readTemplates(dir string) (t *templates, err error) {
	files, err := templateFiles(dir)
	if err != nil {
		return nil, err
	}
	t = new(templates)
	if t.subject, err = text.New(subjectFile).Parse(files[subjectFile]); err != nil {
		return nil, err
	}
	if t.plain, err = text.New(plainFile).Parse(files[plainFile]); err != nil {
		return nil, err
	}
	if t.html, err = html.New(htmlFile).Parse(files[htmlFile]); err != nil {
		return nil, err
	}
	for _, l := range samples() {
		if err := t.try(l); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func templateFiles(dir string) (map[string]string, error) {
	names := []string{subjectFile, plainFile, htmlFile}
	files := make(map[string]string)
	for _, name := range names {
		b, err := letters.ReadFile("letter/" + name)
		if err != nil {
			return nil, err
		}
		files[name] = string(b)
	}
	if dir == "" {
		return files, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if ext := path.Ext(e.Name()); ext != ".txt" && ext != ".html" {
			continue
		}
		if !slices.Contains(names, e.Name()) {
			return nil, fmt.Errorf("there is a file %s, of which no letter is made; those are %s", e.Name(), strings.Join(names, ", "))
		}
		b, err := fs.ReadFile(os.DirFS(dir), e.Name())
		if err != nil {
			return nil, err
		}
		files[e.Name()] = string(b)
	}
	return files, nil
}

// A written letter is ready to be sent.
type written struct{ subject, plain, html string }

func (t *templates) write(l letter) (w written, err error) {
	for _, part := range []struct {
		to       *string
		template interface{ Execute(io.Writer, any) error }
	}{{&w.subject, t.subject}, {&w.plain, t.plain}, {&w.html, t.html}} {
		var b bytes.Buffer
		if err := part.template.Execute(&b, l); err != nil {
			return w, err
		}
		*part.to = b.String()
	}
	w.subject, w.plain = line(w.subject), strings.TrimSpace(w.plain)+"\n"
	return w, nil
}

// try writes a sample, and looks for what no letter can do without.
func (t *templates) try(l letter) error {
	w, err := t.write(l)
	if err != nil {
		return err
	}
	if w.subject == "" {
		return errors.New(subjectFile + " says nothing")
	}
	if !strings.Contains(w.plain, l.Link) {
		return errors.New(plainFile + " does not say where the report is; write {{.Link}}")
	}
	if !strings.Contains(w.html, html.HTMLEscapeString(l.Link)) {
		return errors.New(htmlFile + ` does not say where the report is; write <a href="{{.Link}}">{{.Button}}</a>`)
	}
	return nil
}

// samples are a letter of every kind.
func samples() (all []letter) {
	now := time.Date(2026, 11, 23, 14, 5, 0, 0, time.UTC)
	report := &offprint.Report{Name: "orders", Parameters: []offprint.Parameter{
		{Name: "period", Type: offprint.PeriodParam}, {Name: "region", Type: offprint.TextParam},
	}}
	period := offprint.Period{From: offprint.Day{Year: 2026, Month: time.October, Day: 25}, To: offprint.Day{Year: 2026, Month: time.November, Day: 23}}
	for _, outcome := range []offprint.Outcome{offprint.Complete, offprint.Truncated, offprint.Empty, ""} {
		run := &offprint.Run{
			ID: "run_0193f6a0c0de7000800000000000c0de", Report: "orders", Title: "Orders", Format: "xlsx", Zone: "Europe/Berlin", Locale: "en",
			Who: offprint.Identity{User: "ann", Email: "ann@example.com"}, Params: offprint.Params{"period": period, "region": "EU"},
			AsOf: now, Created: now, Finished: now, Outcome: outcome, State: offprint.Succeeded,
			File:     &offprint.File{Name: "orders.xlsx", Rows: 1204310, Bytes: 48_200_000, State: offprint.Available, Expires: now.AddDate(0, 0, 7)},
			Warnings: []offprint.Warning{{Code: "digits_lost", Detail: "Numbers of more than 15 digits are text."}},
		}
		events := []offprint.Event{offprint.RunSucceeded, offprint.RunExpiring}
		if outcome == "" {
			run.State, run.File, events = offprint.Failed, nil, []offprint.Event{offprint.RunFailed}
			run.Problem = offprint.Errorf(offprint.SourceTimeout, "It did not answer within 30 minutes. Your request is kept. Ask for a shorter period.")
			run.Problem.Title, run.Problem.TraceID = "The shop database took too long", "4bf92f3577b34da6a3ce929d0e0e4736"
			run.Problem.Fields = []offprint.Field{{Pointer: "#/parameters/period", Detail: "Choose a shorter one."}}
		}
		for _, event := range events {
			n := offprint.Notice{ID: "ntc_0193", Event: event, Run: run, Report: report, Link: "https://reports.example.com/runs/" + run.ID}
			own := write(n, true, now)
			if event == offprint.RunFailed {
				n.Link = "" // there is nothing for others to see
			}
			all = append(all, own, write(n, false, now))
		}
	}
	return all
}
