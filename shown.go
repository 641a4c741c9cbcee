package offprint

import (
	"fmt"
	"strings"
	"time"
)

// Shown are the run's parameters as people read them, in the order of the
// form; what was left out is left out. Of a choice it shows the option's label.
func (r *Report) Shown(params Params, zone *time.Location, locale string) []Shown {
	var shown []Shown
	for i := range r.Parameters {
		p := &r.Parameters[i]
		if !params.Has(p.Name) {
			continue
		}
		labels := p.labels(zone, locale)
		var texts []string
		for _, v := range params.List(p.Name) {
			text, ok := labels[KeyOf(v)]
			if !ok {
				text = ShowParam(v, zone, locale)
			}
			texts = append(texts, text)
		}
		shown = append(shown, Shown{p.LabelIn(locale), strings.Join(texts, ", ")})
	}
	return shown
}

// labels are those of the options, by their values' keys.
func (p *Parameter) labels(zone *time.Location, locale string) map[string]string {
	labels := make(map[string]string, len(p.Options))
	for _, o := range p.Options {
		if key, ok := p.Type.Key(o.Value, zone, time.Time{}); ok && o.Label != nil {
			labels[key] = o.Label.In(locale)
		}
	}
	return labels
}

// ShowParam is one resolved value as people read it: 1 Oct – 31 Oct 2026 where
// English is read, 2026-10-01 – 2026-10-31 elsewhere.
func ShowParam(v any, zone *time.Location, locale string) string {
	switch v := v.(type) {
	case Period:
		return showPeriod(v, locale)
	case Day:
		return showDay(v, locale, true)
	case time.Time:
		return v.In(zone).Format("2006-01-02 15:04:05 MST")
	case bool:
		if v {
			return "yes"
		}
		return "no"
	}
	return fmt.Sprint(v)
}

func showPeriod(p Period, locale string) string {
	if p.From == p.To {
		return showDay(p.From, locale, true)
	}
	return showDay(p.From, locale, p.From.Year != p.To.Year) + " – " + showDay(p.To, locale, true)
}

func showDay(d Day, locale string, year bool) string {
	if lang := language(locale); lang != "" && lang != "en" {
		return d.String()
	}
	s := fmt.Sprintf("%d %s", d.Day, d.Month.String()[:3])
	if year {
		s += fmt.Sprintf(" %d", d.Year)
	}
	return s
}
