package source

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/yaml"
)

// A Definition is one SQL file that has been read and found right.
type Definition struct {
	report     offprint.Report // without its source
	file       string          // its path, for problems
	db         *Database
	parts      []part
	choices    []*choices    // in the order of their parameters
	timeout    time.Duration // 0: the database's
	named      bool          // the header names a source, known or not
	noSnapshot bool
	tenants    string
	asUser     *asUser               // nil: every asker reads as the source's login does
	makes      Problems              // the formats it names, with their places
	tells      Problems              // the addresses it names, with their places
	places     map[string]yaml.Entry // of the parameters by name, and of file:
}

// A part is one block: a query and what is said about its columns.
type part struct {
	name    string
	title   offprint.Words
	columns []column
	group   []groupKey
	query   *query
}

// Parse reads one definition. The path gives the report's name and group, as
// in sales/orders.sql, and stands in front of each problem. With problems
// there is no definition; all of them come at once.
func Parse(file, text string, sources map[string]*Database) (*Definition, Problems) {
	d := &Definition{file: file, places: map[string]yaml.Entry{}}
	d.report = offprint.Report{
		Name: strings.TrimSuffix(path.Base(file), ".sql"),
		Text: text, Version: version(text), Options: map[string]string{},
	}
	var problems Problems
	if !offprint.ValidName(d.report.Name) {
		problems = append(problems, Problem{File: file, Text: "The file's name is the report's: a letter from a to z, then at most 62 letters, digits, - and _, then .sql."})
	}
	plain := strings.ReplaceAll(strings.TrimPrefix(text, "\uFEFF"), "\r\n", "\n")
	if at := noText(plain); at >= 0 {
		line, column := place(plain, at)
		return nil, append(problems, Problem{File: file, Line: line, Column: column, Text: "From here on the file is no UTF-8 text. Save it as UTF-8."})
	}
	blocks, problems := split(file, plain, problems)
	for i, b := range blocks {
		d.block(i, plain, b, sources, &problems)
	}
	if len(blocks) > 0 {
		d.queries(plain, blocks, &problems)
	}
	if problems != nil {
		return nil, problems.InOrder()
	}
	return d, nil
}

// noText is where a text first is none: a NUL, or no UTF-8; -1: nowhere.
func noText(text string) int {
	for at, r := range text {
		if r == 0 || r == utf8.RuneError && !strings.HasPrefix(text[at:], string(utf8.RuneError)) {
			return at
		}
	}
	return -1
}

// version is what tells two texts apart: the first 16 hexadecimal digits of
// the text's SHA-256.
func version(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// Report is what may be asked for.
func (d *Definition) Report() *offprint.Report {
	r := d.report
	r.Source, r.Reads = d, d.db.name
	r.TenantBlind = d.tenants != tenantsShared && !d.KeepsTenantsApart()
	return &r
}

// What a header says of tenants.
const (
	tenantsShared  = "shared"  // all may see all rows
	tenantsService = "service" // the service filters by who asks
)

// serviceDecides tells whether the report says that its service keeps tenants
// apart, and whether that is told who asks. Nothing but the report's author
// knows what a service does with that: to be told is not to filter.
func (d *Definition) serviceDecides() bool {
	return d.tenants == tenantsService && d.db.engine.dialect().signed
}

// KeepsTenantsApart tells whether the database decides by who asks (as_user),
// or is a service that does (tenants: service), or every query, those of options too, names the asker's tenant where that
// cannot fall away. One that does not shows every tenant's rows; options may be
// said to be for all.
func (d *Definition) KeepsTenantsApart() bool {
	return d.asUser.byClaim() || d.serviceDecides() || !slices.ContainsFunc(d.parts, func(p part) bool { return !p.query.namesTenant() }) &&
		!slices.ContainsFunc(d.choices, func(c *choices) bool { return c.blind() })
}

// blind are the queries that would show every tenant's rows, and are not said
// to be for all.
func (d *Definition) blind() (problems Problems) {
	if d.tenants == tenantsShared || d.asUser.byClaim() || d.serviceDecides() {
		return nil
	}
	for _, p := range d.parts {
		if !p.query.namesTenant() {
			problems = append(problems, p.query.problem(p.query.start(), "The query does not name :user.tenant outside of [[ ]], so nobody who has a tenant may ask for the report. Filter by it, or write "+d.otherwise()+"."))
		}
	}
	for _, c := range d.choices {
		if c.blind() {
			problems = append(problems, c.query.problem(c.query.start(), "The options' query does not name :user.tenant outside of [[ ]], so nobody who has a tenant may ask for the report. Filter by it, or write tenants: shared beside the query if all tenants may see all options."))
		}
	}
	return problems
}

// otherwise is what to write in a header whose query does not filter.
func (d *Definition) otherwise() string {
	const shared = "tenants: shared in the header if all tenants may see all rows"
	if d.db.engine.dialect().signed {
		return "tenants: service if the service filters by the tenant that it is told, or " + shared
	}
	return shared
}

// unmade are the formats that it names and nobody makes.
func (d *Definition) unmade(formats []string) (problems Problems) {
	for _, named := range d.makes {
		if !slices.Contains(formats, named.Text) {
			named.Text = "There is no format " + named.Text + "." + yaml.DidYouMean(named.Text, formats)
			problems = append(problems, named)
		}
	}
	return problems
}

// untold are the addresses that it names and nothing delivers to.
func (d *Definition) untold(schemes []string) (problems Problems) {
	for _, named := range d.tells {
		scheme, _, _ := strings.Cut(named.Text, ":")
		if scheme == offprint.Me {
			scheme = "mailto"
		}
		if !slices.Contains(schemes, scheme) {
			named.Warning, named.Text = true, named.Text+" is told of nothing: "+missing[scheme]+" The report is made all the same."
			problems = append(problems, named)
		}
	}
	return problems
}

// missing is what a server lacks that does not deliver to such addresses.
var missing = map[string]string{"mailto": "the configuration has no mail.", "webhook": "this server has no webhooks."}

// namesTenant looks outside of [[ ]] only: a filter in there falls away.
func (q *query) namesTenant() bool {
	inside := false
	for _, p := range q.pieces {
		switch {
		case p.kind == openPiece:
			inside = true
		case p.kind == closePiece:
			inside = false
		case !inside && p.name == userName && p.field == "tenant":
			return true
		}
	}
	return false
}

// A block is a header and the query below it, by their places in the text.
type block struct {
	begin        int // of /*---
	above        int // lines before it
	yaml         string
	query, until int
}

var further = regexp.MustCompile(`(?m)^[ \t]*/\*---`)

const opens, closes = "/*---", "---*/"

// split finds the blocks of a text.
func split(file, text string, problems Problems) ([]block, Problems) {
	wrong := func(offset int, what string) {
		line, column := place(text, offset)
		problems = append(problems, Problem{File: file, Line: line, Column: column, Text: what})
	}
	at := len(text) - len(strings.TrimLeft(text, " \t\n"))
	if !strings.HasPrefix(text[at:], opens) {
		wrong(min(at, len(text)), "A report begins with its header: /*---, lines of YAML, ---*/, and then the query.")
		return nil, problems
	}
	var blocks []block
	for {
		b := block{begin: at, above: strings.Count(text[:at], "\n")}
		inside := at + len(opens)
		length := strings.Index(text[inside:], closes)
		if length < 0 {
			wrong(at, "This header never ends. Close it with ---*/.")
			return nil, problems
		}
		b.yaml = text[inside : inside+length]
		for i := range len(b.yaml) - 1 {
			if pair := b.yaml[i : i+2]; pair == "/*" || pair == "*/" {
				wrong(inside+i, "A header holds neither /* nor */, for it is itself a comment of the query. It ends with ---*/.")
			}
		}
		if lone := strings.IndexByte(b.yaml, '\r'); lone >= 0 { // a line for YAML, and for nobody who shows the file
			wrong(inside+lone, "Here a carriage return stands without its line feed. Save the file with the line ends of Unix or of Windows.")
			b.yaml = strings.ReplaceAll(b.yaml, "\r", " ")
		}
		b.query, b.until = inside+length+len(closes), len(text)
		next := further.FindStringIndex(text[b.query:])
		if next != nil {
			b.until = b.query + next[0]
			at = b.query + next[1] - len(opens)
		}
		if blocks = append(blocks, b); next == nil {
			return blocks, problems
		}
	}
}

// place is the line and column of an offset, in characters from 1.
func place(text string, offset int) (line, column int) {
	before := text[:offset]
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}

// queries scans the query of every part, once the headers have told what
// parameters there are and which database reads it.
func (d *Definition) queries(text string, blocks []block, problems *Problems) {
	if d.db == nil {
		return
	}
	used := map[string]bool{}
	for i, b := range blocks {
		q := &query{file: d.file, text: text, begin: b.query, end: b.until}
		d.scan(q, used, problems)
		d.parts[i].query = q
	}
	for _, c := range d.choices {
		d.scan(c.query, used, problems)
	}
	d.follow(problems)
	h := yaml.Reader{File: d.file, Above: blocks[0].above, Problems: problems}
	for _, p := range d.report.Parameters {
		if used[p.Name] || p.Name == "" {
			continue
		}
		if problem, quoted := d.quoted(p.Name); quoted {
			*problems = append(*problems, problem)
		} else {
			h.Wrong(d.places[p.Name].At, "No query uses the parameter %s. Write :%s where it belongs, or take it out.", p.Name, p.Name)
		}
	}
}

// quoted finds the name of a parameter where it is no parameter.
func (d *Definition) quoted(name string) (Problem, bool) {
	for _, p := range d.parts {
		q := p.query
		at := wordAt(q.text[q.begin:q.end], ":"+name)
		if at >= 0 && (at == 0 || q.text[q.begin+at-1] != ':') { // no cast
			return q.problem(q.begin+at, fmt.Sprintf("In quotes or in a comment :%s is only text. Write it outside of them, as in = :%s.", name, name)), true
		}
	}
	return Problem{}, false
}

// scan reads a query as its database would, and notes the names in it.
func (d *Definition) scan(q *query, used map[string]bool, problems *Problems) {
	q.dialect = d.db.engine.dialect()
	q.scan(d.report.Parameters)
	*problems = append(*problems, q.problems...)
	for _, p := range q.pieces {
		used[p.name] = true
	}
}
