package source

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/yaml"
)

// Check reads all files again and has each query prepared by its database,
// with what stands in [[ ]] and without. Offline it only reads. A database
// that does not answer is a problem too.
func (f *Folder) Check(ctx context.Context, offline bool) Problems {
	problems := f.Reload()
	if offline {
		return problems
	}
	f.mu.RLock()
	files := maps.Clone(f.read)
	f.mu.RUnlock()
	for _, p := range slices.Sorted(maps.Keys(files)) {
		if d := files[p].good; d != nil && files[p].problems == nil {
			problems = append(problems, d.prepared(ctx)...)
		}
	}
	return problems.InOrder()
}

// prepared has the database look at every query.
func (d *Definition) prepared(ctx context.Context) (problems Problems) {
	s, err := d.db.engine.begin(ctx, opening{held: true})
	if err != nil {
		return Problems{{File: d.file, Text: fmt.Sprintf("The source %s cannot be asked: %v.", d.db.name, err)}}
	}
	defer s.end(true)
	for i := range d.parts {
		p := &d.parts[i]
		for _, given := range p.query.combinations(d.report.Parameters) {
			problems = append(problems, d.prepare(s, p, p.query.bindTypes(given))...)
		}
	}
	return problems.InOrder()
}

func (d *Definition) prepare(s snapshot, p *part, st *statement) Problems {
	columns, err := s.describe(st)
	if err != nil {
		f := d.db.engine.fault(err, st.text)
		if f.text == "" {
			f.text = err.Error()
		}
		return Problems{st.problem(f.at-1, f.text)}
	}
	if columns == nil { // only its rows tell
		return nil
	}
	var problems Problems
	if told := p.lay(slices.Clone(columns), ""); told != nil {
		problems = append(problems, st.problem(-1, told.Detail))
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return append(problems, d.absent(p, names)...)
}

// absent are columns that the header speaks of and the query does not have.
func (d *Definition) absent(p *part, names []string) (problems Problems) {
	missing := func(c column, what, name string) {
		if !slices.Contains(names, name) {
			problems = append(problems, Problem{File: d.file, Line: c.line, Column: c.column, Text: fmt.Sprintf("%s: the query has no column %s.%s", what, name, yaml.DidYouMean(name, names))})
		}
	}
	for _, c := range p.columns {
		missing(c, "columns", c.Name)
		if c.Currency != "" {
			missing(c, "currency", c.Currency)
		}
		for _, found := range braces.FindAllStringSubmatch(c.Link, -1) {
			missing(c, "link", found[1])
		}
	}
	return problems
}

// mostOptional is the number of optional parameters in [[ ]] of which every
// combination is tried; with more, each alone given and each alone left out.
const mostOptional = 5

// combinations are ways to give and to leave out what may be left out.
func (q *query) combinations(params []offprint.Parameter) (all []func(name string) bool) {
	var optional []string
	for _, p := range params {
		if p.Optional && p.Default == "" && q.drops(p.Name) {
			optional = append(optional, p.Name)
		}
	}
	without := func(left []string) {
		all = append(all, func(name string) bool { return !slices.Contains(left, name) })
	}
	if len(optional) > mostOptional {
		without(nil)
		without(optional)
		for _, name := range optional {
			without([]string{name})
			without(slices.DeleteFunc(slices.Clone(optional), func(other string) bool { return other == name }))
		}
		return all
	}
	for set := range 1 << len(optional) {
		var left []string
		for i, name := range optional {
			if set&(1<<i) != 0 {
				left = append(left, name)
			}
		}
		without(left)
	}
	return all
}

// drops tells whether something in [[ ]] falls away without the parameter.
func (q *query) drops(name string) bool {
	inside := false
	for _, p := range q.pieces {
		switch p.kind {
		case openPiece:
			inside = true
		case closePiece:
			inside = false
		case paramPiece:
			if inside && p.name == name {
				return true
			}
		}
	}
	return false
}
