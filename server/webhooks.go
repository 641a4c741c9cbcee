package server

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/notify"
	"github.com/offprint/offprint/internal/yaml"
)

// Webhooks are what there may be of them.
type Webhooks struct {
	OnlyNamed    bool     // people make none of their own
	PerUser      int      // 20
	AllowPrivate []string // hosts and networks that people's own may be on, though they are not the internet's
	Named        map[string]NamedWebhook
}

// A NamedWebhook is one that whoever asks may name, as webhook:NAME. It may be
// on any network.
type NamedWebhook struct {
	URL    string
	Secret string   // whsec_ and base64
	Events []string // none: all
}

// hookName keeps names and the ids of people's own apart.
var hookName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,99}$`)

func (w *Webhooks) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("webhooks: "+format, args...)) }
	if _, err := notify.NewWebhooks(notify.WebhookConfig{Allow: w.AllowPrivate}); err != nil {
		wrong("allow_private: %w.", err)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Named)) {
		hook := w.Named[name]
		if !hookName.MatchString(name) {
			wrong("%q is no name. Write small letters, digits and -.", name)
		}
		u, err := url.Parse(hook.URL)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" { // the error would quote the URL
			wrong("%s: the url cannot be read. Write https://crm.example.com/hooks.", name)
		}
		if _, err := desk.ReadSecret(hook.Secret); err != nil {
			wrong("%s: %w.", name, err)
		}
		for _, event := range hook.Events {
			if !slices.Contains(desk.WebhookEvents, offprint.Event(event)) {
				wrong("%s: there is no event %s. There are: %s.", name, event, desk.WebhookEvents)
			}
		}
	}
	return errors.Join(errs...)
}

// webhooks are the rules of a configuration that was checked.
func (c *Config) webhooks() (desk.WebhookRules, error) {
	w := c.Webhooks
	poster, err := notify.NewWebhooks(notify.WebhookConfig{Base: c.base(), Allow: w.AllowPrivate, Version: c.Version, Now: c.Now})
	if err != nil {
		return desk.WebhookRules{}, fmt.Errorf("webhooks: %w", err)
	}
	rules := desk.WebhookRules{Poster: poster, Most: w.PerUser, OnlyNamed: w.OnlyNamed, Named: make(map[string]desk.NamedWebhook)}
	for name, hook := range w.Named {
		secret, err := desk.ReadSecret(hook.Secret)
		if err != nil {
			return rules, fmt.Errorf("webhooks: %s: %w", name, err)
		}
		named := desk.NamedWebhook{URL: hook.URL, Secret: secret}
		for _, event := range hook.Events {
			named.Events = append(named.Events, offprint.Event(event))
		}
		rules.Named[name] = named
	}
	return rules, nil
}

func (r *reading) webhooks(w *Webhooks) func(yaml.Entry) {
	return func(e yaml.Entry) {
		r.Object(e, "webhooks", yaml.Keys{
			"only_named":    r.Yes(&w.OnlyNamed),
			"per_user":      r.count(&w.PerUser),
			"allow_private": r.texts(&w.AllowPrivate),
			"named": func(e yaml.Entry) {
				if w.Named == nil {
					w.Named = make(map[string]NamedWebhook)
				}
				for _, named := range r.Entries(e, "named") {
					hook := w.Named[named.Key]
					r.Object(named, "webhook "+named.Key, yaml.Keys{"url": r.text(&hook.URL), "secret": r.text(&hook.Secret), "events": r.texts(&hook.Events)})
					w.Named[named.Key] = hook
				}
			},
		})
	}
}
