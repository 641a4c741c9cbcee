package server

import (
	"encoding/json"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/yaml"
	"github.com/offprint/offprint/source"
)

// fixtureEnd is how a file of cases beside a report is called: orders.test.yaml
// beside orders.sql.
const fixtureEnd = ".test.yaml"

// A Case is one way to ask for a report, and what is expected of it.
type Case struct {
	Report, Name string
	Place        source.Problem // where it stands, without a text
	Golden       string         // the file of what it should be, with its folder; empty: not compared

	ask   Ask
	now   time.Time // zero: now
	rows  int64     // -1: any number
	fails offprint.Code
	path  string // of Golden among the reports' files
}

// goldenFormats are those that people can read and compare.
var goldenFormats = []string{"csv", "jsonl"}

// failures are the codes that a case may expect.
var failures = []string{
	string(offprint.BadParameter), string(offprint.BadQuery), string(offprint.Forbidden), string(offprint.Internal), string(offprint.Invalid),
	string(offprint.NotFound), string(offprint.PermissionDenied), string(offprint.RowLimit), string(offprint.SourceTimeout),
	string(offprint.SourceUnavailable), string(offprint.TooLarge),
}

// fixtures reads the cases of all reports, or of those that are named.
func (c *Config) fixtures(folder *source.Folder, names []string) (cases []Case, problems source.Problems) {
	files, dir := c.reportFiles()
	err := fs.WalkDir(files, ".", func(p string, entry fs.DirEntry, err error) error {
		switch name := path.Base(p); {
		case err != nil:
			return err
		case p != "." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case strings.HasSuffix(name, fixtureEnd):
			report := strings.TrimSuffix(name, fixtureEnd)
			if len(names) > 0 && !slices.Contains(names, report) {
				return nil
			}
			found, wrong := readFixture(files, dir, p, report)
			if _, ok := folder.Report(report); !ok && wrong == nil {
				wrong = source.Problems{{File: filepath.Join(dir, p), Text: "There is no report " + report + ", or it is not right. A fixture is called like its report, as orders.test.yaml beside orders.sql."}}
			}
			cases, problems = append(cases, found...), append(problems, wrong...)
		}
		return nil
	})
	if err != nil {
		problems = append(problems, source.Problem{File: dir, Text: "The folder cannot be read: " + err.Error() + "."})
	}
	return cases, problems.InOrder()
}

// A fixture is a file of cases on its way from text.
type fixture struct {
	yaml.Reader
	problems yaml.Problems
	dir      string // in front of path
	path     string
	report   string
}

func readFixture(files fs.FS, dir, p, report string) ([]Case, source.Problems) {
	f := &fixture{dir: dir, path: p, report: report}
	f.File, f.Problems = filepath.Join(dir, p), &f.problems
	text, err := fs.ReadFile(files, p)
	if err != nil {
		return nil, source.Problems{{File: f.File, Text: "The file cannot be read: " + err.Error() + "."}}
	}
	body := f.Parse(string(text))
	if body == nil && f.problems == nil {
		f.Wrong(nil, "There is no case here. Write one, as in - name: all.")
	}
	var cases []Case
	if list, ok := body.(*ast.SequenceNode); ok {
		for _, item := range f.Items(yaml.Entry{Key: "a case", At: list.GetToken(), Value: list}) {
			cases = append(cases, f.one(item, cases))
		}
	} else if body != nil {
		f.Wrong(body.GetToken(), "A fixture is a list of cases. Begin each with a hyphen, as in - name: all.")
	}
	if f.problems != nil {
		return nil, f.problems.InOrder()
	}
	return cases, nil
}

var caseName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// one reads a case.
func (f *fixture) one(e yaml.Entry, before []Case) Case {
	c := Case{Report: f.report, rows: -1, Place: source.Problem{File: f.File, Line: e.At.Position.Line, Column: e.At.Position.Column}}
	c.ask = Ask{Report: f.report, Format: goldenFormats[0], TimeZone: "UTC", Locale: "en"}
	var now yaml.Entry
	var golden, fails string
	f.Object(e, "A case", yaml.Keys{
		"name":       f.Matching(&c.Name, caseName, "it is made of small letters, digits, - and _, for a file is called by it."),
		"parameters": func(e yaml.Entry) { c.ask.Parameters = f.sent(e) },
		"time_zone":  f.zone(&c.ask.TimeZone),
		"locale":     f.Text(&c.ask.Locale),
		"now":        func(e yaml.Entry) { now = e },
		"user":       f.Text(&c.ask.Who.User),
		"tenant":     f.Text(&c.ask.Who.Tenant),
		"email":      f.Text(&c.ask.Who.Email),
		"roles":      f.List(&c.ask.Who.Roles),
		"claims":     func(e yaml.Entry) { c.ask.Who.Claims = f.claims(e) },
		"format":     f.Choice(&c.ask.Format, goldenFormats...),
		"golden":     f.Text(&golden),
		"rows":       f.count(&c.rows),
		"error":      f.Choice(&fails, failures...),
	})
	c.fails = offprint.Code(fails)
	if c.Name == "" {
		f.Wrong(e.At, "A case needs a name, as in name: all.")
	}
	if slices.ContainsFunc(before, func(other Case) bool { return other.Name == c.Name && c.Name != "" }) {
		f.Wrong(e.At, "There is already a case %s.", c.Name)
	}
	if now.Value != nil {
		c.now = f.moment(now, c.ask.TimeZone)
	}
	f.expect(e, &c, golden)
	return c
}

// expect says which file a case is compared with: the one that is named, else
// one called like it, unless rows or an error are all that is expected.
func (f *fixture) expect(e yaml.Entry, c *Case, golden string) {
	switch {
	case c.fails != "" && (golden != "" || c.rows >= 0):
		f.Wrong(e.At, "A case that expects an error has neither rows nor a golden file.")
	case golden != "" && !filepath.IsLocal(golden):
		f.Wrong(e.At, "golden is a file in the folder of the fixture, or below it.")
	case golden == "" && (c.fails != "" || c.rows >= 0):
		return
	case golden == "":
		golden = f.report + "." + c.Name + "." + c.ask.Format
	}
	c.path = path.Join(path.Dir(f.path), filepath.ToSlash(golden))
	c.Golden = filepath.Join(f.dir, filepath.FromSlash(c.path))
}

func (f *fixture) zone(to *string) func(yaml.Entry) {
	return func(e yaml.Entry) {
		text, ok := f.Scalar(e)
		if !ok {
			return
		}
		if _, err := time.LoadLocation(text); err != nil || text == "Local" {
			f.Wrong(f.Place(e), "%s is an IANA time zone, as in Europe/Berlin.", e.Key)
			return
		}
		*to = text
	}
}

func (f *fixture) count(to *int64) func(yaml.Entry) {
	return func(e yaml.Entry) {
		text, ok := f.Scalar(e)
		if !ok {
			return
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			f.Wrong(f.Place(e), "%s is a whole number, 0 or more.", e.Key)
			return
		}
		*to = n
	}
}

// moment reads a day, which begins in the zone, or an instant.
func (f *fixture) moment(e yaml.Entry, zone string) time.Time {
	text, ok := f.Scalar(e)
	if !ok {
		return time.Time{}
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{} // its own problem
	}
	at, err := time.ParseInLocation(time.DateOnly, text, location)
	if err != nil {
		at, err = time.Parse(time.RFC3339, text)
	}
	if err != nil {
		f.Wrong(f.Place(e), "now is a day, as in 2026-01-31, or a time, as in 2026-01-31T09:30:00Z.")
	}
	return at
}

func (f *fixture) claims(e yaml.Entry) map[string]string {
	claims := make(map[string]string)
	for _, inner := range f.Entries(e, "claims") {
		claims[inner.Key], _ = f.Scalar(inner)
	}
	return claims
}

// sent are parameters as a program would send them.
func (f *fixture) sent(e yaml.Entry) offprint.Sent {
	sent := make(offprint.Sent)
	for _, inner := range f.Entries(e, "parameters") {
		raw, err := json.Marshal(f.value(inner))
		if err != nil {
			f.Wrong(inner.At, "%s cannot be sent: %v.", inner.Key, err)
			continue
		}
		sent[inner.Key] = raw
	}
	return sent
}

// value is a scalar as it was written, or lists and mappings of such.
func (f *fixture) value(e yaml.Entry) any {
	if yaml.IsMapping(e.Value) {
		values := make(map[string]any)
		for _, inner := range f.Entries(e, e.Key) {
			values[inner.Key] = f.value(inner)
		}
		return values
	}
	if _, list := e.Value.(*ast.SequenceNode); list {
		values := []any{}
		for _, item := range f.Items(e) {
			values = append(values, f.value(item))
		}
		return values
	}
	text, _ := f.Scalar(e)
	return text
}
