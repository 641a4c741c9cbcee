package desk

import (
	"context"
	"strings"

	"github.com/offprint/offprint"
)

// tell delivers one notice; its error decides whether it is tried again.
func (d *Desk) tell(ctx context.Context, n offprint.Notice) error {
	scheme, _, _ := strings.Cut(n.Address, ":")
	notifier := d.Notifiers[scheme]
	if notifier == nil {
		return offprint.Errorf(offprint.NotConfigured, "Nothing here delivers to %s addresses any more.", scheme)
	}
	if n.Event == offprint.Ping {
		return notifier.Notify(ctx, n)
	}
	err := d.define(ctx, &n)
	if err != nil {
		return err
	}
	if n.Link, err = d.wayTo(ctx, &n); err != nil {
		return err
	}
	return notifier.Notify(ctx, n)
}

// define gives a notice the definition that its run was accepted with, as it
// shows the run's parameters; one that is not known here gives none.
func (d *Desk) define(ctx context.Context, n *offprint.Notice) error {
	text, err := d.Ledger.Definition(ctx, n.Run.Report, n.Run.Version)
	if offprint.CodeOf(err) == offprint.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	report, err := d.Catalog.Compile(n.Run.Report, n.Run.Version, text)
	if err != nil {
		d.Log.InfoContext(ctx, "a notice says nothing of parameters: the report is not known here as it was", "run", n.Run.ID, "err", err)
		return nil
	}
	run, location := *n.Run, zone(n.Run.Zone)
	if run.Params, err = report.Resolve(run.Params.Sent(), location, run.Created); err != nil {
		d.Log.InfoContext(ctx, "a notice says nothing of parameters: the report does not take them any more", "run", n.Run.ID, "err", err)
		return nil
	}
	n.Run, n.Report = &run, d.Labeled(run.Who, report, run.Params, location, run.Locale)
	return nil
}

// mostMailed is how often a link that was mailed to somebody may be used.
const mostMailed = 20

// wayTo is where whoever reads the notice finds the run: its page or, where
// they are not the one who asked, its file by a link of their own. Tried again,
// also by another process, the notice has the same link.
func (d *Desk) wayTo(ctx context.Context, n *offprint.Notice) (string, error) {
	to, mailed := strings.CutPrefix(n.Address, "mailto:")
	switch {
	case d.Base == "":
		return "", nil
	case !mailed || to == n.Run.Who.Email:
		return d.Base + "/runs/" + n.Run.ID, nil
	case n.Run.File == nil: // there is nothing for others to see
		return "", nil
	case n.Run.File.State != offprint.Available:
		return "", offprint.Errorf(offprint.Expired, "The file is gone, and nothing else is for others to see. Make the report again.")
	}
	made, err := d.Share(ctx, n.Run.Who, n.Run.ID, Share{
		Audience: Anyone, Label: to, Address: n.Address, Most: mostMailed, Idempotency: Idempotency{Key: n.ID, Route: "notice"},
	})
	if err != nil {
		return "", err
	}
	if made.State != LinkWorks || made.Token == "" {
		return "", offprint.Errorf(offprint.Expired, "The link that was made for it works no more. Make another on the page of the run.")
	}
	return d.Base + "/d/" + made.Token, nil
}
