package yaml

import (
	"bytes"
	"encoding/json"
)

// A Schema is a JSON Schema (draft 2020-12) of what people write, so that
// editors complete it and explain it. What a [Reader] reads is the rule; a
// schema only says the same.
type Schema struct {
	Draft       string             `json:"$schema,omitempty"`
	ID          string             `json:"$id,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        any                `json:"type,omitempty"` // a name or several
	Enum        []string           `json:"enum,omitempty"`
	Pattern     string             `json:"pattern,omitempty"`
	Minimum     *float64           `json:"minimum,omitempty"`
	Maximum     *float64           `json:"maximum,omitempty"`
	AnyOf       []*Schema          `json:"anyOf,omitempty"`
	Items       *Schema            `json:"items,omitempty"`
	MinItems    int                `json:"minItems,omitempty"`
	Names       *Schema            `json:"propertyNames,omitempty"`
	Properties  map[string]*Schema `json:"properties,omitempty"`
	Others      any                `json:"additionalProperties,omitempty"` // a Schema, or false
	Required    []string           `json:"required,omitempty"`
	Examples    []any              `json:"examples,omitempty"`
	Defs        map[string]*Schema `json:"$defs,omitempty"`
}

// JSON is the schema as a file.
func (s *Schema) JSON() ([]byte, error) {
	s.Draft = "https://json-schema.org/draft/2020-12/schema"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(s)
	return b.Bytes(), err
}

// About is s with a description.
func (s *Schema) About(description string) *Schema {
	s.Description = description
	return s
}

// Such is s with examples.
func (s *Schema) Such(as ...any) *Schema {
	s.Examples = as
	return s
}

// TextSchema is any scalar: it is read as it was written, 007 too.
func TextSchema() *Schema { return &Schema{Type: []string{"string", "number", "boolean"}} }

// ChoiceSchema is one of these words.
func ChoiceSchema(words ...string) *Schema { return &Schema{Enum: words} }

// YesSchema is true or false.
func YesSchema() *Schema { return &Schema{Type: "boolean"} }

// NumberSchema is a number from least on; most 0 is no bound.
func NumberSchema(kind string, least, most float64) *Schema {
	s := &Schema{Type: kind, Minimum: &least}
	if most > 0 {
		s.Maximum = &most
	}
	return s
}

// DurationSchema is 7d, 12h, 30m or 45s.
func DurationSchema() *Schema {
	return (&Schema{Type: "string", Pattern: `^([0-9]+d|([0-9]+(\.[0-9]+)?(h|m|s|ms))+)$`}).Such("7d", "12h", "30m")
}

// WordsSchema is one text, or one for each language.
func WordsSchema() *Schema {
	languages := &Schema{Type: "object", Names: &Schema{Pattern: tag.String()}, Others: TextSchema()}
	return &Schema{AnyOf: []*Schema{TextSchema(), languages}}
}

// ListSchema is a list; a single item is a list of one.
func ListSchema(item *Schema, least int) *Schema {
	return &Schema{AnyOf: []*Schema{item, {Type: "array", Items: item, MinItems: least}}}
}

// ObjectSchema has these keys and no others.
func ObjectSchema(keys map[string]*Schema, required ...string) *Schema {
	return &Schema{Type: "object", Properties: keys, Others: false, Required: required}
}

// MapSchema has keys of people's own.
func MapSchema(names string, value *Schema) *Schema {
	return &Schema{Type: "object", Names: &Schema{Pattern: names}, Others: value}
}
