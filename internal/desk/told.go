package desk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/ledger"
)

// told is who is told of a run, and of what. It is decided here, when the run
// is accepted:
//
//   - Whoever says notify is taken at their word, an empty list too. What cannot
//     be delivered is refused.
//   - Who makes a run again without saying has those told that the run told.
//   - Else it is whom the report names, and the webhooks of the asker's
//     preferences. Whether the asker is mailed, and of what, their preferences
//     say before the report does, and ask.Mailed before both. What cannot be
//     delivered is left out: nobody who asks is to blame for it.
func (d *Desk) told(ctx context.Context, who offprint.Identity, report *offprint.Report, ask Ask) ([]offprint.Addressee, error) {
	switch {
	case ask.Notify != nil:
		return d.asSaid(ctx, who, ask.Notify)
	case ask.again != nil:
		return d.asBefore(ctx, who, ask.again)
	case len(d.Notifiers) == 0:
		return nil, nil
	}
	prefers, err := d.Ledger.RecentPreferences(ctx, who.Tenant, who.User)
	if err != nil {
		return nil, err
	}
	var all addressees
	for _, address := range addressesOf(report, prefers) {
		to, err := d.try(ctx, who, address)
		if err != nil {
			return nil, err
		}
		all.add(to)
	}
	me, err := d.mailed(ctx, who, report, prefers)
	if err != nil {
		return nil, err
	}
	all.add(me.wished(ask.Mailed))
	return all, nil
}

// asSaid are those whom a request names.
func (d *Desk) asSaid(ctx context.Context, who offprint.Identity, addresses []string) ([]offprint.Addressee, error) {
	var all addressees
	for i, address := range addresses {
		to, err := d.named(ctx, who, address)
		if e, ok := err.(*offprint.Error); ok {
			e.Fields = []offprint.Field{{Pointer: fmt.Sprintf("#/notify/%d", i), Detail: e.Detail}}
			e.Detail = "Nothing was made. Mend the address named below, or ask again without it."
		}
		if err != nil {
			return nil, err
		}
		all.add(to)
	}
	return all, nil
}

// named is whom a request names. Who names themselves is told of what their
// preferences say beside.
func (d *Desk) named(ctx context.Context, who offprint.Identity, address string) (offprint.Addressee, error) {
	if address != offprint.Me {
		return d.admit(ctx, who, address)
	}
	to, err := d.admit(ctx, who, mailOf(who))
	if err != nil {
		return to, err
	}
	prefers, err := d.Ledger.RecentPreferences(ctx, who.Tenant, who.User)
	if err != nil || prefers == nil {
		return to, err
	}
	to.Events = union(to.Events, prefers.Mail)
	return to, nil
}

// asBefore are those whom a run told, of the same as then.
func (d *Desk) asBefore(ctx context.Context, who offprint.Identity, before []offprint.Addressee) ([]offprint.Addressee, error) {
	var all addressees
	for _, was := range before {
		to, err := d.try(ctx, who, was.Address)
		if err != nil {
			return nil, err
		}
		if to.Address != "" {
			to.Events = was.Events
		}
		all.add(to)
	}
	return all, nil
}

// addressesOf are whom the report and the asker's preferences name, beside the
// asker.
func addressesOf(report *offprint.Report, prefers *Preferences) (all []string) {
	for _, address := range report.Notify {
		if address != offprint.Me {
			all = append(all, address)
		}
	}
	if prefers == nil {
		return all
	}
	for _, id := range prefers.Webhooks {
		all = append(all, "webhook:"+id)
	}
	return all
}

// A mailing is what somebody is mailed of a run who says nothing of it.
type mailing struct {
	offprint.Addressee                  // without an address: they cannot be mailed
	usual              []offprint.Event // what whoever is mailed is told of
}

func (d *Desk) mailed(ctx context.Context, who offprint.Identity, report *offprint.Report, prefers *Preferences) (mailing, error) {
	if who.Email == "" || d.Notifiers["mailto"] == nil {
		return mailing{}, nil
	}
	to, err := d.try(ctx, who, mailOf(who))
	m := mailing{to, to.Events}
	switch {
	case prefers != nil:
		m.Events = prefers.Mail
	case !slices.Contains(report.Notify, offprint.Me):
		m.Events = nil
	}
	return m, err
}

// ready tells whether they are mailed when the file is there.
func (m mailing) ready() bool { return slices.Contains(m.Events, offprint.RunSucceeded) }

// wished is what they are told who say of this run whether to mail them when
// the file is there; nil: they do not say.
func (m mailing) wished(ready *bool) offprint.Addressee {
	switch {
	case ready == nil || *ready == m.ready():
	case *ready:
		m.Events = union(m.usual, m.Events)
	default:
		m.Events = nil
	}
	return m.Addressee
}

// Mails is where who would be mailed, empty where that cannot be, and whether
// they are mailed when a run of the report is ready, if they say nothing of it.
func (d *Desk) Mails(ctx context.Context, who offprint.Identity, report *offprint.Report) (address string, ready bool, err error) {
	prefers, err := d.Preferences(ctx, who)
	if err != nil {
		return "", false, err
	}
	m, err := d.mailed(ctx, who, report, prefers)
	return strings.TrimPrefix(m.Address, "mailto:"), m.ready(), err
}

// MailTo is where who would be mailed; where they cannot be, why.
func (d *Desk) MailTo(ctx context.Context, who offprint.Identity) (address, why string, err error) {
	if d.Notifiers["mailto"] == nil {
		return "", "This server sends no mail.", nil
	}
	to, err := d.admit(ctx, who, mailOf(who))
	if no, ok := refusal(err); ok {
		return "", no.Detail, nil
	}
	return strings.TrimPrefix(to.Address, "mailto:"), "", err
}

func mailOf(who offprint.Identity) string { return "mailto:" + who.Email }

// try is an address that nobody asked for in so many words: the zero Addressee
// where it is not to be told.
func (d *Desk) try(ctx context.Context, who offprint.Identity, address string) (offprint.Addressee, error) {
	to, err := d.admit(ctx, who, address)
	if why, ok := refusal(err); ok {
		d.Log.InfoContext(ctx, "an address is not told", "address", address, "user", who.User, "why", why.Detail)
		return offprint.Addressee{}, nil
	}
	return to, err
}

func (d *Desk) admit(ctx context.Context, who offprint.Identity, address string) (offprint.Addressee, error) {
	scheme, name, _ := strings.Cut(address, ":")
	if notifier := d.Notifiers[scheme]; notifier != nil && name != "" {
		return notifier.Admit(ctx, who, address)
	}
	var none offprint.Addressee
	if address == "mailto:" {
		return none, titled(offprint.Errorf(offprint.Invalid, "Your mail address is not known here."), "You cannot be told by mail")
	}
	return none, titled(offprint.Errorf(offprint.NotConfigured, "Nothing here delivers to this address."), "This server cannot send such a message")
}

// refusal is why an address cannot be told; what may pass is none.
func refusal(err error) (why *offprint.Error, ok bool) {
	ok = errors.As(err, &why) && !why.Code.Retryable()
	return why, ok
}

// addressees are each once, with all that they are told of.
type addressees []offprint.Addressee

// add adds one who is told of something.
func (all *addressees) add(to offprint.Addressee) {
	if to.Address == "" || len(to.Events) == 0 {
		return
	}
	for i := range *all {
		if (*all)[i].Address == to.Address {
			(*all)[i].Events = union((*all)[i].Events, to.Events)
			return
		}
	}
	*all = append(*all, to)
}

func union(a, b []offprint.Event) []offprint.Event {
	all := slices.Clone(a)
	for _, e := range b {
		if !slices.Contains(all, e) {
			all = append(all, e)
		}
	}
	return all
}

// Preferences are what somebody wants to be told of their runs, where a run
// says nothing else.
type Preferences = ledger.Preferences

// Preferences are who's own; nil: they have none.
func (d *Desk) Preferences(ctx context.Context, who offprint.Identity) (*Preferences, error) {
	return d.Ledger.Preferences(ctx, who.Tenant, who.User)
}

// Contacts are those whom who may choose to have told, as far as who delivers to
// them knows any.
func (d *Desk) Contacts(ctx context.Context, who offprint.Identity) (all []offprint.Contact, err error) {
	for _, scheme := range slices.Sorted(maps.Keys(d.Notifiers)) {
		directory, ok := d.Notifiers[scheme].(offprint.Directory)
		if !ok {
			continue
		}
		some, err := directory.Contacts(ctx, who)
		if err != nil {
			return nil, fmt.Errorf("list %s addresses: %w", scheme, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// mostWebhooks leaves a run room for whom its report names, and the asker.
const mostWebhooks = 9

// Prefer keeps who's preferences in place of those they had; nil takes them
// away. A webhook that cannot be told is refused.
func (d *Desk) Prefer(ctx context.Context, who offprint.Identity, p *Preferences) error {
	if p != nil {
		if err := d.checkWebhooks(ctx, who, p.Webhooks); err != nil {
			return err
		}
	}
	return d.Ledger.Prefer(ctx, who.Tenant, who.User, p)
}

func (d *Desk) checkWebhooks(ctx context.Context, who offprint.Identity, ids []string) error {
	wrong := offprint.Errorf(offprint.Invalid, "Nothing was changed. Mend the fields named below and send it again.")
	refuse := func(pointer, detail string) {
		wrong.Fields = append(wrong.Fields, offprint.Field{Pointer: pointer, Detail: detail})
	}
	if len(ids) > mostWebhooks {
		refuse("#/webhooks", fmt.Sprintf("At most %d.", mostWebhooks))
		return wrong
	}
	for i, id := range ids {
		address := hookScheme + ":" + id
		if !offprint.ValidAddress(address) { // no database takes any text
			refuse(fmt.Sprintf("#/webhooks/%d", i), noSuchHook)
			continue
		}
		_, err := d.admit(ctx, who, address)
		if why, ok := refusal(err); ok {
			refuse(fmt.Sprintf("#/webhooks/%d", i), why.Detail)
		} else if err != nil {
			return err
		}
	}
	if wrong.Fields == nil {
		return nil
	}
	return wrong
}
