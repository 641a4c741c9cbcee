package web

import (
	"context"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

// A webhook is a [desk.Webhook] as the API shows it.
type webhook struct {
	ID          string           `json:"id" doc:"A run that is asked for with notify: [\"webhook:ID\"] is told of here."`
	URL         string           `json:"url"`
	Secret      *string          `json:"secret,omitempty" doc:"Signs what it is sent, as standardwebhooks.com has it. Told when it is made or changed, and where it is asked for." example:"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`
	Description string           `json:"description"`
	Events      []offprint.Event `json:"events" enum:"run.succeeded,run.failed,run.canceled,run.expiring" nullable:"false"`
	Created     time.Time        `json:"created_at"`
	Disabled    *time.Time       `json:"disabled_at" doc:"Since then it is not called."`
	Reason      *string          `json:"disabled_reason" doc:"Why, if you did not do it: it answered 410."`
	Failing     *time.Time       `json:"failing_since" doc:"No call since this one was answered with 2xx."`
	Delivered   *time.Time       `json:"last_delivered_at"`
	Until       *time.Time       `json:"earlier_secret_until" doc:"After the secret was changed: until then an earlier one signs, too."`
}

func (s *Site) viewWebhook(h *desk.Webhook) webhook {
	v := webhook{
		ID: h.ID, URL: h.URL, Description: h.Description, Events: h.Events, Created: h.Created.UTC(), Disabled: when(h.Disabled), Reason: some(h.Reason),
		Failing: when(h.FailingSince), Delivered: when(h.Delivered),
	}
	if len(h.Secrets) > 1 && h.Secrets[1].Until.After(s.Desk.Now()) {
		v.Until = when(h.Secrets[1].Until)
	}
	return v
}

type (
	webhookAnswer struct{ Body webhook }
	secretAnswer  struct {
		Cache    string `header:"Cache-Control"`
		Replayed string `header:"Idempotent-Replayed"`
		Body     webhook
	}
)

func (s *Site) withSecret(made desk.MadeWebhook, err error) (*secretAnswer, error) {
	if err != nil {
		return nil, err
	}
	a := &secretAnswer{Cache: "no-store", Body: s.viewWebhook(&made.Webhook)}
	a.Body.Secret = &made.Secret
	if made.Replayed {
		a.Replayed = "true"
	}
	return a, nil
}

func (s *Site) webhooks(ctx context.Context, who offprint.Identity, _ *nothing) (*listAnswer[webhook], error) {
	hooks, err := s.Desk.WebhooksOf(ctx, who)
	if err != nil {
		return nil, err
	}
	var items []webhook
	for i := range hooks {
		items = append(items, s.viewWebhook(&hooks[i]))
	}
	return listed(items, ""), nil
}

type hooking struct {
	URL         string           `json:"url" doc:"https:// and a host of the public internet." example:"https://app.example.com/hooks/offprint"`
	Description string           `json:"description,omitempty" doc:"To tell it from others."`
	Events      []offprint.Event `json:"events,omitempty" enum:"run.succeeded,run.failed,run.canceled,run.expiring" minItems:"1" nullable:"false" doc:"Without it: all of them."`
}

type hookInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"The same key and body again answer with the same webhook and its secret; another body is refused."`
	Body hooking
}

func (s *Site) makeWebhook(ctx context.Context, who offprint.Identity, in *hookInput) (*secretAnswer, error) {
	once, err := (&Once{Key: in.Key}).idempotency("POST /v1/webhooks", in.Body)
	if err != nil {
		return nil, err
	}
	return s.withSecret(s.Desk.AddWebhook(ctx, who, desk.NewWebhook{URL: in.Body.URL, Description: in.Body.Description, Events: in.Body.Events, Idempotency: once}))
}

type WebhookPath struct {
	ID string `path:"id" doc:"Of the webhook."`
}

func (s *Site) webhook(ctx context.Context, who offprint.Identity, in *WebhookPath) (*webhookAnswer, error) {
	return s.answerWebhook(s.Desk.Webhook(ctx, who, in.ID))
}

func (s *Site) answerWebhook(h desk.Webhook, err error) (*webhookAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &webhookAnswer{s.viewWebhook(&h)}, nil
}

type amendHookInput struct {
	WebhookPath
	Body struct {
		URL         *string          `json:"url,omitempty" nullable:"false"`
		Description *string          `json:"description,omitempty" nullable:"false"`
		Events      []offprint.Event `json:"events,omitempty" enum:"run.succeeded,run.failed,run.canceled,run.expiring" minItems:"1" nullable:"false" doc:"Of runs that are asked for from now on."`
		Disabled    *bool            `json:"disabled,omitempty" nullable:"false" doc:"true: it is not called any more, and what it has not been told yet fails."`
	}
}

func (s *Site) amendWebhook(ctx context.Context, who offprint.Identity, in *amendHookInput) (*webhookAnswer, error) {
	return s.answerWebhook(s.Desk.AmendWebhook(ctx, who, in.ID, desk.WebhookAmendment{
		URL: in.Body.URL, Description: in.Body.Description, Events: in.Body.Events, Disabled: in.Body.Disabled,
	}))
}

func (s *Site) removeWebhook(ctx context.Context, who offprint.Identity, in *WebhookPath) (*nothing, error) {
	return &nothing{}, s.Desk.RemoveWebhook(ctx, who, in.ID)
}

func (s *Site) webhookSecret(ctx context.Context, who offprint.Identity, in *WebhookPath) (*secretAnswer, error) {
	return s.withSecret(s.Desk.WebhookSecret(ctx, who, in.ID))
}

func (s *Site) rotateWebhook(ctx context.Context, who offprint.Identity, in *WebhookPath) (*secretAnswer, error) {
	return s.withSecret(s.Desk.RotateWebhook(ctx, who, in.ID))
}

// A delivery is a [desk.NoticeRecord] to a webhook as the API shows it.
type delivery struct {
	ID          string         `json:"id" doc:"The webhook-id of every call of it."`
	Event       offprint.Event `json:"event" enum:"run.succeeded,run.failed,run.canceled,run.expiring,test.ping"`
	Run         *string        `json:"run" doc:"null: of a test."`
	State       string         `json:"state" enum:"waiting,telling,delivered,failed"`
	Attempts    int            `json:"attempts"`
	Status      *int           `json:"last_status" doc:"What it answered to the last call; null: nothing."`
	LastAnswer  string         `json:"last_answer" doc:"Why the last call failed, and the beginning of what was said."`
	Created     time.Time      `json:"created_at"`
	Delivered   *time.Time     `json:"delivered_at"`
	NextAttempt *time.Time     `json:"next_attempt_at"`
}

func viewDelivery(n *desk.NoticeRecord) delivery {
	d := delivery{
		ID: n.ID, Event: n.Event, State: n.State, Attempts: n.Attempts, Status: some(n.Status), LastAnswer: n.LastAnswer,
		Created: n.Created.UTC(), Delivered: when(n.Delivered), NextAttempt: when(n.NextAttempt),
	}
	if n.Event != offprint.Ping {
		d.Run = &n.Run
	}
	return d
}

type deliveryAnswer struct{ Body delivery }

func (s *Site) testWebhook(ctx context.Context, who offprint.Identity, in *WebhookPath) (*deliveryAnswer, error) {
	ping, err := s.Desk.TestWebhook(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	return &deliveryAnswer{viewDelivery(&ping)}, nil
}

type deliveriesInput struct {
	WebhookPath
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" doc:"The last page's next_cursor."`
}

func (s *Site) deliveries(ctx context.Context, who offprint.Identity, in *deliveriesInput) (*listAnswer[delivery], error) {
	page, next, err := s.Desk.Deliveries(ctx, who, in.ID, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	var items []delivery
	for i := range page {
		items = append(items, viewDelivery(&page[i]))
	}
	return listed(items, next), nil
}

type deliveryPath struct {
	WebhookPath
	Delivery string `path:"delivery"`
}

func (s *Site) replayDelivery(ctx context.Context, who offprint.Identity, in *deliveryPath) (*nothing, error) {
	return &nothing{}, s.Desk.ReplayDelivery(ctx, who, in.ID, in.Delivery)
}
