package web

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// routes are all of them. What is an operation decodes, checks and describes
// itself; what is handled plainly is described here.
func (s *Site) routes() error {
	s.api = s.newDocument()
	get, head, post, patch := method(http.MethodGet), method(http.MethodHead), method(http.MethodPost), method(http.MethodPatch)
	put, del := method(http.MethodPut), method(http.MethodDelete)

	// Reports
	operation(s, get("/v1/reports", "List reports", 304), s.reports)
	operation(s, get("/v1/reports/{name}", "Get a report", 304), s.report)
	operation(s, get("/v1/reports/{name}/parameters/{parameter}/options", "List options"), s.options)
	operation(s, get("/v1/reports/{name}/preview", "Preview a report"), s.preview)
	operation(s, post("/v1/reports/{name}/estimate", "Estimate a report"), s.estimate)

	// Runs
	operation(s, accepts(post("/v1/runs", "Ask for a report", 200)), s.submit)
	operation(s, queried(byMetadata(get("/v1/runs", "List my runs"))), s.list)
	operation(s, get("/v1/runs/{id}", "Get a run", 304), s.get)
	operation(s, patch("/v1/runs/{id}", "Rename or keep a run"), s.amend)
	operation(s, del("/v1/runs/{id}", "Erase a run"), s.erase)
	operation(s, post("/v1/runs/{id}/cancel", "Cancel a run"), s.cancel)
	operation(s, accepts(post("/v1/runs/{id}/rerun", "Make a run again", 200)), s.rerun)

	// Files
	s.plain(fetches(get("/v1/runs/{id}/file", "Fetch the file", 200, 206, 304, 307)), s.file)
	s.plain(fetches(head("/v1/runs/{id}/file", "Look at the file", 200, 206, 304)), s.file)
	operation(s, post("/v1/runs/{id}/download", "Get a link for a browser"), s.pass)
	operation(s, del("/v1/runs/{id}/file", "Delete the file"), s.deleteFile)
	operation(s, get("/v1/runs/{id}/manifest", "Get the manifest"), s.manifest)
	operation(s, get("/v1/runs/{id}/downloads", "List downloads"), s.downloads)

	// Links
	operation(s, get("/v1/runs/{id}/links", "List links"), s.links)
	operation(s, creates(post("/v1/runs/{id}/links", "Share the file")), s.share)
	operation(s, del("/v1/runs/{id}/links/{link}", "Revoke a link"), s.revoke)
	s.mux.HandleFunc("GET /d/{token}", s.followed(s.linkPage))
	s.mux.HandleFunc("POST /d/{token}", s.followed(s.take))
	s.mux.HandleFunc("GET /d/{token}/file", s.followed(s.linkFile))

	// Word of it
	s.plain(streams(get("/v1/runs/{id}/events", "Stream a run", 200, 204), "the run's revision."), s.events)
	s.plain(streams(get("/v1/events", "Stream my runs", 200), "a time in microseconds."), s.allEvents)
	s.mux.HandleFunc("POST /hubs/runs/negotiate", s.negotiate)
	s.mux.HandleFunc("GET /hubs/runs", s.listen)
	s.mux.HandleFunc("POST /hubs/runs", s.receive)
	s.mux.HandleFunc("DELETE /hubs/runs", s.hangUp)
	operation(s, get("/v1/runs/{id}/notices", "List notices"), s.notices)
	operation(s, post("/v1/runs/{id}/notices/{notice}/replay", "Send a notice again"), s.replayNotice)
	operation(s, get("/v1/me", "Who I am"), s.me)
	operation(s, get("/v1/me/notifications", "Get my notifications"), s.notifications)
	operation(s, put("/v1/me/notifications", "Choose my notifications"), s.prefer)
	operation(s, del("/v1/me/notifications", "Forget my notifications"), s.preferNothing)

	// Webhooks
	operation(s, get("/v1/webhooks", "List webhooks"), s.webhooks)
	operation(s, creates(post("/v1/webhooks", "Make a webhook")), s.makeWebhook)
	operation(s, get("/v1/webhooks/{id}", "Get a webhook"), s.webhook)
	operation(s, patch("/v1/webhooks/{id}", "Change a webhook"), s.amendWebhook)
	operation(s, del("/v1/webhooks/{id}", "Delete a webhook"), s.removeWebhook)
	operation(s, get("/v1/webhooks/{id}/secret", "Get a webhook's secret"), s.webhookSecret)
	operation(s, post("/v1/webhooks/{id}/rotate", "Change a webhook's secret"), s.rotateWebhook)
	operation(s, accepts(post("/v1/webhooks/{id}/test", "Test a webhook")), s.testWebhook)
	operation(s, get("/v1/webhooks/{id}/deliveries", "List deliveries"), s.deliveries)
	operation(s, post("/v1/webhooks/{id}/deliveries/{delivery}/replay", "Deliver again"), s.replayDelivery)

	// The page
	s.mux.HandleFunc("GET /{$}", s.page(s.home))
	s.mux.HandleFunc("GET /reports/{name}", s.page(s.form))
	s.mux.HandleFunc("POST /reports/{name}", s.page(s.generate))
	s.mux.HandleFunc("POST /reports/{name}/preview", s.page(s.previewForm))
	s.mux.HandleFunc("POST /reports/{name}/estimate", s.page(s.estimateForm))
	s.mux.HandleFunc("GET /runs/{id}", s.page(s.runPage))
	s.mux.HandleFunc("POST /runs/{id}/cancel", s.page(s.cancelPage))
	s.mux.HandleFunc("POST /runs/{id}/again", s.page(s.againPage))
	s.mux.HandleFunc("POST /runs/{id}/delete-file", s.page(s.deletePage))
	s.mux.HandleFunc("POST /runs/{id}/keep", s.page(s.keepPage))
	s.mux.HandleFunc("GET /runs/{id}/links", s.page(s.sharePage))
	s.mux.HandleFunc("POST /runs/{id}/links", s.page(s.makeLinkPage))
	s.mux.HandleFunc("POST /runs/{id}/links/{link}/revoke", s.page(s.revokePage))
	s.mux.HandleFunc("POST /runs/{id}/notices/{notice}/again", s.page(s.tellAgainPage))
	s.mux.HandleFunc("GET /notifications", s.page(s.notificationsPage))
	s.mux.HandleFunc("POST /notifications", s.page(s.preferPage))
	s.mux.HandleFunc("GET /ui/{name}", s.asset)
	s.mux.HandleFunc("GET /dev", s.page(s.dev))

	// For machines
	s.mux.HandleFunc("GET /openapi.json", s.openapi)
	s.mux.HandleFunc("GET /livez", s.live)
	s.mux.HandleFunc("GET /readyz", s.ready)
	return s.api.finish()
}

func method(name string) func(path, summary string, also ...int) huma.Operation {
	return func(path, summary string, also ...int) huma.Operation {
		op := huma.Operation{Method: name, Path: path, Summary: summary, Responses: make(map[string]*huma.Response)}
		for _, status := range also {
			op.Responses[statusText(status)] = &huma.Response{Description: http.StatusText(status)}
		}
		return op
	}
}

// accepts is op answering 202 as a rule.
func accepts(op huma.Operation) huma.Operation {
	op.DefaultStatus = http.StatusAccepted
	return op
}

// creates is op answering 201 as a rule.
func creates(op huma.Operation) huma.Operation {
	op.DefaultStatus = http.StatusCreated
	return op
}

// queried is op checking its query itself.
func queried(op huma.Operation) huma.Operation {
	op.Metadata = map[string]any{"query": "its own"}
	return op
}

// plain serves a route that is no JSON operation, and describes it.
func (s *Site) plain(op huma.Operation, h http.HandlerFunc) {
	s.mux.HandleFunc(op.Method+" "+op.Path, h)
	s.api.describe(op)
}
