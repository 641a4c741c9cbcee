package desk

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/ledger"
)

// A Poster calls webhooks.
type Poster interface {
	// Wrong is why an address cannot be one of a webhook, in a sentence for
	// whoever wrote it; empty: it can.
	Wrong(address string) string
	// Post sends a notice to an address, signed with each of the secrets, and
	// answers with the status of the answer, 0 for none. anywhere is of those whom
	// the operator named: they need not be on the public internet.
	Post(ctx context.Context, address string, anywhere bool, secrets [][]byte, n offprint.Notice) (status int, err error)
}

// WebhookRules are what there may be of webhooks.
type WebhookRules struct {
	Poster    Poster // nil: nothing here calls webhooks
	Most      int    // that one person may have; 20
	OnlyNamed bool   // people make none of their own, and those that they have are not called
	Named     map[string]NamedWebhook
}

// A NamedWebhook is the operator's: whoever asks may name it.
type NamedWebhook struct {
	URL    string
	Secret []byte
	Events []offprint.Event // none: WebhookEvents
}

// WebhookEvents are what a webhook can be told of, and is when nothing is said.
var WebhookEvents = append(slices.Clone(offprint.Ends), offprint.RunExpiring)

const (
	hookScheme = "webhook"
	secretSize = 32
	// RotateTime is how long an earlier secret signs beside the new one.
	RotateTime  = 24 * time.Hour
	mostSecrets = 5 // that sign at once

	statusGone = 410 // by which a webhook says that it wants no more
)

// A Webhook is where somebody has notices sent to over HTTP.
type Webhook = ledger.Webhook

// A MadeWebhook is a webhook with the secret that signs what it is sent, as
// Standard Webhooks writes it: whsec_ and base64.
type MadeWebhook struct {
	Webhook
	Secret   string
	Replayed bool
}

// A NewWebhook is what somebody sends who wants to be told over HTTP.
type NewWebhook struct {
	URL         string
	Description string
	Events      []offprint.Event // none: WebhookEvents
	Idempotency
}

// AddWebhook makes a webhook of who's own.
func (d *Desk) AddWebhook(ctx context.Context, who offprint.Identity, ask NewWebhook) (MadeWebhook, error) {
	if who.User == "" {
		return MadeWebhook{}, noWebhook()
	}
	key := ask.key(who)
	hooked, err := d.Ledger.ReplayWebhook(ctx, key) // before anything is checked: what was made once stays made
	if err == nil && !hooked.Replayed {
		hooked, err = d.addWebhook(ctx, who, ask, key)
	}
	if err != nil {
		return MadeWebhook{}, err
	}
	return d.withSecret(ctx, hooked.Webhook, hooked.Replayed)
}

func (d *Desk) addWebhook(ctx context.Context, who offprint.Identity, ask NewWebhook, key ledger.Key) (ledger.Hooked, error) {
	if err := d.webhooksOn(); err != nil {
		return ledger.Hooked{}, err
	}
	if len(ask.Events) == 0 {
		ask.Events = WebhookEvents
	}
	if wrong := d.wrongInWebhook(&ask.URL, &ask.Description, ask.Events); wrong != nil {
		return ledger.Hooked{}, invalid(wrong)
	}
	hook := Webhook{
		ID: ledger.NewWebhookID(), Tenant: who.Tenant, User: who.User, APIKey: who.Key.ID,
		URL: ask.URL, Description: ask.Description, Events: eachOnce(ask.Events),
	}
	fresh, err := d.freshSecret(ctx, hook.ID)
	if err != nil {
		return ledger.Hooked{}, err
	}
	hook.Secrets = []ledger.SealedSecret{fresh}
	return d.Ledger.AddWebhook(ctx, ledger.Hooking{Webhook: hook, Most: cmp.Or(d.Webhooks.Most, 20), Key: key})
}

// webhooksOn is an error where people have no webhooks of their own.
func (d *Desk) webhooksOn() error {
	switch {
	case d.Webhooks.Poster == nil:
		return titled(offprint.Errorf(offprint.NotConfigured, "Ask whoever runs this server."), "Nothing here calls webhooks")
	case d.Webhooks.OnlyNamed:
		return titled(offprint.Errorf(offprint.Forbidden, "Whoever runs this server can name one that you may use."), "Webhooks of one's own are turned off here")
	}
	return nil
}

// wrongInWebhook names everything that is wrong; nil is not said.
func (d *Desk) wrongInWebhook(address, description *string, events []offprint.Event) (wrong []offprint.Field) {
	refuse := func(pointer, detail string) { wrong = append(wrong, offprint.Field{Pointer: pointer, Detail: detail}) }
	if address != nil {
		if detail := d.Webhooks.Poster.Wrong(*address); detail != "" {
			refuse("#/url", detail)
		}
	}
	if description != nil && !validTitle(*description) {
		refuse("#/description", "At most 200 characters on one line.")
	}
	for i, event := range events {
		if !slices.Contains(WebhookEvents, event) {
			refuse(fmt.Sprintf("#/events/%d", i), "There is no such event.")
		}
	}
	return wrong
}

// eachOnce are events in their usual order.
func eachOnce(events []offprint.Event) []offprint.Event {
	return slices.DeleteFunc(slices.Clone(WebhookEvents), func(e offprint.Event) bool { return !slices.Contains(events, e) })
}

func (d *Desk) withSecret(ctx context.Context, hook Webhook, replayed bool) (MadeWebhook, error) {
	secrets, err := d.unsealSecrets(ctx, &hook)
	if err != nil {
		return MadeWebhook{}, err
	}
	return MadeWebhook{hook, SecretText(secrets[0]), replayed}, nil
}

const secretPrefix = "whsec_"

// SecretText is a secret as Standard Webhooks writes it, and ReadSecret reads
// it: one has 24 to 64 bytes.
func SecretText(secret []byte) string {
	return secretPrefix + base64.StdEncoding.EncodeToString(secret)
}

// ReadSecret is an error where the text is no secret.
func ReadSecret(text string) ([]byte, error) {
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, secretPrefix))
	if err != nil || len(secret) < 24 || len(secret) > 64 {
		return nil, errors.New("a webhook's secret is whsec_ and the base64 of 24 to 64 random bytes. Make one with: echo whsec_$(openssl rand -base64 32)")
	}
	return secret, nil
}

// WebhooksOf are who's own, newest first.
func (d *Desk) WebhooksOf(ctx context.Context, who offprint.Identity) ([]Webhook, error) {
	return d.Ledger.Webhooks(ctx, who.User, who.Tenant)
}

// Webhook is one of who's own; any other is NotFound.
func (d *Desk) Webhook(ctx context.Context, who offprint.Identity, id string) (Webhook, error) {
	hook, err := d.Ledger.Webhook(ctx, id)
	if err == nil && (who.User == "" || hook.User != who.User || hook.Tenant != who.Tenant) || offprint.CodeOf(err) == offprint.NotFound {
		return Webhook{}, noWebhook()
	}
	return hook, err
}

func noWebhook() error {
	return titled(offprint.Errorf(offprint.NotFound, "It may have been deleted, or belong to somebody else."), "There is no such webhook")
}

// A WebhookAmendment is what may be changed of a webhook.
type WebhookAmendment = ledger.WebhookAmendment

// AmendWebhook changes a webhook of who's own.
func (d *Desk) AmendWebhook(ctx context.Context, who offprint.Identity, id string, a WebhookAmendment) (Webhook, error) {
	if _, err := d.Webhook(ctx, who, id); err != nil {
		return Webhook{}, err
	}
	if err := d.webhooksOn(); err != nil {
		return Webhook{}, err
	}
	if wrong := d.wrongInWebhook(a.URL, a.Description, a.Events); wrong != nil {
		return Webhook{}, invalid(wrong)
	}
	if a.Events != nil {
		a.Events = eachOnce(a.Events)
	}
	return d.Ledger.AmendWebhook(ctx, id, a)
}

// RemoveWebhook deletes a webhook of who's own. What it has not been told yet it
// never is.
func (d *Desk) RemoveWebhook(ctx context.Context, who offprint.Identity, id string) error {
	if _, err := d.Webhook(ctx, who, id); err != nil {
		return err
	}
	return d.Ledger.RemoveWebhook(ctx, id)
}

// WebhookSecret is a webhook of who's own with its newest secret.
func (d *Desk) WebhookSecret(ctx context.Context, who offprint.Identity, id string) (MadeWebhook, error) {
	hook, err := d.Webhook(ctx, who, id)
	if err != nil {
		return MadeWebhook{}, err
	}
	return d.withSecret(ctx, hook, false)
}

// RotateWebhook gives a webhook of who's own another secret. Those that it has
// sign beside it for RotateTime, so that nothing is refused meanwhile.
func (d *Desk) RotateWebhook(ctx context.Context, who offprint.Identity, id string) (MadeWebhook, error) {
	hook, err := d.Webhook(ctx, who, id)
	if err != nil {
		return MadeWebhook{}, err
	}
	fresh, err := d.freshSecret(ctx, id)
	if err != nil {
		return MadeWebhook{}, err
	}
	now := d.Now()
	secrets := []ledger.SealedSecret{fresh}
	for _, s := range hook.Secrets {
		if s.Until.IsZero() {
			s.Until = now.Add(RotateTime).UTC()
		}
		if s.Until.After(now) {
			secrets = append(secrets, s)
		}
	}
	if len(secrets) > mostSecrets {
		return MadeWebhook{}, titled(offprint.Errorf(offprint.Conflict, "Earlier secrets sign for a day. Use the newest one, and try again when the first of them has ended."), "The secret was changed too often today")
	}
	if err := d.Ledger.ChangeSecrets(ctx, id, hook.Secrets, secrets); err != nil {
		return MadeWebhook{}, err
	}
	hook.Secrets = secrets
	return d.withSecret(ctx, hook, false)
}

// TestWebhook sends a webhook of who's own a notice of nothing, once.
func (d *Desk) TestWebhook(ctx context.Context, who offprint.Identity, id string) (NoticeRecord, error) {
	hook, err := d.Webhook(ctx, who, id)
	if err == nil {
		err = d.webhooksOn()
	}
	if err != nil {
		return NoticeRecord{}, err
	}
	if !hook.Disabled.IsZero() {
		return NoticeRecord{}, titled(offprint.Errorf(offprint.Conflict, "Enable it, then try again."), "The webhook is disabled")
	}
	return d.Ledger.PingWebhook(ctx, id)
}

// Deliveries are what a webhook of who's own was sent, newest first; next is
// where the list goes on.
func (d *Desk) Deliveries(ctx context.Context, who offprint.Identity, id, cursor string, limit int) (page []NoticeRecord, next string, err error) {
	if _, err := d.Webhook(ctx, who, id); err != nil {
		return nil, "", err
	}
	return d.Ledger.Deliveries(ctx, id, cursor, limit)
}

// ReplayDelivery sends a webhook of who's own something once more, under its old
// id.
func (d *Desk) ReplayDelivery(ctx context.Context, who offprint.Identity, id, delivery string) error {
	if _, err := d.Webhook(ctx, who, id); err != nil {
		return err
	}
	err := d.Ledger.ReplayDelivery(ctx, id, delivery)
	if offprint.CodeOf(err) == offprint.NotFound {
		return titled(offprint.Errorf(offprint.NotFound, "Look for it in the list of deliveries; the run may have been erased."), "There is no such delivery")
	}
	return err
}

// hooks are the desk as who tells webhooks.
type hooks struct{ *Desk }

// Admit lets people name webhooks of their own, those that the operator named,
// and an API key, when it asks on somebody's behalf, those made with it.
func (h hooks) Admit(ctx context.Context, who offprint.Identity, address string) (offprint.Addressee, error) {
	id := hookOf(address)
	if named, ok := h.Webhooks.Named[id]; ok {
		return offprint.Addressee{Address: address, Events: named.events()}, nil
	}
	hook, err := h.Ledger.Webhook(ctx, id)
	if err != nil && offprint.CodeOf(err) != offprint.NotFound {
		return offprint.Addressee{}, err
	}
	if err != nil || !mayName(who, &hook) {
		return offprint.Addressee{}, titled(offprint.Errorf(offprint.Invalid, noSuchHook), "This webhook is not known here")
	}
	if err := h.webhooksOn(); err != nil {
		return offprint.Addressee{}, err
	}
	if !hook.Disabled.IsZero() {
		return offprint.Addressee{}, titled(offprint.Errorf(offprint.Invalid, "It is disabled. Enable it first."), "This webhook is disabled")
	}
	return offprint.Addressee{Address: address, Events: hook.Events}, nil
}

// noSuchHook tells nobody whether somebody else has it.
const noSuchHook = "There is no such webhook, or it is somebody else's."

func hookOf(address string) string { return strings.TrimPrefix(address, hookScheme+":") }

func mayName(who offprint.Identity, h *Webhook) bool {
	if who.Via != "" && who.Key.ID != "" && who.Key.ID == h.APIKey && (h.Tenant == "" || h.Tenant == who.Tenant) {
		return true
	}
	return who.User != "" && who.User == h.User && who.Tenant == h.Tenant
}

func (n NamedWebhook) events() []offprint.Event {
	if len(n.Events) == 0 {
		return WebhookEvents
	}
	return n.Events
}

// Contacts are the operator's webhooks and somebody's own that are called, by
// their names, descriptions or hosts.
func (h hooks) Contacts(ctx context.Context, who offprint.Identity) (all []offprint.Contact, err error) {
	for _, name := range slices.Sorted(maps.Keys(h.Webhooks.Named)) {
		all = append(all, offprint.Contact{Address: hookScheme + ":" + name, Name: name})
	}
	if h.Webhooks.OnlyNamed {
		return all, nil
	}
	own, err := h.WebhooksOf(ctx, who)
	for _, hook := range own {
		if !hook.Disabled.IsZero() {
			continue
		}
		name := hook.Description
		if u, err := url.Parse(hook.URL); err == nil {
			name = cmp.Or(name, u.Host)
		}
		all = append(all, offprint.Contact{Address: hookScheme + ":" + hook.ID, Name: cmp.Or(name, hook.ID)})
	}
	return all, err
}

// Notify calls the webhook, and remembers what it answered.
func (h hooks) Notify(ctx context.Context, n offprint.Notice) error {
	id := hookOf(n.Address)
	answer := ledger.HookAnswer{Webhook: id, Notice: n.ID}
	var said error
	if named, ok := h.Webhooks.Named[id]; ok {
		answer.Status, said = h.Webhooks.Poster.Post(ctx, named.URL, true, [][]byte{named.Secret}, n)
	} else {
		hook, secrets, err := h.callable(ctx, id)
		if err != nil {
			return err
		}
		answer.Status, said = h.Webhooks.Poster.Post(ctx, hook.URL, false, secrets, n)
	}
	if ctx.Err() != nil {
		return said
	}
	answer.Delivered = said == nil
	if answer.Status == statusGone {
		answer.Disable = "It answered 410, which says that it is gone for good."
	}
	if err := h.Ledger.Answered(ctx, answer); err != nil {
		h.Log.Warn("what a webhook answered is not recorded", "webhook", id, "notice", n.ID, "error", err)
	}
	return said
}

// callable is a webhook that may be called now, and the secrets that sign.
func (h hooks) callable(ctx context.Context, id string) (Webhook, [][]byte, error) {
	hook, err := h.Ledger.Webhook(ctx, id)
	switch {
	case offprint.CodeOf(err) == offprint.NotFound:
		err = offprint.Errorf(offprint.Undeliverable, "The webhook was deleted.")
	case err != nil:
	case h.Webhooks.OnlyNamed:
		err = offprint.Errorf(offprint.Undeliverable, "Webhooks of one's own are turned off here.")
	case !hook.Disabled.IsZero():
		err = offprint.Errorf(offprint.Undeliverable, "The webhook is disabled.")
	}
	if err != nil {
		return hook, nil, err
	}
	secrets, err := h.unsealSecrets(ctx, &hook)
	return hook, secrets, err
}
