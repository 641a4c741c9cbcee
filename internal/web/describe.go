package web

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// What is handled plainly is described here, and what the library cannot know
// of what it describes itself.

// fetches describes the file: whatever it is made of, whole or a part of it.
func fetches(op huma.Operation) huma.Operation {
	op.Security = []map[string][]string{{"bearer": {}}, {"key": {}}, {}} // or t
	op.Parameters = []*huma.Param{
		queryParam("t", "Of a download link: stands for the credential."),
		headerParam("Range", "bytes=5-9, bytes=5- or bytes=-5; any other is answered with the whole."),
		headerParam("If-Range", "The ETag that the part must be of; the whole, if the file is another one."),
		headerParam("If-Match", "The ETag that the file must have."),
		headerParam("If-None-Match", "The ETag that is known."),
	}
	heads := map[string]string{
		"ETag": "Strong: of the content.", "Content-Disposition": "The file's name.", "Content-Length": "", "Accept-Ranges": "bytes",
		"Last-Modified": "When the run ended.", "Repr-Digest": "sha-256, of the whole file.", "Cache-Control": "",
	}
	file := map[string]*huma.MediaType{"*/*": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}
	for status, r := range op.Responses {
		r.Headers = headers(heads)
		if status == statusText(http.StatusPartialContent) {
			r.Headers["Content-Range"] = header("Which part of how much.")
		}
		if op.Method == http.MethodGet && (status == statusText(http.StatusOK) || status == statusText(http.StatusPartialContent)) {
			r.Content = file
		}
		if status == statusText(http.StatusTemporaryRedirect) {
			r.Description, r.Headers = "Where downloads go to the store", headers(map[string]string{"Location": "The file at the store, for five minutes."})
		}
	}
	return op
}

// streams describes server-sent events.
func streams(op huma.Operation, id string) huma.Operation {
	op.Parameters = []*huma.Param{headerParam("Last-Event-ID", "What was heard last, as browsers send it when they come back: "+id)}
	ok := op.Responses[statusText(http.StatusOK)]
	ok.Headers = headers(map[string]string{"Cache-Control": "no-store"})
	ok.Content = map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{
		Type: "string", Description: "Events named run. The data of each is a Run (#/components/schemas/Run) in JSON on one line; its id is " + id,
	}}}
	return op
}

func queryParam(name, doc string) *huma.Param {
	return &huma.Param{Name: name, In: "query", Description: doc, Schema: &huma.Schema{Type: "string"}}
}

func headerParam(name, doc string) *huma.Param {
	return &huma.Param{Name: name, In: "header", Description: doc, Schema: &huma.Schema{Type: "string"}}
}

func header(doc string) *huma.Header {
	return &huma.Header{Description: doc, Schema: &huma.Schema{Type: "string"}}
}

func headers(docs map[string]string) map[string]*huma.Header {
	all := make(map[string]*huma.Header)
	for name, doc := range docs {
		all[name] = header(doc)
	}
	return all
}

// schemes are how one says who one is.
func schemes() map[string]*huma.SecurityScheme {
	return map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "An API key (opk_…) or a JSON Web Token."},
		"key":    {Type: "apiKey", In: "header", Name: "X-API-Key", Description: "An API key (opk_…)."},
	}
}

// ways are the schemes, any of which will do; or none, where nobody signs in.
func (s *Site) ways() []map[string][]string {
	ways := []map[string][]string{{"bearer": {}}, {"key": {}}}
	if !s.Identity.Required {
		ways = append(ways, map[string][]string{})
	}
	return ways
}

// completeSchemas says where a field may be null that is an object, or one of
// a few words.
func (d *document) completeSchemas() {
	schemas := d.OpenAPI().Components.Schemas.Map()
	for _, name := range []string{"ErrorModel", "ErrorDetail"} { // the library's own, which are never sent
		delete(schemas, name)
	}
	run := schemas["Run"].Properties
	for _, name := range []string{"error", "file"} {
		run[name] = &huma.Schema{Description: run[name].Description, AnyOf: []*huma.Schema{{Ref: run[name].Ref}, {Type: "null"}}}
	}
	for _, schema := range schemas {
		for _, property := range schema.Properties {
			if property.Nullable && len(property.Enum) > 0 {
				property.Enum = append(property.Enum, nil)
			}
		}
	}
}

// completeAnswers gives every operation what all have in common: a run that was
// waited for is a run, what is known already has its ETag, and every answer but
// the good ones is a problem.
func (d *document) completeAnswers(op *huma.Operation) {
	accepted := op.Responses[statusText(http.StatusAccepted)]
	if ok := op.Responses[statusText(http.StatusOK)]; accepted != nil && ok != nil {
		ok.Headers, ok.Content = accepted.Headers, accepted.Content
	}
	if known := op.Responses[statusText(http.StatusNotModified)]; known != nil && known.Headers == nil {
		known.Headers = headers(map[string]string{"ETag": ""})
	}
	problem := &huma.Response{Description: "A problem", Headers: headers(map[string]string{
		"Retry-After": "Seconds, where asking again helps.", "WWW-Authenticate": "With a 401.", "Content-Range": "With a 416: how much there is.",
	})}
	if op.Method != http.MethodHead {
		problem.Content = map[string]*huma.MediaType{"application/problem+json": {Schema: d.problem}}
	}
	op.Responses["default"] = problem
}

// byMetadata describes what [listInput.Resolve] takes.
func byMetadata(op huma.Operation) huma.Operation {
	op.Parameters = append(op.Parameters, queryParam("metadata.*", "As metadata.job=7: runs whose metadata has this entry. Twenty at most, of which all must fit."))
	return op
}

// operationID is made from the summary: "List my runs" is list-my-runs.
func operationID(op *huma.Operation) string {
	return strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(op.Summary, "'", "")), " ", "-")
}
