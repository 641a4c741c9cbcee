package desk

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/ledger"
)

// A Link hands a run's file on to whoever has its token.
type Link = ledger.Link

// An Audience is who may follow a link.
type Audience = ledger.Audience

const (
	Anyone = ledger.Anyone
	Tenant = ledger.Tenant
	Nobody = Audience("off") // of Config.Links alone: there are no links
)

// reaches tells whether there may be links for that audience.
func reaches(audience, most Audience) bool {
	switch most {
	case Anyone:
		return true
	case Tenant:
		return audience == Tenant
	}
	return false
}

// A Share is what somebody sends who wants to hand a file on.
type Share struct {
	Audience Audience // empty: Tenant
	Label    string
	Address  string    // whom it is for, where it is for somebody
	Expires  time.Time // zero, or later than the file's: with the file
	Most     int       // how often it may be used; 0: no limit
	Idempotency
}

// A NewLink is a link with its token, which nothing but this tells.
type NewLink struct {
	Link
	State    LinkState
	Token    string // empty: of a link that was made before, under another secret
	Replayed bool
}

// Share makes a link to the file of one of who's runs.
func (d *Desk) Share(ctx context.Context, who offprint.Identity, id string, s Share) (NewLink, error) {
	run, err := d.Get(ctx, who, id)
	if err != nil {
		return NewLink{}, err
	}
	key := s.key(who)
	shared, err := d.Ledger.ReplayLink(ctx, key) // before anything is checked: what was made once stays made
	token := make([]byte, tokenBytes)
	if err == nil && !shared.Replayed {
		rand.Read(token)
		shared, err = d.addLink(ctx, reader(who, &run), run, s, key, token)
	}
	if err == nil && shared.Replayed {
		token, err = d.unsealed(ctx, shared, key)
	}
	if err != nil {
		return NewLink{}, err
	}
	return NewLink{shared.Link, d.LinkState(&run, &shared.Link), encode(token), shared.Replayed}, nil
}

func (d *Desk) addLink(ctx context.Context, who offprint.Identity, run offprint.Run, s Share, key ledger.Key, token []byte) (ledger.Shared, error) {
	if _, err := d.handOut(ctx, who, run); err != nil {
		return ledger.Shared{}, err
	}
	s.Audience = cmp.Or(s.Audience, Tenant)
	if err := d.checkShare(s); err != nil {
		return ledger.Shared{}, err
	}
	link := Link{Run: run.ID, Audience: s.Audience, Label: s.Label, Address: s.Address, Maker: who.User, Expires: s.Expires, Most: s.Most}
	sharing := ledger.Sharing{Link: link, Hash: hashOf(token), Key: key}
	if key.Key != "" {
		secrets, err := d.secrets(ctx)
		if err != nil {
			return ledger.Shared{}, err
		}
		sharing.Sealed = sealed(secrets[0], key, token)
	}
	return d.Ledger.AddLink(ctx, sharing)
}

func (d *Desk) checkShare(s Share) error {
	var wrong []offprint.Field
	refuse := func(pointer, detail string) { wrong = append(wrong, offprint.Field{Pointer: pointer, Detail: detail}) }
	if s.Audience != Anyone && s.Audience != Tenant {
		refuse("#/audience", "Send anyone or tenant.")
	}
	if !validTitle(s.Label) {
		refuse("#/label", "At most 200 characters on one line.")
	}
	if s.Most < 0 || s.Most > mostUses {
		refuse("#/max_downloads", fmt.Sprintf("Send a number from 1 to %d, or leave it out.", mostUses))
	}
	if !s.Expires.IsZero() && !s.Expires.After(d.Now()) {
		refuse("#/expires_at", "Send a time to come.")
	}
	switch {
	case wrong != nil:
		return invalid(wrong)
	case d.Links == Nobody:
		return titled(offprint.Errorf(offprint.Forbidden, "Download the file and hand it on yourself, or ask whoever runs this server."), "Share links are turned off here")
	case !reaches(s.Audience, d.Links):
		return titled(offprint.Errorf(offprint.Forbidden, "Make one for the people who sign in here."), "Links that anyone can follow are turned off here")
	}
	return nil
}

// sealed is a token that only the key and the secret together can read: a key
// that is made for one request is a pad that is used once.
func sealed(secret []byte, key ledger.Key, token []byte) []byte {
	pad := sign(secret, forReplays, []byte(key.Scope+"\x00"+key.Key))
	subtle.XORBytes(pad, pad, token)
	return pad
}

// unsealed is the token as its maker got it the first time, or nothing if no
// secret reads it any more.
func (d *Desk) unsealed(ctx context.Context, s ledger.Shared, key ledger.Key) ([]byte, error) {
	secrets, err := d.secrets(ctx)
	if err != nil {
		return nil, err
	}
	for _, secret := range secrets {
		if token := sealed(secret, key, s.Sealed); hmac.Equal(hashOf(token), s.Hash) {
			return token, nil
		}
	}
	return nil, nil
}

const (
	tokenBytes = 32
	mostUses   = 1_000_000
)

// hashOf is what is kept of a token.
func hashOf(token []byte) []byte {
	sum := sha256.Sum256(token)
	return sum[:]
}

// LinksOf are the links to the file of one of who's runs, newest first.
func (d *Desk) LinksOf(ctx context.Context, who offprint.Identity, id string) (offprint.Run, []Link, error) {
	run, err := d.Get(ctx, who, id)
	if err != nil {
		return run, nil, err
	}
	links, err := d.Ledger.Links(ctx, id)
	return run, links, err
}

// Revoke makes a link worthless at once.
func (d *Desk) Revoke(ctx context.Context, who offprint.Identity, id, link string) error {
	if _, err := d.Get(ctx, who, id); err != nil {
		return err
	}
	return d.Ledger.RevokeLink(ctx, id, link)
}

// A LinkState is where a link stands.
type LinkState string

const (
	LinkWorks   LinkState = "works"
	LinkRevoked LinkState = "revoked"
	LinkExpired LinkState = "expired"
	LinkUsedUp  LinkState = "used_up"
)

// LinkState is where a link of the run stands.
func (d *Desk) LinkState(run *offprint.Run, l *Link) LinkState {
	now := d.Now()
	switch {
	case !l.Revoked.IsZero(), !reaches(l.Audience, d.Links):
		return LinkRevoked
	case !l.Expires.After(now), run.File == nil, run.File.State != offprint.Available:
		return LinkExpired
	case usedUp(l):
		return LinkUsedUp
	}
	return LinkWorks
}

// A Handed is a file that a link hands on, to one visitor.
type Handed struct {
	*Fetched
	Link    Link
	Visitor offprint.Identity // nobody, where the link is for anyone
	hash    []byte            // of its token
}

// Follow finds what a token's link hands on. Who follows is asked for only
// where the link wants to know. It counts nothing.
func (d *Desk) Follow(ctx context.Context, token string, visitor func() (offprint.Identity, error)) (*Handed, error) {
	h, err := d.link(ctx, token)
	if err != nil {
		return nil, err
	}
	if usedUp(&h.Link) {
		return nil, errUsedUp(&h.Link)
	}
	if h.Link.Audience == Tenant {
		if h.Visitor, err = visitor(); err != nil {
			return nil, err
		}
		if h.Visitor.Tenant != h.Run.Who.Tenant {
			return nil, titled(offprint.Errorf(offprint.Forbidden, "Ask whoever sent it, or sign in as somebody it is for."), "This link is for people of another organisation")
		}
	}
	return h, nil
}

func usedUp(l *Link) bool { return l.Most > 0 && l.Uses >= l.Most }

func errUsedUp(l *Link) error {
	times := fmt.Sprintf("%d downloads", l.Most)
	if l.Most == 1 {
		times = "one download"
	}
	return titled(offprint.Errorf(offprint.Expired, "It was good for %s. Ask whoever sent it for a new one.", times), "This link has been used up")
}

// link is what a token's link hands on, to whomever. It is made in the name of
// whose run it is: what they may have no more, their links hand on to nobody.
func (d *Desk) link(ctx context.Context, token string) (*Handed, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != tokenBytes {
		return nil, noLink()
	}
	return d.linkOf(ctx, hashOf(raw))
}

func (d *Desk) linkOf(ctx context.Context, hash []byte) (*Handed, error) {
	link, err := d.Ledger.LinkByHash(ctx, hash)
	if err != nil {
		return nil, gone(err, noLink())
	}
	const askAgain = "Ask whoever sent it for a new one."
	switch {
	case !link.Revoked.IsZero():
		return nil, titled(offprint.Errorf(offprint.Expired, askAgain), "This link was taken back")
	case !reaches(link.Audience, d.Links):
		return nil, titled(offprint.Errorf(offprint.Expired, "Whoever runs this server has turned off links like it. Ask whoever sent it for the file."), "This link was taken back")
	}
	run, err := d.Ledger.Get(ctx, link.Run)
	if err != nil {
		return nil, gone(err, noLink())
	}
	fetched, err := d.handOut(ctx, run.Who, run)
	if err != nil {
		return nil, toVisitor(err)
	}
	if !link.Expires.After(d.Now()) {
		return nil, titled(offprint.Errorf(offprint.Expired, "It worked until %s. "+askAgain, link.Expires.Format("2 Jan 2006, 15:04 UTC")), "This link has expired")
	}
	fetched.link = link.ID
	return &Handed{Fetched: fetched, Link: link, hash: hash}, nil
}

// toVisitor is why a file cannot be had, to somebody who cannot make it again.
func toVisitor(err error) error {
	var e *offprint.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case offprint.Expired:
		return titled(offprint.Errorf(offprint.Expired, "Ask whoever sent the link to make the report again."), e.Title)
	case offprint.NotFound:
		return titled(offprint.Errorf(offprint.Expired, "Whoever made it may not have the report any more."), "This link no longer works")
	}
	return err
}

func noLink() error {
	return titled(offprint.Errorf(offprint.NotFound, "The address may have been cut short on its way, or the report was erased. Ask whoever sent it for a new one."), "There is no such link")
}

// gone is instead where err is NotFound.
func gone(err, instead error) error {
	if offprint.CodeOf(err) == offprint.NotFound {
		return instead
	}
	return err
}

// LinkTime is how long whoever took a use of a link may begin or resume their
// download.
const LinkTime = time.Hour

// A turn is one use of a link that somebody took, signed as a pass is.
type turn struct {
	Link    string `json:"l"`
	User    string `json:"u,omitempty"`
	Tenant  string `json:"t,omitempty"`
	Expires int64  `json:"e"` // Unix seconds
}

// Take takes a use of the link, and answers with the turn that lets its holder
// fetch the file. Of two who come together for the last one, one gets it.
func (d *Desk) Take(ctx context.Context, h *Handed) (string, error) {
	taken, err := d.Ledger.UseLink(ctx, h.Link.ID)
	if err != nil {
		return "", err
	}
	if !taken { // it was good when it was found
		if _, err := d.linkOf(ctx, h.hash); err != nil {
			return "", err
		}
		return "", errUsedUp(&h.Link)
	}
	return d.signed(ctx, forLinks, turn{h.Link.ID, h.Visitor.User, h.Visitor.Tenant, d.Now().Add(LinkTime).Unix()})
}

// Resume is what a link hands on to whoever took a use of it within the hour:
// as long as it has neither been revoked nor expired.
func (d *Desk) Resume(ctx context.Context, token, signed string) (*Handed, error) {
	h, err := d.link(ctx, token)
	if err != nil {
		return nil, err
	}
	var t turn
	good, err := d.verified(ctx, forLinks, signed, &t)
	if err != nil {
		return nil, err
	}
	if !good || t.Link != h.Link.ID || d.Now().Unix() > t.Expires {
		return nil, titled(offprint.Errorf(offprint.Expired, "The address of a download works for one hour. Open the link again and click Download."), "This download has come to its end")
	}
	h.Visitor = offprint.Identity{User: t.User, Tenant: t.Tenant}
	return h, nil
}

// Still is an error once the link has been taken back, or its run erased. A
// download that goes on ends with it; that the ledger does not answer ends none.
func (d *Desk) Still(ctx context.Context, h *Handed) error {
	link, err := d.Ledger.LinkByHash(ctx, h.hash)
	if offprint.CodeOf(err) == offprint.NotFound || err == nil && !link.Revoked.IsZero() {
		return errTakenBack
	}
	return nil
}

var errTakenBack = errors.New("the link was taken back while its file was on its way")
