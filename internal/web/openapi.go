package web

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/offprint/offprint"
)

// maxBody is the most bytes that a request may have.
const maxBody = 1 << 20

// A document is the API as a machine reads it. It is made from the operations
// themselves, so it cannot say anything else than they do.
type document struct {
	huma.API
	problem *huma.Schema
	text    []byte
}

// newDocument describes what the operations to come have in common.
func (s *Site) newDocument() *document {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Offprint", Version: s.Version,
				Description: "Ask for a report, go on with your work, fetch the file. Lists are keyset pages; times are RFC 3339 in UTC; decimals are strings; every refusal is an RFC 9457 problem.",
			},
			Components: &huma.Components{
				Schemas:         registry,
				SecuritySchemes: schemes(),
			},
			Security: s.ways(),
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{s.decodingFailed},
	}
	if s.BaseURL != nil {
		config.Servers = []*huma.Server{{URL: strings.TrimRight(s.BaseURL.String(), "/")}}
	}
	d := &document{API: huma.NewAPI(config, humago.NewAdapter(guarded{s}, ""))}
	registry.Schema(typeFor[problem](), true, "Problem")
	d.problem = &huma.Schema{Ref: "#/components/schemas/Problem"}
	return d
}

// guarded is the mux with every JSON operation behind [Site.known].
type guarded struct{ *Site }

func (g guarded) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	g.mux.HandleFunc(pattern, g.known(h))
}

// operation serves one JSON operation and describes it. What it returns as an
// error becomes a problem here.
func operation[I, O any](s *Site, op huma.Operation, do func(ctx context.Context, who offprint.Identity, in *I) (*O, error)) {
	op.OperationID = operationID(&op)
	op.MaxBodyBytes, op.BodyReadTimeout = maxBody, s.times.body
	op.RejectUnknownQueryParameters = op.Metadata == nil
	_, sends := reflect.TypeFor[I]().FieldByName("Body")
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		a := ctx.Value(askerKey{}).(*asker)
		var out *O
		err := once(a.request)
		if err == nil && sends {
			err = lift(a.answer)
		}
		if err == nil {
			out, err = do(ctx, a.Identity, in)
		}
		if err == nil && time.Since(a.since) > s.times.fresh {
			_, err = s.still(ctx, a.request.Header, a.Identity)
		}
		if err != nil {
			return nil, s.refuse(ctx, a.request.Header, err)
		}
		return out, nil
	})
}

// once refuses a query that says a thing twice: of two values one would be
// passed over in silence.
func once(r *http.Request) error {
	err := offprint.Errorf(offprint.Invalid, "Nothing was done. Mend the query and ask again.")
	query := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if len(query[name]) > 1 {
			err.Fields = append(err.Fields, offprint.Field{Pointer: pointer("query", name), Detail: "Send this once."})
		}
	}
	if err.Fields == nil {
		return nil
	}
	return err
}

// describe adds a route to the document that is no JSON operation.
func (d *document) describe(op huma.Operation) {
	op.OperationID = operationID(&op)
	for _, name := range pathNames.FindAllStringSubmatch(op.Path, -1) {
		op.Parameters = append(op.Parameters, &huma.Param{Name: name[1], In: "path", Required: true, Schema: &huma.Schema{Type: "string"}})
	}
	d.OpenAPI().AddOperation(&op)
}

var pathNames = regexp.MustCompile(`\{(\w+)\}`)

// finish completes the document and writes it down.
func (d *document) finish() error {
	d.completeSchemas()
	for _, item := range d.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Head, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				d.completeAnswers(op)
			}
		}
	}
	text, err := json.Marshal(d.OpenAPI())
	d.text = text
	return err
}

// decodingFailed turns the library's own errors, which repeat what was sent,
// into problems.
func (s *Site) decodingFailed(ctx huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	r, _ := humago.Unwrap(ctx)
	p := s.refuse(ctx.Context(), r.Header, decoding(model))
	p.Status = model.Status
	return p, nil
}

func decoding(model *huma.ErrorModel) *offprint.Error {
	switch model.Status {
	case http.StatusRequestEntityTooLarge:
		return offprint.Errorf(offprint.BodyTooLarge, "A request may have 1 MiB.")
	case http.StatusUnprocessableEntity:
		err := offprint.Errorf(offprint.Invalid, "Nothing was done. Mend the fields named below and ask again.")
		for _, d := range model.Errors {
			err.Fields = append(err.Fields, fieldOf(d))
		}
		return err
	}
	return offprint.Errorf(offprint.Unreadable, "Send one JSON object.")
}

// fieldOf is body.parameters.x: expected string as a field and a sentence.
func fieldOf(d *huma.ErrorDetail) offprint.Field {
	message := d.Message
	where, path, _ := strings.Cut(d.Location, ".")
	if name, ok := strings.CutPrefix(message, "expected required property "); ok {
		name, _, _ = strings.Cut(name, " ")
		path, message = strings.TrimPrefix(path+"."+name, "."), "this is needed"
	}
	if message == "unexpected property" || message == "unknown query parameter" {
		message = "there is nothing of this name here"
	}
	return offprint.Field{Pointer: pointer(where, path), Detail: offprint.Titled(message) + "."}
}

// pointer is an RFC 6901 fragment into the body; what stands elsewhere is
// named: query limit.
func pointer(where, path string) string {
	if where != "body" {
		return where + " " + path
	}
	if path == "" {
		return "#"
	}
	path = strings.NewReplacer("~", "~0", "/", "~1", "[", ".", "]", "").Replace(path)
	return "#/" + strings.ReplaceAll(path, ".", "/")
}
