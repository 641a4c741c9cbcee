package web

import (
	"net/http"
	"strconv"

	"github.com/offprint/offprint"
)

func statusText(status int) string { return strconv.Itoa(status) }

func (s *Site) openapi(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	w.Write(s.api.text)
}

// live tells that the process answers.
func (s *Site) live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte("ok\n"))
}

// ready tells whether runs can be taken; load balancers go by it.
func (s *Site) ready(w http.ResponseWriter, r *http.Request) {
	if s.isClosed() {
		s.fail(w, r, offprint.Errorf(offprint.Draining, "Another server will answer."))
		return
	}
	if err := s.Desk.Ready(r.Context()); err != nil {
		s.fail(w, r, offprint.Errorf(offprint.Busy, "The ledger does not answer.").Because(err))
		return
	}
	s.live(w, r)
}
