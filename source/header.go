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
type header struct{ yaml.Reader }

// block reads one header. The first also heads the report.
func (d *Definition) block(i int, b block, sources map[string]*Database, problems *Problems) {
	h := &header{yaml.Reader{File: d.file, Above: b.above, Problems: problems}}
	before := len(*problems)
	body := h.Parse(b.yaml)
	readable := len(*problems) == before
	p := part{}
	known := yaml.Keys{
		"part":    h.Matching(&p.name, partName, "a letter from a to z, then letters, digits, - and _."),
		"title":   h.Words(&p.title),
		"columns": func(e yaml.Entry) { p.columns = h.columns(e) },
	}
	if i == 0 {
		maps.Copy(known, d.keys(h, sources))
	}
	if body != nil {
		h.Object(yaml.Entry{Key: "header", At: body.GetToken(), Value: body}, "The header", known)
	}
	d.addPart(h, i, p)
	if i == 0 && readable {
		d.check(h, sources)
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
		"formats":     h.List(&r.Formats),
		"allow":       func(e yaml.Entry) { h.Object(e, "allow", yaml.Keys{"roles": h.List(&r.Allow.Roles)}) },
		"tenants":     h.Choice(&d.tenants, "shared"),
		"retention":   h.Duration(&r.Retention),
		"max_rows":    h.Whole(&r.MaxRows),
		"timeout":     h.Duration(&d.timeout),
		"file":        h.Text(&r.File),
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
				"dialect":   d.option(h, "csv.dialect", "excel"),
				"formulas":  d.option(h, "csv.formulas", "escape", "raw"),
			})
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
	for _, found := range braces.FindAllStringSubmatch(d.report.File, -1) {
		if !slices.ContainsFunc(d.report.Parameters, func(p offprint.Parameter) bool { return p.Name == found[1] }) {
			h.Wrong(nil, "file: {%s} is no parameter of this report.", found[1])
		}
	}
}

func (d *Definition) parameters(h *header, e yaml.Entry) {
	for _, inner := range h.Entries(e, "parameters") {
		if !paramName.MatchString(inner.Key) || inner.Key == userName {
			h.Wrong(inner.At, "A parameter's name is a letter from a to z, then at most 62 letters, digits and _; user is taken.")
			continue
		}
		d.report.Parameters = append(d.report.Parameters, h.parameter(inner))
	}
}

func (h *header) parameter(e yaml.Entry) offprint.Parameter {
	p := offprint.Parameter{Name: e.Key}
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
		"default":  h.Text(&p.Default),
		"optional": h.Yes(&p.Optional),
		"many":     h.Yes(&p.Many),
		"options":  func(e yaml.Entry) { p.Options = h.options(e) },
		"min":      h.Text(&p.Min),
		"max":      h.Text(&p.Max),
		"pattern":  h.Text(&p.Pattern),
	})
	p.Type = offprint.ParamType(kind)
	if len(*h.Problems) > before {
		return p
	}
	if kind == "" {
		h.Wrong(e.At, "%s needs a type. The types are %s.", e.Key, strings.Join(types, ", "))
		return p
	}
	if p.Many && p.Type == offprint.PeriodParam {
		h.Wrong(e.At, "%s: there is no list of periods.", e.Key)
	}
	for _, problem := range p.Check() {
		h.Wrong(e.At, "%s: %s", e.Key, problem)
	}
	return p
}

// options reads [EU, US] and [{value: EU, label: Europe}].
func (h *header) options(e yaml.Entry) []offprint.Option {
	if yaml.IsMapping(e.Value) {
		h.Wrong(e.At, "options are a list, as in [EU, US] or [{value: EU, label: Europe}].")
		return nil
	}
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
