package web_test

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// A contract is the API's own document, held against what it answers.
type contract struct {
	*world
	doc    map[string]any
	walked map[string]bool // operations
}

func (w *world) contract() *contract {
	w.t.Helper()
	return &contract{w, w.do("GET", "/openapi.json", call{}).wants(w.t, 200).json(w.t), make(map[string]bool)}
}

func at(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// walk asks and holds the answer against the document. The path is filled in
// from what stands in its braces: {id=run_1}.
func (c *contract) walk(method, path string, status int, asked call) answer {
	c.t.Helper()
	address, template := path, path
	for strings.Contains(address, "{") {
		before, rest, _ := strings.Cut(address, "{")
		filled, after, _ := strings.Cut(rest, "}")
		name, value, _ := strings.Cut(filled, "=")
		address, template = before+value+after, strings.Replace(template, "{"+filled+"}", "{"+name+"}", 1)
	}
	template, _, _ = strings.Cut(template, "?")
	a := c.do(method, address, asked).wants(c.t, status)
	c.walked[strings.ToLower(method)+" "+template] = true
	op, ok := at(c.doc, "paths", template, strings.ToLower(method)).(map[string]any)
	if !ok {
		c.t.Fatalf("%s %s is not in the document", method, template)
	}
	response, ok := at(op, "responses", fmt.Sprint(status)).(map[string]any)
	if !ok {
		response, ok = at(op, "responses", "default").(map[string]any)
	}
	if !ok || status < 400 && at(op, "responses", fmt.Sprint(status)) == nil {
		c.t.Fatalf("%s %s: %d is not in the document", method, template, status)
	}
	c.headers(method+" "+template, response, a)
	c.body(method+" "+template, response, a)
	return a
}

// told are the headers that every answer may have, unsaid.
var told = []string{
	"Cache-Control", "Content-Length", "Content-Security-Policy", "Content-Type", "Cross-Origin-Resource-Policy", "Date",
	"Referrer-Policy", "Vary", "X-Content-Type-Options", "X-Accel-Buffering", "Connection",
}

func (c *contract) headers(name string, response map[string]any, a answer) {
	c.t.Helper()
	for header := range a.Header {
		known := slices.Contains(told, header)
		for declared := range asMap(response["headers"]) {
			known = known || http.CanonicalHeaderKey(declared) == header
		}
		if !known {
			c.t.Errorf("%s %d: the header %s is not in the document", name, a.StatusCode, header)
		}
	}
}

func (c *contract) body(name string, response map[string]any, a answer) {
	c.t.Helper()
	content := asMap(response["content"])
	if len(content) == 0 {
		if len(a.body) > 0 {
			c.t.Errorf("%s %d: a body that is not in the document: %.100s", name, a.StatusCode, a.body)
		}
		return
	}
	media, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	check(c.t, err)
	if content["*/*"] != nil {
		media = "*/*"
	}
	schema := at(content, media, "schema")
	if schema == nil {
		c.t.Errorf("%s %d: %s is not in the document", name, a.StatusCode, media)
		return
	}
	if !strings.HasSuffix(media, "json") {
		return
	}
	c.holds(name, schema, a.json(c.t))
}

func (c *contract) holds(name string, schema, v any) {
	c.t.Helper()
	for _, wrong := range c.check(asMap(schema), v, "") {
		c.t.Errorf("%s: %s", name, wrong)
	}
}

func asMap(v any) map[string]any { m, _ := v.(map[string]any); return m }

// check is what is wrong with v, by those keywords of JSON Schema that the
// document uses; one that is not known here is wrong as well.
func (c *contract) check(schema map[string]any, v any, where string) (wrong []string) {
	c.t.Helper()
	say := func(format string, args ...any) {
		wrong = append(wrong, "at "+where+"/: "+fmt.Sprintf(format, args...))
	}
	for keyword, is := range schema {
		switch keyword {
		case "description", "examples", "default", "title":
		case "$ref":
			target := asMap(at(c.doc, strings.Split(strings.TrimPrefix(is.(string), "#/"), "/")...))
			if target == nil {
				say("%s leads nowhere", is)
			}
			wrong = append(wrong, c.check(target, v, where)...)
		case "anyOf":
			if !slices.ContainsFunc(is.([]any), func(one any) bool { return len(c.check(asMap(one), v, where)) == 0 }) {
				say("%v is none of what it may be", v)
			}
		case "type":
			if !ofType(is, v) {
				say("%v is no %v", v, is)
			}
		case "enum":
			if !slices.Contains(is.([]any), v) {
				say("%v is none of %v", v, is)
			}
		case "format":
			if text, ok := v.(string); ok && is == "date-time" {
				if _, err := time.Parse(time.RFC3339Nano, text); err != nil {
					say("%v", err)
				}
			}
		case "required":
			for _, name := range is.([]any) {
				if _, ok := asMap(v)[name.(string)]; !ok {
					say("%s is missing", name)
				}
			}
		case "properties", "additionalProperties":
			if keyword == "properties" && schema["additionalProperties"] != nil {
				continue // with it
			}
			for name, value := range asMap(v) {
				property := asMap(at(schema, "properties", name))
				if property == nil && is == false {
					say("%s is not in the document", name)
				}
				if property == nil {
					property = asMap(schema["additionalProperties"])
				}
				wrong = append(wrong, c.check(property, value, where+"/"+name)...)
			}
		case "items":
			items, _ := v.([]any)
			for i, item := range items {
				wrong = append(wrong, c.check(asMap(is), item, fmt.Sprintf("%s/%d", where, i))...)
			}
		default:
			say("the test does not know %s", keyword)
		}
	}
	return wrong
}

func ofType(is, v any) bool {
	if names, ok := is.([]any); ok {
		return slices.ContainsFunc(names, func(name any) bool { return ofType(name, v) })
	}
	switch v := v.(type) {
	case nil:
		return is == "null"
	case bool:
		return is == "boolean"
	case string:
		return is == "string"
	case float64:
		return is == "number" || is == "integer" && v == float64(int64(v))
	case []any:
		return is == "array"
	}
	return is == "object"
}

func TestTheDocumentSaysWhatIsAnswered(t *testing.T) {
	w := open(t, hooked(t, wish{}))
	c := w.contract()
	list := c.walk("GET", "/v1/reports", 200, call{})
	c.walk("GET", "/v1/reports", 304, call{headers: []string{"If-None-Match: " + list.Header.Get("ETag")}})
	c.walk("GET", "/v1/reports/{name=orders}", 200, call{})
	c.walk("GET", "/v1/reports/{name=nowhere}", 404, call{})
	c.walk("GET", "/v1/reports/{name=places}/parameters/{parameter=city}/options?q=b&"+filled(`{"country":"DE"}`), 200, call{})
	c.walk("GET", "/v1/reports/{name=places}/parameters/{parameter=city}/options", 200, call{})
	c.walk("GET", "/v1/reports/{name=places}/preview?"+filled(`{"country":"DE"}`), 200, call{})
	c.walk("GET", "/v1/reports/{name=places}/preview", 422, call{})
	c.walk("POST", "/v1/reports/{name=orders}/estimate", 200, call{body: `{"parameters":{"rows":7}}`})
	c.walk("POST", "/v1/reports/{name=orders}/estimate", 422, call{body: `{"format":"no"}`})
	c.walk("GET", "/v1/me", 200, call{})
	c.walk("GET", "/v1/me/notifications", 200, call{})
	c.walk("PUT", "/v1/me/notifications", 200, call{body: `{"mail":{"failed":true}}`})
	c.walk("PUT", "/v1/me/notifications", 422, call{body: `{"webhooks":["none"]}`})
	c.walk("DELETE", "/v1/me/notifications", 204, call{})

	waits := []string{"Prefer: wait=30", "Idempotency-Key: one"}
	ask := call{body: `{"report":"orders","parameters":{"rows":10,"least":"1.5"},"metadata":{"job":"7"}}`, headers: waits}
	id := c.walk("POST", "/v1/runs", 200, ask).json(t)["id"].(string)
	c.walk("POST", "/v1/runs", 200, ask) // replayed
	c.walk("POST", "/v1/runs", 202, call{body: `{"report":"orders","parameters":{"rows":0}}`})
	c.walk("POST", "/v1/runs", 422, call{body: `{"report":"orders","parameters":{"rows":"x"}}`})
	c.walk("POST", "/v1/runs/{id="+id+"}/rerun", 200, call{headers: waits})
	c.walk("POST", "/v1/runs/{id="+id+"}/rerun", 202, call{body: `{"format":"jsonl"}`})
	c.walk("PATCH", "/v1/runs/{id="+id+"}", 200, call{body: `{"title":"Mine","metadata":{"job":null}}`})
	got := c.walk("GET", "/v1/runs/{id="+id+"}", 200, call{headers: []string{"Prefer: wait=1"}})
	c.walk("GET", "/v1/runs/{id="+id+"}", 304, call{headers: []string{"If-None-Match: " + got.Header.Get("ETag")}})
	failed := w.made("", `{"report":"broken"}`)["id"].(string)
	c.walk("GET", "/v1/runs/{id="+failed+"}", 200, call{})
	slow := w.ask("", `{"report":"slow","parameters":{"rows":1000}}`)
	w.until("", slow, "running")
	c.walk("GET", "/v1/runs/{id="+slow+"}", 200, call{})
	c.walk("GET", "/v1/runs?metadata.job=7&state=succeeded", 200, call{})
	c.walk("GET", "/v1/runs", 200, call{})
	c.walk("GET", "/v1/runs?page=2", 422, call{})

	file := "/v1/runs/{id=" + id + "}/file"
	whole := c.walk("GET", file, 200, call{})
	c.walk("GET", file, 206, call{headers: []string{"Range: bytes=0-3", "If-Range: " + whole.Header.Get("ETag")}})
	c.walk("GET", file, 304, call{headers: []string{"If-None-Match: " + whole.Header.Get("ETag")}})
	c.walk("GET", file, 416, call{headers: []string{"Range: bytes=100000-"}})
	c.walk("GET", file, 412, call{headers: []string{`If-Match: "other"`}})
	c.walk("GET", "/v1/runs/{id="+slow+"}/file", 409, call{})
	c.walk("HEAD", file, 200, call{})
	c.walk("HEAD", file, 206, call{headers: []string{"Range: bytes=0-3"}})
	w.download("", id)
	c.walk("GET", "/v1/runs/{id="+id+"}/downloads", 200, call{})
	c.walk("POST", "/v1/runs/{id="+id+"}/download", 200, call{})
	c.walk("GET", "/v1/runs/{id="+id+"}/manifest", 200, call{})
	links := "/v1/runs/{id=" + id + "}/links"
	shared := call{body: `{"audience":"anyone","label":"Bob","expires_in":"1h","max_downloads":2}`, headers: []string{"Idempotency-Key: one"}}
	link := c.walk("POST", links, 201, shared).json(t)["id"].(string)
	c.walk("POST", links, 201, shared) // replayed
	c.walk("POST", links, 201, call{body: `{}`})
	c.walk("POST", links, 422, call{body: `{"audience":"world"}`})
	c.walk("GET", links, 200, call{})
	c.walk("DELETE", links+"/{link="+link+"}", 204, call{})
	c.walk("DELETE", links+"/{link=none}", 404, call{})
	c.walk("GET", "/v1/runs/{id="+id+"}/notices", 200, call{})
	c.walk("POST", "/v1/runs/{id="+id+"}/notices/{notice=none}/replay", 404, call{})

	made := call{body: `{"url":"https://app.example.com/hooks"}`, headers: []string{"Idempotency-Key: one"}}
	hook := "/v1/webhooks/{id=" + c.walk("POST", "/v1/webhooks", 201, made).json(t)["id"].(string) + "}"
	c.walk("POST", "/v1/webhooks", 201, made) // replayed
	c.walk("POST", "/v1/webhooks", 422, call{body: `{"url":"http://app.example.com"}`})
	c.walk("GET", "/v1/webhooks", 200, call{})
	c.walk("GET", hook, 200, call{})
	c.walk("PATCH", hook, 200, call{body: `{"disabled":true,"description":"CRM"}`})
	c.walk("PATCH", hook, 200, call{body: `{"disabled":false,"url":"` + w.url + `/nowhere"}`})
	c.walk("GET", hook+"/secret", 200, call{})
	c.walk("POST", hook+"/rotate", 200, call{})
	c.walk("GET", hook, 200, call{})
	ping := c.walk("POST", hook+"/test", 202, call{}).json(t)["id"].(string)
	c.walk("GET", hook+"/deliveries?limit=1", 200, call{})
	c.walk("POST", hook+"/deliveries/{delivery="+ping+"}/replay", 204, call{})
	c.walk("POST", hook+"/deliveries/{delivery=none}/replay", 404, call{})
	c.walk("DELETE", hook, 204, call{})
	c.walk("GET", hook, 404, call{})

	c.told("/v1/events")
	c.told("/v1/runs/" + slow + "/events")
	c.walk("POST", "/v1/runs/{id="+slow+"}/cancel", 200, call{})
	ended := c.walk("GET", "/v1/runs/{id="+slow+"}/events", 200, call{})
	_, rest, _ := strings.Cut(string(ended.body), "id: ")
	last, _, _ := strings.Cut(rest, "\n")
	c.walk("GET", "/v1/runs/{id="+slow+"}/events", 204, call{headers: []string{"Last-Event-ID: " + last}})
	c.walk("GET", "/v1/runs/{id=none}/events", 404, call{})
	c.walked["get /v1/events"] = true // by told: it has no end

	c.walk("DELETE", file, 204, call{})
	c.walk("GET", file, 410, call{})
	c.walk("GET", "/v1/runs/{id="+id+"}", 200, call{})
	c.walk("DELETE", "/v1/runs/{id="+id+"}", 204, call{})
	for path, item := range asMap(c.doc["paths"]) {
		for method := range asMap(item) {
			if !c.walked[method+" "+path] {
				t.Errorf("nothing of %s %s was held against the document", method, path)
			}
		}
	}
}

// told holds the first event of a stream against the document.
func (c *contract) told(path string) {
	c.t.Helper()
	l := c.listen("", path, "")
	if e := l.next(); e.name != "run" {
		c.t.Errorf("%s: event %q", path, e.name)
	} else {
		c.holds(path, map[string]any{"$ref": "#/components/schemas/Run"}, e.run)
	}
	l.stop()
}

func TestTheDocumentSaysHowToSignIn(t *testing.T) {
	doc := open(t, wish{workers: -1}).contract().doc
	schemes := asMap(at(doc, "components", "securitySchemes"))
	if at(schemes["bearer"], "scheme") != "bearer" || at(schemes["key"], "name") != "X-API-Key" {
		t.Errorf("schemes: %v", schemes)
	}
	for path, want := range map[string][]string{
		"/v1/runs/{id}/file": {"t", "Range", "If-Range", "If-Match", "If-None-Match", "id"}, "/v1/events": {"Last-Event-ID"},
		"/v1/runs": {"state", "report", "limit", "cursor", "metadata.*"},
	} {
		text := encoded(t, at(doc, "paths", path, "get", "parameters"))
		for _, name := range want {
			if !strings.Contains(text, `"name":"`+name+`"`) {
				t.Errorf("%s does not take %s: %s", path, name, text)
			}
		}
	}
	var all struct {
		Paths map[string]map[string]struct{ Parameters []struct{ Name, In string } }
	}
	check(t, json.Unmarshal([]byte(encoded(t, doc)), &all))
	for path, item := range all.Paths {
		for method, op := range item {
			seen := make(map[string]bool)
			for _, p := range op.Parameters {
				if key := p.In + " " + p.Name; seen[key] {
					t.Errorf("%s %s: %s stands twice", method, path, key)
				} else {
					seen[key] = true
				}
			}
		}
	}
}
