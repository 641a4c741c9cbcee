package ledger

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/offprint/offprint"
)

// An Audience is who may follow a link.
type Audience string

const (
	Anyone Audience = "anyone" // whoever has it
	Tenant Audience = "tenant" // of those, who is signed in with the tenant of the run
)

// A Link hands a run's file on to whoever has its token.
type Link struct {
	ID       string
	Run      string
	Audience Audience
	Label    string    // what its maker calls it
	Address  string    // whom it was made for, as in mailto:a@b.example; empty: nobody in particular
	Maker    string    // the user
	Expires  time.Time // with the file at the latest
	Most     int       // how often it may be used; 0: no limit
	Uses     int

	Created time.Time
	Used    time.Time // the last time
	Revoked time.Time
}

// A Sharing is a link that somebody asks for.
type Sharing struct {
	Link        // without a time of its end it ends with the file
	Hash []byte // the SHA-256 of its token
	// Sealed is the token once more, as only who asks with the same key can read
	// it; empty: nobody can.
	Sealed []byte
	Key    Key
}

// A Shared is the link that a sharing became, or had become before; then its
// token is the one that was sealed, whose SHA-256 is Hash.
type Shared struct {
	Sharing
	Replayed bool
}

// mostLinks is how many links that work a run may have.
const mostLinks = 100

// AddLink makes a link to a file that is still there: else NotReady, NoFile or
// Expired. The same key again answers with the same link; with another
// fingerprint it is KeyReused.
func (l *Ledger) AddLink(ctx context.Context, s Sharing) (shared Shared, err error) {
	_, err = l.change(ctx, s.Run, "make a link", func(tx *sql.Tx, r *record) error {
		var err error
		shared, err = replayedLink(tx.QueryRowContext(ctx, findLinkByKey, s.Key.digest()), s.Key)
		switch {
		case err != nil:
			return err
		case shared.Replayed:
			return errAsItIs
		}
		shared.Sharing = s
		return l.insertLink(ctx, tx, r, &shared.Sharing)
	})
	return shared, err
}

func (l *Ledger) insertLink(ctx context.Context, tx *sql.Tx, r *record, s *Sharing) error {
	if err := hasFile(r); err != nil {
		return err
	}
	now := l.now()
	if r.gone(now) {
		return offprint.Errorf(offprint.Expired, "The file has expired. Make the report again and share that.")
	}
	var n int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM links WHERE run = $1 AND revoked = 0 AND expires > $2`, r.ID, stamp(now)).Scan(&n)
	if err != nil {
		return err
	}
	if n >= mostLinks {
		return offprint.Errorf(offprint.Conflict, "A report can have %d links that work. Revoke some first.", mostLinks)
	}
	if s.Expires.IsZero() || s.Expires.After(r.File.Expires) {
		s.Expires = r.File.Expires
	}
	s.ID, s.Created = newID("lnk_"), now
	_, err = tx.ExecContext(ctx, `INSERT INTO links (id, run, hash, audience, label, address, maker, created, expires, most, key_digest, fingerprint, sealed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		s.ID, r.ID, hex.EncodeToString(s.Hash), string(s.Audience), s.Label, s.Address, s.Maker, stamp(now), stamp(s.Expires), s.Most,
		s.Key.digest(), s.Key.Fingerprint, hex.EncodeToString(s.Sealed))
	return err
}

// findLink reads links that still have a run. A link ends with the file, which
// may be kept for shorter than it was when the link was made.
const (
	findLink = `SELECT l.id, l.run, l.hash, l.audience, l.label, l.address, l.maker, l.created, CASE WHEN r.expires < l.expires THEN r.expires ELSE l.expires END,
		l.most, l.uses, l.used, l.revoked, l.fingerprint, l.sealed FROM links l JOIN runs r ON r.id = l.run `
	findLinkByKey = findLink + `WHERE l.key_digest = $1 AND l.key_digest <> ''`
)

func scanLink(row interface{ Scan(...any) error }) (s Sharing, err error) {
	var hash, sealed string
	var created, expires, used, revoked int64
	err = row.Scan(&s.ID, &s.Run, &hash, &s.Audience, &s.Label, &s.Address, &s.Maker, &created, &expires, &s.Most, &s.Uses, &used, &revoked, &s.Key.Fingerprint, &sealed)
	if err != nil {
		return s, err
	}
	s.Created, s.Expires, s.Used, s.Revoked = at(created), at(expires), at(used), at(revoked)
	var errHash, errSealed error
	s.Hash, errHash = hex.DecodeString(hash)
	s.Sealed, errSealed = hex.DecodeString(sealed)
	return s, errors.Join(errHash, errSealed)
}

// replayedLink is the link that was made with the key, if one was.
func replayedLink(row *sql.Row, key Key) (Shared, error) {
	s, err := scanLink(row)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Shared{}, nil
	case err != nil:
		return Shared{}, err
	case s.Key.Fingerprint != key.Fingerprint:
		return Shared{}, errKeyReused()
	}
	return Shared{s, true}, nil
}

// ReplayLink is the link that a sharing with this key became; not Replayed, it
// became none. It is KeyReused after another body.
func (l *Ledger) ReplayLink(ctx context.Context, key Key) (Shared, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	shared, err := replayedLink(l.reader.QueryRowContext(ctx, findLinkByKey, key.digest()), key)
	if err != nil {
		return shared, fmt.Errorf("look the link's key up: %w", err)
	}
	return shared, nil
}

// LinkByHash is the link whose token has this SHA-256, whatever became of it.
func (l *Ledger) LinkByHash(ctx context.Context, hash []byte) (Link, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	s, err := scanLink(l.reader.QueryRowContext(ctx, findLink+`WHERE l.hash = $1`, hex.EncodeToString(hash)))
	if errors.Is(err, sql.ErrNoRows) {
		return Link{}, errNoLink()
	}
	if err != nil {
		return Link{}, fmt.Errorf("look the link up: %w", err)
	}
	return s.Link, nil
}

func errNoLink() error { return offprint.Errorf(offprint.NotFound, "There is no such link.") }

// Links are all links of a run, also those that work no more, newest first; of
// many the latest 1,000.
func (l *Ledger) Links(ctx context.Context, run string) ([]Link, error) {
	var all []Link
	err := each(ctx, l.reader, findLink+`WHERE l.run = $1 ORDER BY l.id DESC LIMIT 1000`, []any{run}, func(rows *sql.Rows) error {
		s, err := scanLink(rows)
		all = append(all, s.Link)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the links of %s: %w", run, err)
	}
	return all, nil
}

// UseLink takes one use of a link, if it has one left and the file is there;
// of two who come together for the last one, one takes it.
func (l *Ledger) UseLink(ctx context.Context, id string) (taken bool, err error) {
	taken, err = exec(ctx, l.db, `UPDATE links SET uses = uses + 1, used = $1 WHERE id = $2 AND revoked = 0 AND expires > $1 AND (most = 0 OR uses < most)
		AND EXISTS (SELECT 1 FROM runs WHERE runs.id = links.run AND runs.file_state = 'available' AND runs.expires > $1)`, stamp(l.now()), id)
	if err != nil {
		return false, fmt.Errorf("use a link: %w", err)
	}
	return taken, nil
}

// RevokeLink makes a link of the run worthless from now on, in every process;
// once more changes nothing.
func (l *Ledger) RevokeLink(ctx context.Context, run, id string) error {
	known, err := exec(ctx, l.db, `UPDATE links SET revoked = CASE WHEN revoked = 0 THEN $1 ELSE revoked END WHERE id = $2 AND run = $3`, stamp(l.now()), id, run)
	if err != nil {
		return fmt.Errorf("revoke a link: %w", err)
	}
	if !known {
		return errNoLink()
	}
	return nil
}
