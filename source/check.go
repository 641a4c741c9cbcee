package source

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/yaml"
)

// Check reads all files again, looks for what works but may surprise, and has
// each query prepared by its database, with what stands in [[ ]] and without.
// Offline it asks no database. One that does not answer is one problem,
// whatever the number of reports that read it.
func (f *Folder) Check(ctx context.Context, offline bool) Problems {
	problems := f.Reload()
	right := f.right()
	f.reloading.Lock()
	schemes := f.schemes
	f.reloading.Unlock()
	for _, d := range right {
		problems = append(problems, d.surprises()...)
		if schemes != nil {
			problems = append(problems, d.untold(schemes)...)
		}
	}
	if !offline {
		problems = append(problems, f.prepared(ctx, right)...)
	}
	return problems.InOrder()
}

// right are the definitions without problems, by their paths.
func (f *Folder) right() (right []*Definition) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, p := range slices.Sorted(maps.Keys(f.read)) {
		if d := f.read[p].good; d != nil && f.read[p].problems == nil {
			right = append(right, d)
		}
	}
	return right
}

// surprises are warnings that the text alone gives reason for.
func (d *Definition) surprises() (problems Problems) {
	warn := func(p Problem) {
		p.Warning = true
		problems = append(problems, p)
	}
	if d.db.engine.dialect().request { // a service sorts as it does
		return nil
	}
	for _, p := range d.parts {
		o := p.query.outline(d.report.Parameters)
		if o.restless() {
			warn(p.query.problem(p.query.start(), "Nothing sorts the rows, so they may come in another order each time. End the query with ORDER BY and columns that tell every row from the others."))
		} else if k, apart := p.fallsApart(&o); apart {
			warn(Problem{File: d.file, Line: k.line, Column: k.column, Text: fmt.Sprintf("The rows are not sorted by %s where its groups begin, so that a group may fall apart. Begin ORDER BY with %s.", k.name, strings.Join(p.groupNames(), ", "))})
		}
	}
	for _, c := range d.choices {
		o := c.query.outline(d.report.Parameters)
		if o.restless() {
			warn(c.query.problem(c.query.start(), "Nothing sorts the options, so they may come in another order each time. End their query with ORDER BY."))
		}
	}
	return problems
}

// fallsApart tells by which column the rows of a group may come apart, since
// the query sorts by something else. What cannot be told is taken for right.
func (p *part) fallsApart(o *outline) (groupKey, bool) {
	order, selected := o.order(), o.selected()
	for i, k := range p.group {
		switch {
		case order == nil || i < len(order) && order[i] == "":
			return k, false
		case selected.lacks(k.name):
			return k, false // its own problem
		case i >= len(order) || !strings.EqualFold(order[i], k.name):
			return k, true
		}
	}
	return groupKey{}, false
}

func (p *part) groupNames() (names []string) {
	for _, k := range p.group {
		names = append(names, k.name)
	}
	return names
}

// prepared asks all databases at once, each about its reports one by one.
func (f *Folder) prepared(ctx context.Context, right []*Definition) (problems Problems) {
	found := make([]Problems, len(f.sources))
	var asking sync.WaitGroup
	for i, name := range slices.Sorted(maps.Keys(f.sources)) {
		asking.Go(func() { found[i] = f.sources[name].prepared(ctx, right) })
	}
	asking.Wait()
	return slices.Concat(found...)
}

// connectWithin is how long a database has to answer at all.
const connectWithin = 10 * time.Second

var errSilent = fmt.Errorf("it did not answer within %s", spoken(connectWithin))

// prepared has the database look at every query of those definitions that
// read it.
func (d *Database) prepared(ctx context.Context, definitions []*Definition) (problems Problems) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(connectWithin, func() { cancel(errSilent) })
	s, err := d.engine.begin(ctx, opening{held: true})
	late.Stop()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return Problems{d.silent(err)}
	}
	defer s.end(true)
	for _, one := range definitions {
		if one.db != d {
			continue
		}
		wrong, err := one.prepared(s)
		problems = append(problems, wrong...)
		if err != nil {
			return append(problems, d.silent(err))
		}
	}
	return problems
}

func (d *Database) silent(err error) Problem {
	text := strings.TrimSuffix(strings.Join(strings.Fields(err.Error()), " "), ".")
	return Problem{File: "source " + d.name, Text: "It cannot be asked: " + text + "."}
}

// prepared has the database look at every query. The error is the
// database's own: it will not answer the next question either.
func (d *Definition) prepared(s snapshot) (problems Problems, err error) {
	problems = d.unguarded(s)
	for i := range d.parts {
		p := &d.parts[i]
		for _, given := range p.query.combinations(d.report.Parameters) {
			wrong, err := d.prepare(s, p, p.query.bindTypes(given))
			problems = append(problems, wrong...)
			if err != nil {
				return problems, err
			}
		}
	}
	for _, c := range d.choices {
		for _, given := range c.query.combinations(d.report.Parameters) {
			wrong, err := d.prepareOptions(s, c.query.bindTypes(given))
			problems = append(problems, wrong...)
			if err != nil {
				return problems, err
			}
		}
	}
	return problems, nil
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
// is known where the login may not see what the role may, or where the
// database does not answer any more.
func (d *Definition) described(s snapshot, st *statement) ([]offprint.Column, Problems, error) {
	columns, err := s.describe(st)
	if err == nil {
		return columns, nil, nil
	}
	f := d.db.engine.fault(err, st.text)
	switch {
	case f.code == offprint.SourceUnavailable:
		return nil, nil, err
	case f.code == offprint.PermissionDenied && d.asUser != nil && d.asUser.role != (setting{}):
		return nil, nil, nil
	case f.text == "":
		f.text = err.Error()
	}
	return nil, Problems{st.problem(f.at-1, f.text)}, nil
}

func (d *Definition) prepareOptions(s snapshot, st *statement) (Problems, error) {
	columns, problems, err := d.described(s, st)
	if what := tooWide(len(columns)); what != "" {
		problems = append(problems, st.problem(-1, what))
	}
	return problems, err
}

func (d *Definition) prepare(s snapshot, p *part, st *statement) (Problems, error) {
	columns, problems, err := d.described(s, st)
	if columns == nil {
		return problems, err
	}
	if told := p.lay(slices.Clone(columns), ""); told != nil {
		problems = append(problems, st.problem(-1, told.Detail))
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
		problems = append(problems, d.misfit(p, c)...)
	}
	return append(problems, d.absent(p, names)...), nil
}

// misfit is what the header says of a column that its values cannot be.
func (d *Definition) misfit(p *part, c offprint.Column) (problems Problems) {
	for _, said := range p.columns {
		if said.Name != c.Name {
			continue
		}
		for _, text := range said.misfits(c.Kind, d.db.engine.dialect()) {
			problems = append(problems, said.problem(d.file, text))
		}
	}
	return problems
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
