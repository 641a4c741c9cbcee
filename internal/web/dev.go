package web

import (
	"fmt"
	"io"
	"net/http"
	"path"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/offprint/offprint"
)

// A ReportProblem is one thing that is wrong in a report's file, with its cure.
type ReportProblem struct {
	File         string
	Line, Column int // from 1; 0: the file as a whole
	Text         string
	Quote        string // the line as it stands in the file; empty: not known
}

// Place is reports/orders.sql:7:12.
func (p ReportProblem) Place() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Pieces are the quoted line up to the problem's column, the word that stands
// there, and the rest.
func (p ReportProblem) Pieces() [3]string {
	line := []rune(p.Quote)
	from := min(max(0, p.Column-1), len(line))
	to := from
	for to < len(line) && !unicode.IsSpace(line[to]) {
		to++
	}
	return [3]string{string(line[:from]), string(line[from:to]), string(line[to:])}
}

// report is the name of the report that the file is to be.
func (p ReportProblem) report() string {
	return strings.TrimSuffix(path.Base(filepath.ToSlash(p.File)), ".sql")
}

// problemsOf are those of one report, or of all for no name; none, unless
// whoever writes reports looks on.
func (s *Site) problemsOf(name string) (problems []ReportProblem) {
	if s.Dev == nil {
		return nil
	}
	for _, p := range s.Dev() {
		if name == "" || p.report() == name {
			problems = append(problems, p)
		}
	}
	return problems
}

// stateOf changes with what a page shows of one report, or of all for no name.
func (s *Site) stateOf(name string) string {
	var state strings.Builder
	for _, r := range s.Desk.Catalog.Reports() {
		if name == "" || r.Name == name {
			state.WriteString(r.Name + " " + r.Version + "\n")
		}
	}
	for _, p := range s.problemsOf(name) {
		state.WriteString(p.Place() + p.Text + p.Quote + "\n")
	}
	return fingerprint([]byte(state.String()))[:12]
}

// watched is a page's frame that loads the page again when what it shows of
// reports has changed.
func (v *visit) watched(f frame, name string) frame {
	if v.Dev != nil {
		f.Watches, f.State = v.path("/dev?report="+name), v.stateOf(name)
	}
	return f
}

func (s *Site) dev(v *visit) error {
	if s.Dev == nil {
		return offprint.Errorf(offprint.NotFound, "There is nothing at this address.")
	}
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	v.w.Header().Set("Cache-Control", "no-store")
	_, err := io.WriteString(v.w, s.stateOf(v.r.URL.Query().Get("report")))
	return err
}

// brokenPage says what is wrong with a report that cannot be asked for.
func (v *visit) brokenPage(name string, problems []ReportProblem) error {
	return v.show(v.w, http.StatusNotFound, "broken", "layout", v.watched(v.frame(name, problems), name))
}
