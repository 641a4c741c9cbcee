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
	problems = d.unguarded(s)
	for i := range d.parts {
		p := &d.parts[i]
		for _, given := range p.query.combinations(d.report.Parameters) {
			problems = append(problems, d.prepare(s, p, p.query.bindTypes(given))...)
		}
	}
	for _, c := range d.choices {
		for _, given := range c.query.combinations(d.report.Parameters) {
			problems = append(problems, d.prepareOptions(s, c.query.bindTypes(given))...)
		}
	}
	return problems.InOrder()
}

// unguarded tells of a login, or a role that stands in the header, that no
// row-level security holds back.
func (d *Definition) unguarded(s snapshot) Problems {
	asks, ok := s.(interface {
		bypasses(role string) (known, bypasses bool, err error)
	})
	if !ok || d.asUser == nil || d.asUser.role.claim != "" {
		return nil
	}
	role := d.asUser.role.text
	known, bypasses, err := asks.bypasses(role)
	switch {
	case err != nil:
		return Problems{d.asUser.problem("Whether row-level security holds cannot be asked: " + err.Error() + ".")}
	case !known:
		return Problems{d.asUser.problem("The source " + d.db.name + " has no role " + role + ".")}
	case bypasses && role == "":
		return Problems{d.asUser.problem("Row-level security does not hold for the login of the source " + d.db.name + ", which is a superuser or has BYPASSRLS. Give the source a login of its own, or write role: in as_user.")}
	case bypasses:
		return Problems{d.asUser.problem("Row-level security does not hold for the role " + role + ", which is a superuser or has BYPASSRLS. Name another.")}
	}
	return nil
}

// described are the columns of a statement, or what is wrong with it. Neither
// is known where the login may not see what the role may.
func (d *Definition) described(s snapshot, st *statement) ([]offprint.Column, Problems) {
	columns, err := s.describe(st)
	if err == nil {
		return columns, nil
	}
	f := d.db.engine.fault(err, st.text)
	if f.code == offprint.PermissionDenied && d.asUser != nil && d.asUser.role != (setting{}) {
		return nil, nil
	}
	if f.text == "" {
		f.text = err.Error()
	}
	return nil, Problems{st.problem(f.at-1, f.text)}
}

func (d *Definition) prepareOptions(s snapshot, st *statement) Problems {
	columns, problems := d.described(s, st)
	if what := tooWide(len(columns)); what != "" {
		problems = append(problems, st.problem(-1, what))
	}
	return problems
}

func (d *Definition) prepare(s snapshot, p *part, st *statement) Problems {
	columns, problems := d.described(s, st)
	if columns == nil {
		return problems
	}
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
	missing := func(line, column int, what, name string) {
		if !slices.Contains(names, name) {
			problems = append(problems, Problem{File: d.file, Line: line, Column: column, Text: fmt.Sprintf("%s: the query has no column %s.%s", what, name, yaml.DidYouMean(name, names))})
		}
	}
	for _, c := range p.columns {
		missing(c.line, c.column, "columns", c.Name)
		if c.Currency != "" {
			missing(c.line, c.column, "currency", c.Currency)
		}
		for _, found := range braces.FindAllStringSubmatch(c.Link, -1) {
			missing(c.line, c.column, "link", found[1])
		}
	}
	for _, k := range p.group {
		missing(k.line, k.column, "group", k.name)
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
