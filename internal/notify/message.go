package notify

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// A message is what a webhook is sent. It is thin: what may change, and what
// takes a right to see, is asked for at its url.
type message struct {
	Type offprint.Event `json:"type"`
	At   time.Time      `json:"timestamp"`
	Data any            `json:"data"`
}

type aboutRun struct {
	ID       string            `json:"id"`
	Report   string            `json:"report"`
	Title    string            `json:"title"`
	State    offprint.State    `json:"state"`
	Outcome  offprint.Outcome  `json:"outcome,omitempty"`
	Error    *aboutError       `json:"error,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	LeftOut  bool              `json:"metadata_left_out,omitempty"`
	URL      string            `json:"url,omitempty"`
}

type aboutError struct {
	Code  offprint.Code `json:"code"`
	Title string        `json:"title,omitempty"`
}

type aboutPing struct {
	Webhook string `json:"webhook"`
}

// largestMessage is what Standard Webhooks advises.
const largestMessage = 20_000

// message is the same at every try, but for what changed about the run.
func (w *Webhooks) message(n offprint.Notice) ([]byte, error) {
	m := message{Type: n.Event, At: n.At.UTC()}
	if n.Run == nil {
		_, id, _ := strings.Cut(n.Address, ":")
		m.Data = aboutPing{id}
		return json.Marshal(m)
	}
	r := n.Run
	about := &aboutRun{ID: r.ID, Report: r.Report, Title: r.Title, State: r.State, Outcome: r.Outcome, Metadata: r.Metadata}
	if r.Problem != nil && r.State == offprint.Failed {
		about.Error = &aboutError{r.Problem.Code, r.Problem.Title}
	}
	if w.base != "" {
		about.URL = w.base + "/v1/runs/" + r.ID
	}
	m.Data = about
	body, err := json.Marshal(m)
	if len(body) > largestMessage {
		about.Metadata, about.LeftOut = nil, true
		body, err = json.Marshal(m)
	}
	return body, err
}
