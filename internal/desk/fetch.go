package desk

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/ledger"
)

// Fetched is a file that may be handed out now.
type Fetched struct {
	Run  offprint.Run
	desk *Desk
	link string // the id of the link that hands it on; empty: none does
}

// Open reads the file from offset on, until it is closed.
func (f *Fetched) Open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	return f.desk.Blobs.Open(ctx, f.Run.File.Key, offset)
}

// Done records how much of it was handed out, and where to.
func (f *Fetched) Done(ctx context.Context, who offprint.Identity, from string, bytes int64) error {
	return f.desk.Ledger.Downloaded(ctx, ledger.Download{Run: f.Run.ID, User: who.User, Link: f.link, From: from, At: f.desk.Now(), Bytes: bytes})
}

// StoreTime is how long the store's own address of a file is good for.
const StoreTime = 5 * time.Minute

// AtStore is an address at which the store itself hands the file out, where the
// operator has chosen that, and records that somebody was sent there; else it
// is empty. What a link hands on comes from here always: it can be taken back.
func (f *Fetched) AtStore(ctx context.Context, who offprint.Identity, from string) (string, error) {
	if f.desk.Signer == nil || f.link != "" {
		return "", nil
	}
	file := f.Run.File
	address, err := f.desk.Signer.Sign(ctx, file.Key, file.Name, file.MediaType, StoreTime)
	if err != nil {
		return "", offprint.Errorf(offprint.StorageUnavailable, "The file is kept. Try again in a moment.").Because(err)
	}
	return address, f.Done(ctx, who, from, ByStore) // before: the store tells nobody what became of it
}

// Fetch finds the file of one of who's runs. Rights are asked for again: who
// may no longer ask for the report may no longer have its file.
func (d *Desk) Fetch(ctx context.Context, who offprint.Identity, id string) (*Fetched, error) {
	run, err := d.Get(ctx, who, id)
	if err != nil {
		return nil, err
	}
	return d.handOut(ctx, reader(who, &run), run)
}

// handOut is the run's file, if it is there and who may have it.
func (d *Desk) handOut(ctx context.Context, who offprint.Identity, run offprint.Run) (*Fetched, error) {
	r, err := d.definition(ctx, &run)
	if err != nil {
		return nil, err
	}
	if r != nil && !permits(r, who) {
		return nil, noRun()
	}
	switch {
	case !run.State.Final():
		return nil, titled(offprint.Errorf(offprint.NotReady, "Wait for its end, then ask again."), "The file is not ready")
	case run.File == nil:
		return nil, titled(offprint.Errorf(offprint.NoFile, "The run ended without a file. Make it again."), "There is no file")
	case run.File.State != offprint.Available && run.File.Expires.After(d.Now()):
		return nil, titled(offprint.Errorf(offprint.Expired, "It was deleted on request. Make the report again."), "The file was deleted")
	case run.File.State != offprint.Available, !run.File.Expires.After(d.Now()):
		return nil, titled(offprint.Errorf(offprint.Expired, "It was kept until %s. Make the report again.", run.File.Expires.UTC().Format(time.RFC3339)), "The file has expired")
	}
	return &Fetched{Run: run, desk: d}, nil
}

// definition is the run's report as it is now or, when it is not offered any
// more, as it was accepted. nil is one in Go that is gone for good.
func (d *Desk) definition(ctx context.Context, run *offprint.Run) (*offprint.Report, error) {
	if r, ok := d.Catalog.Report(run.Report); ok {
		return r, nil
	}
	text, err := d.Ledger.Definition(ctx, run.Report, run.Version)
	if offprint.CodeOf(err) == offprint.NotFound || err == nil && text == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := d.Catalog.Compile(run.Report, run.Version, text)
	if err != nil { // as when its source is configured no more
		d.Log.Warn("the rights to a file are not known any more, so it is refused", "run", run.ID, "report", run.Report, "error", err)
		return nil, noRun()
	}
	return r, nil
}

// reader is in whose name who reads a run of theirs: an API key that asked on
// somebody's behalf reads in that somebody's.
func reader(who offprint.Identity, run *offprint.Run) offprint.Identity {
	if who.User == run.Who.User && who.Tenant == run.Who.Tenant {
		return who
	}
	return run.Who
}

func titled(err *offprint.Error, title string) error {
	err.Title = title
	return err
}

// ByStore are the bytes of a download for which somebody was sent to the store.
const ByStore = ledger.ByStore

// Downloads are who fetched the file of one of who's runs.
func (d *Desk) Downloads(ctx context.Context, who offprint.Identity, id string) ([]ledger.Download, error) {
	if _, err := d.Get(ctx, who, id); err != nil {
		return nil, err
	}
	return d.Ledger.Downloads(ctx, id)
}

// PassTime is how long a pass lets its holder begin or resume a download.
const PassTime = time.Minute

// A pass lets a browser fetch one file of one person without a header. It is
// its claims in JSON and their HMAC-SHA-256, both in base64url.
type pass struct {
	Run     string   `json:"r"`
	User    string   `json:"u"`
	Tenant  string   `json:"t,omitempty"`
	Roles   []string `json:"o,omitempty"`
	Expires int64    `json:"e"` // Unix seconds
}

// Pass signs a pass for a file that who may fetch now.
func (d *Desk) Pass(ctx context.Context, who offprint.Identity, id string) (string, error) {
	f, err := d.Fetch(ctx, who, id)
	if err != nil {
		return "", err
	}
	who = reader(who, &f.Run)
	return d.signed(ctx, forFiles, pass{f.Run.ID, who.User, who.Tenant, who.Roles, d.Now().Add(PassTime).Unix()})
}

// Redeem is the identity that a pass for this run was made for.
func (d *Desk) Redeem(ctx context.Context, id, token string) (offprint.Identity, error) {
	var p pass
	good, err := d.verified(ctx, forFiles, token, &p)
	if err != nil {
		return offprint.Identity{}, err
	}
	if !good || p.Run != id || d.Now().Unix() > p.Expires {
		return offprint.Identity{}, titled(offprint.Errorf(offprint.Unauthenticated, "A download link works for one minute. Go back and click Download again."), "This link no longer works")
	}
	return offprint.Identity{User: p.User, Tenant: p.Tenant, Roles: p.Roles}, nil
}

// What the secret signs; no signature for one can pass for one for another.
const (
	forFiles     = "download"
	forLinks     = "shared download"
	forReplays   = "link once more"
	forListening = "live connection"

	forWebhooks = "webhook secret" // what it signs is a key
)

// signed is claims in JSON and their HMAC-SHA-256, both in base64url.
func (d *Desk) signed(ctx context.Context, purpose string, claims any) (string, error) {
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	secrets, err := d.secrets(ctx)
	if err != nil {
		return "", err
	}
	return encode(text) + "." + encode(sign(secrets[0], purpose, text)), nil
}

// verified reads the claims of what was signed for that purpose, by any of the
// secrets; good is false where it was not.
func (d *Desk) verified(ctx context.Context, purpose, token string, claims any) (good bool, err error) {
	head, tail, _ := strings.Cut(token, ".")
	text, errHead := base64.RawURLEncoding.DecodeString(head)
	mac, errTail := base64.RawURLEncoding.DecodeString(tail)
	if errHead != nil || errTail != nil {
		return false, nil
	}
	secrets, err := d.secrets(ctx)
	if err != nil {
		return false, err
	}
	for _, secret := range secrets {
		if !hmac.Equal(mac, sign(secret, purpose, text)) {
			continue
		}
		if err := json.Unmarshal(text, claims); err != nil {
			return false, fmt.Errorf("read what was signed for a %s: %w", purpose, err)
		}
		return true, nil
	}
	return false, nil
}

// secrets are the configured ones, newest first, or the ledger's own.
func (d *Desk) secrets(ctx context.Context) ([][]byte, error) {
	if len(d.Secrets) > 0 {
		return d.Secrets, nil
	}
	secret, err := d.Ledger.Secret(ctx)
	return [][]byte{secret}, err
}

func sign(secret []byte, purpose string, text []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("offprint " + purpose + "\n")) // a hash takes everything
	mac.Write(text)
	return mac.Sum(nil)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
