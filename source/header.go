package source

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/yaml"
)

var (
	partName  = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
	paramName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	braces    = regexp.MustCompile(`\{([^{}]*)\}`)
)

// A header reads the YAML of one block.
type header struct {
	yaml.Reader
	text string // of the whole file
}

// block reads one header. The first also heads the report.
func (d *Definition) block(i int, text string, b block, sources map[string]*Database, problems *Problems) {
	h := &header{yaml.Reader{File: d.file, Above: b.above, Problems: problems}, text}
	before := len(*problems)
	body := h.Parse(b.yaml)
	readable := len(*problems) == before
	p := part{}
	known := yaml.Keys{
		"part":    h.Matching(&p.name, partName, "a letter from a to z, then letters, digits, - and _."),
		"title":   h.Words(&p.title),
		"columns": func(e yaml.Entry) { p.columns = h.columns(e) },
		"group":   func(e yaml.Entry) { p.group = h.group(e) },
	}
	above := d.keys(h, sources)
	if i == 0 {
		maps.Copy(known, above)
	}
	if body != nil {
		d.entries(h, h.Entries(yaml.Entry{Key: "header", At: body.GetToken(), Value: body}, "The header"), known, above)
	}
	d.addPart(h, i, p)
	if i == 0 && readable {
		d.check(h, sources)
	}
}

// entries reads a header's keys; above are those of the first header.
func (d *Definition) entries(h *header, entries []yaml.Entry, known, above yaml.Keys) {
	for _, e := range entries {
		read, ok := known[e.Key]
		switch {
		case ok:
			read(e)
		case above[e.Key] != nil:
			h.Wrong(e.At, "%s stands in the first header only: it is of the whole report.", e.Key)
		default:
			h.Unknown(e, "The header", known)
		}
	}
}

func (d *Definition) addPart(h *header, i int, p part) {
	if i == 0 {
		d.report.Title = p.title
	}
	switch {
	case p.name == "" && i == 0:
		p.name = d.report.Name
	case p.name == "":
		h.Wrong(nil, "Every further part has a name of its own. Write part: name.")
	case p.title == nil || i == 0:
		p.title = offprint.Plain(offprint.Titled(p.name))
	}
	if slices.ContainsFunc(d.parts, func(q part) bool { return q.name == p.name }) {
		h.Wrong(nil, "There is already a part %s.", p.name)
	}
	d.parts = append(d.parts, p)
}

// keys are those of the first block only.
func (d *Definition) keys(h *header, sources map[string]*Database) yaml.Keys {
	r := &d.report
	var snapshot string
	return yaml.Keys{
		"description": h.Words(&r.Description),
		"source":      func(e yaml.Entry) { d.source(h, e, sources) },
		"parameters":  func(e yaml.Entry) { d.parameters(h, e) },
		"as_user":     func(e yaml.Entry) { d.asUser = h.asUser(e) },
		"formats":     func(e yaml.Entry) { d.formats(h, e) },
		"allow":       func(e yaml.Entry) { d.allow(h, e) },
		"notify":      func(e yaml.Entry) { d.notify(h, e) },
		"tenants":     func(e yaml.Entry) { d.places["tenants"] = e; h.Choice(&d.tenants, tenantsShared, tenantsService)(e) },
		"retention":   h.Duration(&r.Retention),
		"max_rows":    h.Whole(&r.MaxRows),
		"timeout":     h.Duration(&d.timeout),
		"file":        func(e yaml.Entry) { d.places["file:"] = e; h.Text(&r.File)(e) },
		"about":       d.option(h, "about", "last", "off"),
		"overflow":    d.option(h, "overflow", "sheets", "fail"),
		"snapshot": func(e yaml.Entry) {
			h.Choice(&snapshot, "off", "on")(e)
			d.noSnapshot = snapshot == "off"
		},
		"csv": func(e yaml.Entry) {
			h.Object(e, "csv", yaml.Keys{
				"delimiter": d.option(h, "csv.delimiter", ",", ";", "|", "tab"),
				"bom":       d.option(h, "csv.bom", "true", "false"),
				"decimal":   d.option(h, "csv.decimal", ".", ","),
				"line_end":  d.option(h, "csv.line_end", "crlf", "lf"),
				"dialect":   d.option(h, "csv.dialect", "excel"),
				"formulas":  d.option(h, "csv.formulas", "escape", "raw"),
			})
			d.oneComma(h, e)
		},
		"pdf": func(e yaml.Entry) {
			h.Object(e, "pdf", yaml.Keys{
				"paper":       d.option(h, "pdf.paper", "a3", "a4", "a5", "letter", "legal"),
				"orientation": d.option(h, "pdf.orientation", "portrait", "landscape"),
				"logo":        func(e yaml.Entry) { d.logo(h, e) },
				"footer":      d.option(h, "pdf.footer"),
			})
		},
	}
}

// option passes a word on to the formats; without words it is any text.
func (d *Definition) option(h *header, name string, words ...string) func(yaml.Entry) {
	return func(e yaml.Entry) {
		var value string
		if words == nil {
			h.Text(&value)(e)
		} else {
			h.Choice(&value, words...)(e)
		}
		if value == "tab" && name == "csv.delimiter" {
			value = "\t"
		}
		if value != "" {
			d.report.Options[name] = value
		}
	}
}

// formats are those that a report may become; whether there are such formats
// is for the folder to say.
func (d *Definition) formats(h *header, e yaml.Entry) {
	for _, item := range h.Items(e) {
		name, ok := h.Scalar(item)
		switch {
		case !ok:
		case slices.Contains(d.report.Formats, name):
			h.Wrong(h.Place(item), "formats names %s twice.", name)
		default:
			at := h.Place(item).Position
			d.report.Formats = append(d.report.Formats, name)
			d.makes = append(d.makes, Problem{File: d.file, Line: h.Above + at.Line, Column: at.Column, Text: name})
		}
	}
	if len(h.Items(e)) == 0 {
		h.Wrong(e.At, "formats names none. Name one, or take formats: out, and the report can be made as any.")
	}
}

func (d *Definition) allow(h *header, e yaml.Entry) {
	roles := &d.report.Allow.Roles
	h.Object(e, "allow", yaml.Keys{"roles": h.List(roles)})
	if len(*roles) == 0 && yaml.IsMapping(e.Value) {
		h.Wrong(e.At, "allow names no role, so that it would allow everybody. Name a role, as in {roles: [sales]}, or take allow: out.")
	}
}

// notify are those who are told of a run where nobody says otherwise; whether
// anything delivers to them is for [Folder.Check] to say.
func (d *Definition) notify(h *header, e yaml.Entry) {
	items := h.Items(e)
	for _, item := range items {
		address, ok := h.Scalar(item)
		at := h.Place(item)
		switch {
		case !ok:
		case !offprint.ValidAddress(address):
			h.Wrong(at, "notify: %q is no address. Write me, mailto:team@example.com or webhook:ID.", address)
		case slices.Contains(d.report.Notify, address):
			h.Wrong(at, "notify names %s twice.", address)
		default:
			d.report.Notify = append(d.report.Notify, address)
			d.tells = append(d.tells, Problem{File: d.file, Line: h.Above + at.Position.Line, Column: at.Position.Column, Text: address})
		}
	}
	if len(items) == 0 {
		h.Wrong(e.At, "notify names nobody, as it is without it. Name somebody, as in [me], or take notify: out.")
	}
	if len(items) > offprint.MostNotified {
		h.Wrong(e.At, "notify names more than %d addresses. Tell one that tells the others.", offprint.MostNotified)
	}
}

// oneComma holds that a comma does not end both the cell and the whole number.
func (d *Definition) oneComma(h *header, e yaml.Entry) {
	delimiter, named := d.report.Options["csv.delimiter"]
	if d.report.Options["csv.decimal"] == "," && (delimiter == "," || !named && d.report.Options["csv.dialect"] == "") {
		h.Wrong(e.At, `csv: a comma cannot stand both between the cells and in the numbers. Write delimiter: ";" beside decimal: ",".`)
	}
}

func (d *Definition) source(h *header, e yaml.Entry, sources map[string]*Database) {
	d.named = true
	name, ok := h.Scalar(e)
	if !ok {
		return
	}
	d.db = sources[name]
	if d.db == nil {
		h.Wrong(h.Place(e), "The configuration has no source %s.%s", name, yaml.DidYouMean(name, slices.Sorted(maps.Keys(sources))))
	}
}

// check is what can only be said of the whole header.
func (d *Definition) check(h *header, sources map[string]*Database) {
	switch {
	case d.named:
	case len(sources) == 1:
		for _, db := range sources {
			d.db = db
		}
	default:
		h.Wrong(nil, "The header does not say which source it reads. Write source: name.%s", yaml.DidYouMean("", slices.Sorted(maps.Keys(sources))))
	}
	if d.asUser != nil && d.db != nil && !d.db.engine.dialect().asUser {
		*h.Problems = append(*h.Problems, d.asUser.problem("as_user needs PostgreSQL, and the source "+d.db.name+" is none. Filter by :user.tenant in the query instead."))
	}
	if d.tenants == tenantsService && d.db != nil && !d.db.engine.dialect().signed {
		h.Wrong(h.Place(d.places["tenants"]), "tenants: service is for an HTTP service that knows who asks, and the source %s is none with a secret. Filter by :user.tenant instead.", d.db.name)
	}
	for _, found := range braces.FindAllStringSubmatch(d.report.File, -1) {
		if !slices.ContainsFunc(d.report.Parameters, func(p offprint.Parameter) bool { return p.Name == found[1] }) {
			h.Wrong(d.places["file:"].At, "file: {%s} is no parameter of this report.%s", found[1], yaml.DidYouMean(found[1], d.parameterNames()))
		}
	}
}

func (d *Definition) parameterNames() (names []string) {
	for _, p := range d.report.Parameters {
		names = append(names, p.Name)
	}
	return names
}

func (d *Definition) parameters(h *header, e yaml.Entry) {
	for _, inner := range h.Entries(e, "parameters") {
		if !paramName.MatchString(inner.Key) || inner.Key == userName {
			h.Wrong(inner.At, "A parameter's name is a letter from a to z, then at most 62 letters, digits and _; user is taken.")
			continue
		}
		d.places[inner.Key] = inner
		p, asked := h.parameter(inner)
		if asked != nil {
			asked.definition = d
			d.choices = append(d.choices, asked)
		}
		d.report.Parameters = append(d.report.Parameters, p)
	}
}

// parameter reads one; asked are its options, where a query answers them.
func (h *header) parameter(e yaml.Entry) (p offprint.Parameter, asked *choices) {
	p.Name = e.Key
	listed := false
	var kind string
	var types []string
	for _, t := range offprint.ParamTypes {
		types = append(types, string(t))
	}
	before := len(*h.Problems)
	h.Object(e, "parameter "+e.Key, yaml.Keys{
		"type":     h.Choice(&kind, types...),
		"label":    h.Words(&p.Label),
		"help":     h.Words(&p.Help),
		"default":  func(e yaml.Entry) { p.Default, listed = h.defaults(e) },
		"optional": h.Yes(&p.Optional),
		"many":     h.Yes(&p.Many),
		"options": func(e yaml.Entry) {
			switch {
			case yaml.IsMapping(e.Value):
				asked = h.choices(e, p.Name)
			case yaml.IsList(e.Value):
				p.Options = h.options(e)
			default:
				h.Wrong(e.At, whatOptionsAre)
			}
		},
		"min":       h.Text(&p.Min),
		"max":       h.Text(&p.Max),
		"pattern":   h.Text(&p.Pattern),
		"sensitive": h.Yes(&p.Sensitive),
	})
	p.Type = offprint.ParamType(kind)
	if asked != nil {
		asked.kind, p.Choices = p.Type, asked
	}
	if len(*h.Problems) > before {
		return p, asked
	}
	if kind == "" {
		h.Wrong(e.At, "%s needs a type. The types are %s.", e.Key, strings.Join(types, ", "))
		return p, asked
	}
	if p.Many && p.Type == offprint.PeriodParam {
		h.Wrong(e.At, "%s: there is no list of periods.", e.Key)
	}
	if listed && !p.Many {
		h.Wrong(e.At, "%s: Only a parameter with many: true has a list for a default.", e.Key)
	}
	for _, problem := range p.Check() {
		h.Wrong(e.At, "%s: %s", e.Key, problem)
	}
	return p, asked
}

// defaults reads EU and [EU, US], a line each.
func (h *header) defaults(e yaml.Entry) (text string, listed bool) {
	if !yaml.IsList(e.Value) {
		text, _ = h.Scalar(e)
		return text, false
	}
	var all []string
	h.List(&all)(e)
	for _, one := range all {
		if strings.Contains(one, "\n") || one == "" {
			h.Wrong(e.At, "Each value of a default has a line of text.")
		}
	}
	if len(h.Items(e)) == 0 {
		h.Wrong(e.At, "A default names a value at least. Write optional: true where there may be none.")
	}
	return strings.Join(all, "\n"), true
}

// options reads [EU, US] and [{value: EU, label: Europe}].
func (h *header) options(e yaml.Entry) []offprint.Option {
	var options []offprint.Option
	for _, item := range h.Items(e) {
		var o offprint.Option
		if yaml.IsMapping(item.Value) {
			h.Object(item, "an option", yaml.Keys{"value": h.Text(&o.Value), "label": h.Words(&o.Label)})
		} else {
			o.Value, _ = h.Scalar(item)
		}
		options = append(options, o)
	}
	return options
}
